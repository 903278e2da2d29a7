"""Backends as processes of their own: started together, killed, stopped and restarted, and asked what they executed."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import secrets
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from quickwins.engines import Child
from quickwins.rig import TcpBalancer
from tests import untraced
from tests.eventually import eventually

ROOT: Final = Path(__file__).parents[2]
READY_SECONDS: Final = 30.0


class Entry(NamedTuple):
    """A call that a backend began to execute."""

    method: str
    call: str
    peer: str


@dataclass(slots=True)
class Backend:
    """One server process. Its port and its ledger are the same after a restart.

    Attributes:
        harmed: Whether it is of no use to another test.
    """

    name: str
    folder: Path
    arguments: tuple[str, ...]
    child: Child
    port: int = 0
    harmed: bool = False

    @property
    def pid(self) -> int:
        return self.child.pid

    def argv(self) -> list[str]:
        return [
            *(sys.executable, "-m", "tests.backends.server", "--name", self.name, "--port", str(self.port)),
            *("--ledger", str(self.ledger), "--ready", str(self.ready), *self.arguments),
        ]

    @property
    def ledger(self) -> Path:
        return self.folder / f"{self.name}.ledger"

    @property
    def ready(self) -> Path:
        return self.folder / f"{self.name}.ready"

    async def start(self) -> None:
        """Start it, on its port if it had one, and wait until it listens."""
        self.ready.unlink(missing_ok=True)
        await asyncio.to_thread(self.child.run, self.argv())
        await eventually(
            self.ready.exists, f"{self.name} did not start:\n{self.child.log_tail()}", READY_SECONDS
        )
        self.port = int(self.ready.read_text())

    def kill(self) -> None:
        self.child.signal(signal.SIGKILL)

    def pause(self) -> None:
        self.harmed = True  # what it is asked meanwhile it begins after the test
        self.child.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.child.signal(signal.SIGCONT)

    async def stop(self) -> None:
        """Ask it to end, and wait until it has: calls under way may end first, new ones are refused."""
        await asyncio.to_thread(self.child.halt)

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    def entries(self) -> list[Entry]:
        """What it began to execute, those before a kill or a restart too."""
        with contextlib.suppress(FileNotFoundError):
            return [Entry(*line.split(" ", 2)) for line in self.ledger.read_text().splitlines()]
        return []

    def connections(self) -> int:
        """How many clients it is connected to, as its own system says."""
        return sum(
            connection.status == psutil.CONN_ESTABLISHED and connection.laddr.port == self.port
            for connection in psutil.Process(self.pid).net_connections("tcp")
        )


_UNHARMED: Final[dict[tuple[str, int], Backend]] = {}
"""Backends that came out of a test as they went in, by name and age: a start costs more than most tests do."""


@asynccontextmanager
async def fleet(
    folder: Path, size: int, *, max_age_ms: int = 0, tls: Path | None = None
) -> AsyncIterator[list[Backend]]:
    """So many backends, which all listen, have executed nothing, and don't outlive this process.

    Args:
        folder: For their logs.
        size: How many.
        max_age_ms: When a server sends a connection away; 0: never.
        tls: Where their key and certificate are; `None`: plain.
    """
    backends = [
        _UNHARMED.pop((f"backend{number}", max_age_ms), None) if tls is None else None
        for number in range(size)
    ]
    async with AsyncExitStack() as stack:
        ready = []
        for number, found in enumerate(backends):
            backend = found or _new(f"backend{number}", folder, max_age_ms, tls)
            stack.push_async_callback(_give_back, backend, max_age_ms, reusable=tls is None)
            ready.append(backend)
        await asyncio.gather(
            *(backend.start() for backend, found in zip(ready, backends, strict=True) if found is None)
        )
        yield ready


def _new(name: str, folder: Path, max_age_ms: int, tls: Path | None) -> Backend:
    own = Path(tempfile.gettempdir(), f"quickwins-{name}-{secrets.token_hex(6)}")
    child = Child(
        name=name,
        log_path=folder / f"{name}.log",
        env=untraced.environment(),
        cwd=ROOT,
        cleanup_folder=own,
    )
    arguments = ("--max-age-ms", str(max_age_ms), "--tls", "" if tls is None else str(tls))
    return Backend(name, own, arguments, child)


async def _give_back(backend: Backend, max_age_ms: int, *, reusable: bool) -> None:
    """Keep it for another test, if it is as good as new; else end it."""
    key = (backend.name, max_age_ms)
    if (
        reusable
        and not backend.harmed
        and backend.port
        and key not in _UNHARMED
        and backend.child.poll() is None
    ):
        gc.collect()  # the test's call objects keep connections
        with contextlib.suppress(AssertionError):
            await eventually(lambda: backend.connections() == 0, seconds=1.0)
            os.truncate(backend.ledger, 0)
            _UNHARMED[key] = backend
            return
    backend.resume()  # one that was left stopped would not notice that it is asked to end
    await asyncio.to_thread(backend.child.stop)


@asynccontextmanager
async def behind_one_address(
    folder: Path, size: int, *, max_age_ms: int = 0, tls: Path | None = None
) -> AsyncIterator[tuple[TcpBalancer, list[Backend]]]:
    """The same, behind a balancer of connections."""
    async with (
        fleet(folder, size, max_age_ms=max_age_ms, tls=tls) as backends,
        TcpBalancer(backend.port for backend in backends) as balancer,
    ):
        yield balancer, backends


def executions(backends: Iterable[Backend], method: str) -> Counter[str]:
    """How many times each call of the method was begun, by all of them together."""
    return Counter(
        entry.call for backend in backends for entry in backend.entries() if entry.method == method
    )
