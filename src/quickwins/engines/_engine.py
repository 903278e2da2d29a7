"""What the three servers share: one way to start, await, pause, crash, restart and stop them.

A server is ready when *our* process has answered a real request, not when something accepts on the port: after losing
a race for the port, that may be another server. So each probe compares an identity (data folder, process id, cluster
id), and reads the version at the same time.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import struct
import tempfile
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from signal import Signals
from typing import TYPE_CHECKING, ClassVar, Self

from quickwins.core.errors import needs_extra
from quickwins.engines.errors import EngineError, EngineFailure
from quickwins.engines.process import Child

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quickwins.engines.capabilities import Capability

HOST = "127.0.0.1"

FIRST_PORT, PORTS = 20_000, 10_000
"""Ports are drawn from 20,000 to 29,999: below those that Linux (from 32,768) and macOS (from 49,152) use for outgoing
connections, so that none of those takes a server's port during a restart."""

PORT_ATTEMPTS = 10
"""How many ports are tried, if other processes keep taking them."""

PROBE_SECONDS = 1.0
"""The time limit of one readiness request; the next one follows, up to the caller's limit."""

ANSWER_BYTES = 1 << 20
"""The largest answer to a probe: whatever announces a longer one is not a server of ours."""

PORT_TAKEN = ("address already in use", "address in use", "could not bind")
"""What the three servers print, in lower case, when another process has the port."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a running server says about itself: its version, and what it cannot do, with the reason."""

    version: str
    lacking: Mapping[Capability, str]


class NotReadyError(Exception):
    """The probe was answered by a server that is not ours, or not ready."""


class Engine(ABC):
    """A real server on 127.0.0.1 that ends with this process.

    Calls block, and may come from any thread, one at a time; from a coroutine use `asyncio.to_thread`. It is stopped by
    `stop`, by leaving the `with` block, and however this process ends, even by SIGKILL (see `Child`). There is no
    password, so every local user can reach it: for tests, demos and benchmarks.
    """

    name: ClassVar[str]
    can: ClassVar[frozenset[Capability]]
    """What a server of this kind can do at best."""
    stop_signals: ClassVar[Sequence[tuple[Signals, float]]] = ((Signals.SIGTERM, 10.0),)

    def __init__(self, folder: Path | None, settings: Mapping[str, str]) -> None:
        """Use `start`."""
        self.settings = dict(settings)
        self.port = 0
        self._answer: Answer | None = None
        self._run_as = self._account()
        self.folder = (
            (temporary_base() / f"quickwins-{self.name}-{secrets.token_hex(6)}") if folder is None else folder
        )
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self.child = Child(
            name=self.name,
            log_path=self.folder / "server.log",
            # Servers read settings from the environment too, so they get only this.
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            cwd=Path("/"),
            stop_signals=self.stop_signals,
            cleanup_folder=self.folder if folder is None else None,
            run_as=self._run_as,
        )

    @classmethod
    def start(
        cls,
        folder: Path | str | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        ready_timeout_seconds: float = 60.0,
    ) -> Self:
        """Start a server and wait until it answers.

        Args:
            folder: Where it keeps its data and `server.log`; made if missing, kept at the end, and used again by a later
                start. `None` means a temporary folder that is removed at the end.
            settings: The server's own settings; they override our defaults (see the class).
            ready_timeout_seconds: How long it may take until it answers a request.

        Raises:
            EngineError: It did not start; the message ends with the end of its log.
            MissingExtraError: The `engines` extra is not installed.
        """
        server = cls(None if folder is None else Path(folder).absolute(), settings or {})
        try:
            deadline = time.monotonic() + ready_timeout_seconds
            server._prepare(deadline)
            server._launch(deadline)
        except BaseException:
            server.stop()
            raise
        return server

    def __repr__(self) -> str:
        answered = "not ready" if self._answer is None else f"version {self.version} at {self.url}"
        return f"<{type(self).__name__} {answered}, {self.child!r}>"

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect."""

    @property
    def version(self) -> str:
        """The version of the running server; empty before it has answered."""
        return "" if self._answer is None else self._answer.version

    @property
    def pid(self) -> int:
        """The process id of the server."""
        return self.child.pid

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What the running server can do."""
        return self.can - self.lacking.keys()

    @property
    def lacking(self) -> Mapping[Capability, str]:
        """What servers of this kind can do, but this one cannot, each with the reason."""
        return {} if self._answer is None else self._answer.lacking

    def stop(self) -> None:
        """Shut down cleanly, then by force, within a bounded time; remove a temporary folder. Calling it again does nothing."""
        self.child.stop()

    def kill(self) -> None:
        """SIGKILL the server and all its processes, like a crash; data and port are kept for `restart`."""
        self.child.signal(Signals.SIGKILL, tree=True)
        self.child.wait()

    def restart(self, *, ready_timeout_seconds: float = 60.0) -> None:
        """Start again on the same data and port; if it is running, it is shut down cleanly first.

        Raises:
            EngineError: It did not answer in time, or another process has taken the port.
        """
        self._start_on(self.port, time.monotonic() + ready_timeout_seconds)

    def pause(self) -> None:
        """SIGSTOP the server and all its processes: connections stay open, and nothing answers."""
        self.child.signal(Signals.SIGSTOP, tree=True)

    def resume(self) -> None:
        """Continue after `pause`."""
        self.child.signal(Signals.SIGCONT, tree=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    # What differs between engines.

    def _account(self) -> tuple[int, int] | None:
        """The user and group to run as; `None` means our own."""
        return None

    def _prepare(self, deadline: float) -> None:  # noqa: B027 -- a step that only PostgreSQL has; until=never
        """Do what must be done once before the server is started on its folder."""

    @abstractmethod
    def _argv(self, port: int) -> list[str]:
        """The server's command line."""

    @abstractmethod
    def _probe(self, connection: socket.socket) -> Answer:
        """One real request over a fresh connection.

        Raises:
            NotReadyError: Another server answered, or ours is still starting.
            OSError: None answered.
        """

    # Starting.

    def _launch(self, deadline: float) -> None:
        for _ in range(PORT_ATTEMPTS - 1):
            with contextlib.suppress(PortTakenError):
                return self._start_on(free_port(), deadline)
        return self._start_on(free_port(), deadline)

    def _start_on(self, port: int, deadline: float) -> None:
        self.port = port
        printed = self.child.log_path.stat().st_size if self.child.log_path.exists() else 0
        self.child.run(self._argv(port))
        while True:
            returncode = self.child.poll()
            if returncode is not None:
                log = self.child.log_path.read_bytes()[printed:].decode(errors="replace").lower()
                kind = PortTakenError if any(words in log for words in PORT_TAKEN) else EngineError
                raise kind(
                    f"{self.name} ended with status {returncode} before it answered:\n{self.child.log_tail()}",
                    reason=EngineFailure.EXITED,
                )
            left = deadline - time.monotonic()
            try:
                with socket.create_connection(
                    (HOST, port), timeout=max(0.01, min(PROBE_SECONDS, left))
                ) as connection:
                    self._answer = self._probe(connection)
                    return
            except (OSError, NotReadyError, ValueError, LookupError, struct.error) as error:
                # The last three: whatever has the port now may answer anything, even in another protocol.
                if left <= 0:
                    raise EngineError(
                        f"{self.name} gave no answer in time ({error}):\n{self.child.log_tail()}",
                        reason=EngineFailure.NOT_READY,
                    ) from error
            time.sleep(0.02)


class PortTakenError(EngineError):
    """Another process has the port. Another port is tried, except in a restart."""


def package_folder(package: str) -> Path:
    """The folder of an installed package, without importing it: some do things on import, or write to the home folder.

    Raises:
        MissingExtraError: It is not installed.
    """
    with needs_extra("engines"):
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"no {package}", name=package)
    return Path(spec.origin).parent


def executable(path: Path) -> Path:
    """`path`, if it can be executed.

    Raises:
        EngineError: It cannot be executed, or is not there.
    """
    if not os.access(path, os.X_OK):
        raise EngineError(
            f"no server for this platform in the installed package: {path}", reason=EngineFailure.NO_BINARY
        )
    return path


def free_port() -> int:
    """A port of 127.0.0.1 that is free at this moment; another process may still take it before the server does.

    Raises:
        EngineError: None of a hundred ports is free.
    """
    for _ in range(100):
        port = FIRST_PORT + secrets.randbelow(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise EngineError(f"no free port from {FIRST_PORT} on", reason=EngineFailure.NOT_READY)


def temporary_base() -> Path:
    """Where to make temporary folders. For root, one that other accounts can enter: TMPDIR may be private."""
    chosen = Path(tempfile.gettempdir()).resolve()
    if os.geteuid() != 0:
        return chosen
    return next((base for base in (chosen, Path("/tmp"), Path("/var/tmp")) if open_to_all(base)), chosen)  # noqa: S108 -- names in it are random and made with mode 0700; until=never


def open_to_all(folder: Path) -> bool:
    """Whether any account can enter `folder` and all folders above it."""
    return all(above.stat().st_mode & 0o001 for above in (folder, *folder.parents))


def receive(connection: socket.socket, size_bytes: int) -> bytes:
    """Exactly `size_bytes` from a connection.

    Raises:
        NotReadyError: The connection ended before that, or no answer of a server of ours has that size.
    """
    if not 0 <= size_bytes <= ANSWER_BYTES:
        raise NotReadyError(f"an answer of {size_bytes} bytes")
    received = b""
    while len(received) < size_bytes:
        chunk = connection.recv(size_bytes - len(received))
        if not chunk:
            raise NotReadyError("the connection was closed")
        received += chunk
    return received
