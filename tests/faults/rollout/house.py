"""Workers of the small service, and controllers of its flag, as processes or here."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from quickwins.core.audit import AuditLog
from quickwins.core.flags.writer import FlagWriter
from quickwins.facade import SECTIONS
from quickwins.rollout import FileStore, Plan, RolloutController, ScrapeSource, State, Writer

ROOT = Path(__file__).parents[3]
CONFIG = """\
service = "feed"
[flags]
poll_interval_seconds = 0.2
[backpressure]
enabled = true
percent = 0
[channels]
enabled = true
percent = 50
# quickwins: complete
"""


class House:
    """One configuration, its workers, and what ramps its flag."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "quickwins.toml"
        self.config.write_text(CONFIG)
        self.audit = AuditLog(folder / "quickwins.toml.rollout.jsonl")
        self.store = FileStore(folder / "quickwins.toml.rollout.json")
        self.targets: list[str] = []
        self.workers: list[subprocess.Popen[str]] = []

    @contextmanager
    def serving(self, bug: str = "none", *, rate: float, workers: int = 2) -> Iterator[None]:
        """`workers` processes that together have `rate` requests a second."""
        try:
            for _ in range(workers):
                self.worker(bug, rate / workers)
            yield
        finally:
            for worker in self.workers:
                worker.kill()
                worker.wait()
                if worker.stdout is not None:
                    worker.stdout.close()

    def worker(self, bug: str, rate: float) -> None:
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.rollout.service", str(self.config), bug, str(rate)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.workers.append(worker)
        assert worker.stdout is not None
        self.targets.append(worker.stdout.readline().strip())

    def plan(self, **more: Any) -> Plan:
        given = {
            "steps": [{"percent": 10, "min_requests": 1_000_000}],
            "targets": self.targets,
            "baseline_requests": 300,
            "interval": 0.5,
            "ttl": 30,
            "deadline": "10m",
            # The tests share two processors with others: what is seeded is far beyond this.
            "gates": {
                "p99_ratio_max": 1.2,
                "cpu_ratio_max": 100,
                "memory_ratio_max": 100,
                "cascade_p99_ratio_max": 5,
            },
        }
        return Plan.model_validate({**given, **more})

    def controller(self, writer: Writer | None = None) -> RolloutController:
        return RolloutController(
            ScrapeSource(self.targets),
            writer or FlagWriter(self.config, SECTIONS),
            self.store,
            feature="backpressure",
            audit=self.audit,
            registry=CollectorRegistry(),
        )

    async def seen(self) -> list[float]:
        """What every worker that answers shows."""
        reading = await ScrapeSource(self.targets).read("backpressure", time.time())
        return [percent for one in reading.processes.values() for percent in one.percents]

    async def state(self) -> State:
        state = await self.controller().status()
        assert state is not None
        return state

    @property
    def others(self) -> dict[str, Any]:
        """The flags that no ramp is about."""
        found = tomllib.loads(self.config.read_text())
        return {name: section for name, section in found.items() if name != "backpressure"}


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float) -> None:
    """Wait for what `condition()` comes to, no longer than `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.05)


@contextmanager
def running(config: Path, feature: str = "backpressure") -> Iterator[subprocess.Popen[bytes]]:
    """`quickwins rollout run` as a process; what it said is told when the block fails."""
    program = [sys.executable, "-m", "quickwins", "rollout", "run", feature, "--config", str(config)]
    with tempfile.TemporaryFile() as said:  # a pipe that nobody reads would hold it up once it is full
        process = subprocess.Popen(program, cwd=config.parent, stdout=said, stderr=said)
        try:
            yield process
        except BaseException as error:
            said.seek(0)
            error.add_note(said.read().decode()[-4_000:])
            raise
        finally:
            process.kill()
            process.wait()
