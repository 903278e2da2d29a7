"""A consumer's process is ended at every step of a batch, or stopped there and woken up too late: nothing lost or doubled."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections import Counter
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
STOPS = {
    "state": (
        "before the transaction",
        "before the handler",
        "amid the handler",
        "after the handler",
        "after the cursor",
        "after the commit",
    ),
    "inbox": (
        "before making a table",
        "after making a table",
        "before the transaction",
        "before the ids",
        "after the ids",
        "amid the handler",
        "before the commit",
        "after the commit",
    ),
}
IN_SHORT = (("state", "before the transaction"), ("state", "after the cursor"), ("inbox", "after the ids"))
AT_THE_END = ("noting", "forgetting")
SELDOM = ("tak", "telling", "making", "noting", "forgetting")


@pytest_asyncio.fixture
async def real(kafka: Target, postgres_database: str, topic_prefix: str) -> AsyncIterator[House]:
    async with house(kafka.url, postgres_database, topic_prefix, TOPICS) as made:
        yield made


class Processes:
    """Consumers of one group in processes of their own."""

    def __init__(self, house: House, dsn: str) -> None:
        self._ends: Counter[str] = Counter()
        self._about = {
            "bootstrap": house.bootstrap,
            "dsn": dsn,
            "group": f"{house.prefix}group",
            "ends": self._ends,
        }
        self._house = house
        self._left = real_records()

    async def send(self, share: float = 1.0) -> None:
        """Send a part of what is left of the real events."""
        count = math.ceil(share * len(self._left))
        self._ends.update(await send(self._house.bootstrap, self._left[:count], self._house.prefix))
        del self._left[:count]

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
        """Send the rest, and start one that reads everything that is left."""
        await self.send()
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
    made = Processes(real, postgres_database)
    await made.send(0.6)
    return made


@pytest.mark.parametrize("strategy", STOPS)
async def test_ended_at_every_step_each_event_has_its_effect_once(
    processes: Processes, strategy: str
) -> None:
    for point in POINTS[strategy]:
        if any(part in point for part in AT_THE_END):
            await processes.send(0.2)
        seldom = any(part in point for part in SELDOM)
        await processes.until_killed(point, 1 if seldom else 3, strategy=strategy)
    await processes.to_the_end(strategy=strategy)
    assert await processes.wrong() == 0


@pytest.mark.parametrize(
    ("strategy", "point"),
    [
        pytest.param(strategy, point, marks=() if (strategy, point) in IN_SHORT else pytest.mark.volume)
        for strategy, points in STOPS.items()
        for point in points
    ],
)
async def test_stopped_and_woken_up_too_late_it_has_no_effect_any_more(
    processes: Processes, strategy: str, point: str
) -> None:
    before = 3 if point == "before the transaction" else 0  # of the tables, and of taking two partitions
    nth = 1 if "making" in point else before + 3
    zombie = processes.start(point, nth, signal.SIGSTOP, strategy=strategy)
    try:
        await eventually(lambda: _state_of(zombie.pid) == "T", "the zombie does not stop")
        await processes.to_the_end(strategy=strategy)  # though the zombie holds its locks
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
@pytest.mark.parametrize("strategy", STOPS)
@pytest.mark.parametrize("seed", [1, 2])
async def test_ended_again_and_again_wherever_it_happens_to_be(
    processes: Processes, strategy: str, seed: int
) -> None:
    rng = Random(seed)
    often = [point for point in POINTS[strategy] if not any(part in point for part in SELDOM[1:])]
    for _ in range(12):
        await processes.until_killed(
            rng.choice(often), rng.randint(1, 2), strategy=strategy, batch=rng.choice((7, 30, 60))
        )
    await processes.to_the_end(strategy=strategy)
    assert await processes.wrong() == 0


def _state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
