"""A long stream, and consumers that are killed again and again wherever they happen to be: nothing lost, nothing doubled.

A seed makes the stream, the points and the batches, and is in what a failure says. `make soak` runs a million events and more
than two hundred kills.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.faults.dedup.points import POINTS
from tests.faults.dedup.processes import Processes, ended
from tests.faults.dedup.stream import TOPIC, stream
from tests.integration.dedup import sinks
from tests.integration.dedup.consuming import house
from tests.soak import times

if TYPE_CHECKING:
    from tests.engines import Target

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.engines("kafka", "postgres", "valkey"),
    pytest.mark.any_server,
    pytest.mark.no_cover,
    pytest.mark.volume,
]
TIMES = times(1, soak=20)
SELDOM = ("tak", "telling", "making", "noting", "forgetting")


@dataclass(frozen=True)
class Plan:
    """How much of a strategy is tried."""

    events: int
    kills: int
    batch: tuple[int, ...]


PLANS = {
    "state": Plan(26_000, 8, (100, 300, 500)),
    "inbox": Plan(16_000, 7, (100, 300)),
    "claims": Plan(7_000, 7, (32, 64, 128)),
    "window": Plan(3_000, 3, (32, 64)),
}
assert sum(plan.events for plan in PLANS.values()) >= 50_000
assert sum(plan.kills for plan in PLANS.values()) >= 20


@pytest.mark.parametrize("strategy", PLANS)
async def test_killed_again_and_again_in_a_long_stream(
    kafka: Target, valkey: Target, postgres_database: str, topic_prefix: str, strategy: str
) -> None:
    plan, seed = PLANS[strategy], 18
    events, kills = plan.events * TIMES, plan.kills * times(1, soak=10)
    rng = Random(seed)
    async with house(kafka.url, postgres_database, topic_prefix, (TOPIC,)) as made:
        await made.pool.execute(sinks.TABLES)
        processes = Processes(made, stream(events, seed), postgres_database, valkey=valkey.url)
        await processes.send()
        often = [
            point
            for point in POINTS.get(strategy, ("before the handler", "amid the handler"))
            if not any(part in point for part in SELDOM)
        ]
        story = []
        for _ in range(kills):
            point, nth, batch = rng.choice(often), rng.randint(1, 12), rng.choice(plan.batch)
            story.append((point, nth, batch))
            code, said = await ended(
                processes.start(point, nth, strategy=strategy, counts=True, batch=batch), seconds=120
            )
            assert code == -signal.SIGKILL, (seed, story, code, said)
        code, said = await ended(
            processes.start(strategy=strategy, counts=True, batch=max(plan.batch)), seconds=250 * TIMES
        )
        assert code == 0, (seed, story, said)
        lost, doubled = await processes.lost_and_doubled(events)
    assert lost == 0, (seed, story)
    if strategy != "window":  # it forgets with its process, and promises no more
        assert doubled == 0, (seed, story)
