"""Backends as processes of their own: started together, killed, stopped and restarted, and asked what they executed."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
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
    """One server process. Its port and its ledger are the same after a restart."""

    name: str
    folder: Path
    arguments: tuple[str, ...]
    child: Child
    port: int = 0

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


@asynccontextmanager
async def fleet(
    folder: Path, size: int, *, max_age_ms: int = 0, tls: Path | None = None
) -> AsyncIterator[list[Backend]]:
    """So many backends, which all listen, and none of which outlives the block or this process."""
    arguments = ("--max-age-ms", str(max_age_ms), "--tls", "" if tls is None else str(tls))
    backends = []
    async with AsyncExitStack() as stack:
        for number in range(size):
            name = f"backend{number}"
            child = Child(
                name=name,
                log_path=folder / f"{name}.log",
                env=untraced.environment(),
                cwd=ROOT,
                stop_signals=[(signal.SIGTERM, 10.0)],
            )
            stack.push_async_callback(asyncio.to_thread, _end, child)
            backends.append(Backend(name, folder, arguments, child))
        await asyncio.gather(*(backend.start() for backend in backends))
        yield backends


def _end(child: Child) -> None:
    # One that was left stopped would not notice that it is asked to end.
    child.signal(signal.SIGCONT)
    child.stop()


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
