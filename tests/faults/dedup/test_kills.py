"""A consumer's process is ended at every step of a batch, or stopped there and woken up too late: nothing lost or doubled."""

from __future__ import annotations

import os
import signal
from random import Random

import pytest

from tests.eventually import eventually
from tests.faults.dedup.points import POINTS
from tests.faults.dedup.processes import Processes, ended, killed, state_of

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.engines("kafka", "postgres", "valkey"),
    pytest.mark.no_cover,
    pytest.mark.timeout(180),
]
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
    "claims": (
        "before the claim",
        "after the claim",
        "before the handler",
        "amid the handler",
        "after the effect",
        "after the done",
    ),
}
IN_SHORT = (
    ("state", "before the transaction"),
    ("state", "after the cursor"),
    ("inbox", "after the ids"),
    ("claims", "amid the handler"),
)
REPEATED = (pytest.mark.volume, pytest.mark.any_server)
AT_THE_END = ("noting", "forgetting")
SELDOM = ("tak", "telling", "making", "noting", "forgetting")


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
        pytest.param(strategy, point, marks=() if (strategy, point) in IN_SHORT else REPEATED)
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
        await eventually(lambda: state_of(zombie.pid) == "T", "the zombie does not stop")
        await processes.to_the_end(strategy=strategy)  # though the zombie holds its locks
        assert await processes.wrong() == 0
        os.kill(zombie.pid, signal.SIGCONT)
        code, said = await ended(zombie)
        assert code in (0, 1), said
    finally:
        if zombie.poll() is None:
            await killed(zombie)
    assert await processes.wrong() == 0


async def test_claims_with_a_sink_that_checks_nothing_double_what_a_kill_left_in_doubt(
    processes: Processes,
) -> None:
    """The control: exactly once takes a sink that checks."""
    await processes.until_killed("after the effect", 3, strategy="claims", checks=False)
    await processes.to_the_end(strategy="claims", checks=False)
    assert await processes.wrong() > 0


@pytest.mark.parametrize(("toy", "point"), [("mark first", "amid the handler"), ("highest lsn", "")])
async def test_what_everybody_writes_first_loses_events(processes: Processes, toy: str, point: str) -> None:
    """The control: a harness that finds nothing wrong here finds nothing."""
    if point:
        await processes.until_killed(point, 200, strategy=toy)
    await processes.to_the_end(strategy=toy)
    assert await processes.wrong() > 0


@pytest.mark.volume
@pytest.mark.any_server
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
