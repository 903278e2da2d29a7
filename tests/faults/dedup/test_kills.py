"""A consumer's process is ended at every step of a batch, or stopped there and woken up too late: nothing lost or doubled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from tests.eventually import eventually
from tests.faults.dedup.points import POINTS
from tests.integration.dedup.consuming import House, house, send, truth
from tests.unit.dedup.records import real_records, real_truth

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.engines import Target

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.engines("kafka", "postgres"),
    pytest.mark.no_cover,
    pytest.mark.timeout(180),
]
TOPICS = ("nova.public.posts", "nova.public.events_keyless")
STOPS = (
    "before the transaction",
    "before the handler",
    "amid the handler",
    "after the handler",
    "after the cursor",
    "after the commit",
)


@pytest_asyncio.fixture
async def real(kafka: Target, postgres_database: str, topic_prefix: str) -> AsyncIterator[House]:
    async with house(kafka.url, postgres_database, topic_prefix, TOPICS) as made:
        yield made


class Processes:
    """Consumers of one group in processes of their own."""

    def __init__(self, house: House, ends: dict[str, int], dsn: str) -> None:
        self._about = {
            "bootstrap": house.bootstrap,
            "dsn": dsn,
            "group": f"{house.prefix}group",
            "ends": ends,
        }
        self._house = house

    def start(
        self,
        point: str = "",
        nth: int = 1,
        action: signal.Signals = signal.SIGKILL,
        *,
        strategy: str = "state",
        batch: int = 60,
    ) -> subprocess.Popen[bytes]:
        options: dict[str, Any] = {
            **self._about,
            "point": point,
            "nth": nth,
            "action": action.value,
            "strategy": strategy,
            "batch": batch,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "tests.faults.dedup.consume", json.dumps(options)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    async def until_killed(self, *about: Any, **more: Any) -> None:
        """Start one, which must come by its point."""
        code, said = await _ended(self.start(*about, **more))
        assert code == -signal.SIGKILL, (about, code, said)

    async def to_the_end(self, **more: Any) -> None:
        """Start one that reads everything that is left."""
        code, said = await _ended(self.start(**more))
        assert code == 0, said

    async def wrong(self) -> int:
        """How many rows differ from the source's own final state, or were applied more than once."""
        found, expected = await truth(self._house.pool), real_truth()
        differing = sum(
            len([row for row in found[name] if row not in rows])
            + len([row for row in rows if row not in found[name]])
            for name, rows in expected.items()
        )
        doubled = await self._house.pool.fetchval(
            "SELECT count(*) - count(DISTINCT (topic, record_offset)) FROM applied"
        )
        return differing + int(doubled)


async def _ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    try:
        await eventually(lambda: process.poll() is not None, "the consumer does not end", seconds=60)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert process.stderr is not None
    with process.stderr:
        return process.returncode, process.stderr.read().decode()


@pytest_asyncio.fixture
async def processes(real: House, postgres_database: str) -> Processes:
    ends = await send(real.bootstrap, real_records(), real.prefix)
    return Processes(real, ends, postgres_database)


async def test_ended_at_every_step_each_event_has_its_effect_once(processes: Processes) -> None:
    for point in POINTS:
        await processes.until_killed(point, 1 if "tak" in point or "telling" in point else 3)
    await processes.to_the_end()
    assert await processes.wrong() == 0


@pytest.mark.parametrize(
    "point",
    [
        pytest.param(
            point, marks=() if point in ("before the transaction", "after the cursor") else pytest.mark.volume
        )
        for point in STOPS
    ],
)
async def test_stopped_and_woken_up_too_late_it_has_no_effect_any_more(
    processes: Processes, point: str
) -> None:
    before = 3 if point == "before the transaction" else 0  # of the tables, and of taking two partitions
    zombie = processes.start(point, before + 3, signal.SIGSTOP)
    try:
        await eventually(lambda: _state_of(zombie.pid) == "T", "the zombie does not stop")
        await processes.to_the_end()  # though the zombie holds its locks
        assert await processes.wrong() == 0
        os.kill(zombie.pid, signal.SIGCONT)
        code, said = await _ended(zombie)
        assert code in (0, 1), said
    finally:
        if zombie.poll() is None:
            zombie.kill()
            zombie.wait()
    assert await processes.wrong() == 0


@pytest.mark.parametrize(("toy", "point"), [("mark first", "amid the handler"), ("highest lsn", "")])
async def test_what_everybody_writes_first_loses_events(processes: Processes, toy: str, point: str) -> None:
    """The control: a harness that finds nothing wrong here finds nothing."""
    if point:
        await processes.until_killed(point, 200, strategy=toy)
    await processes.to_the_end(strategy=toy)
    assert await processes.wrong() > 0


@pytest.mark.volume
@pytest.mark.parametrize("seed", [1, 2])
async def test_ended_again_and_again_wherever_it_happens_to_be(processes: Processes, seed: int) -> None:
    rng = Random(seed)
    for _ in range(12):
        await processes.until_killed(
            rng.choice(POINTS[:-2]), rng.randint(1, 2), batch=rng.choice((7, 30, 60))
        )
    await processes.to_the_end()
    assert await processes.wrong() == 0


def _state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
