"""A burst under clients that retry: the bare pool stays down after it, a gated one is back. On a pool of four, for seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from quickwins.backpressure import Gate, PoolExhausted
from quickwins.rig import Outcome, open_loop
from tests.integration.backpressure.conftest import Pools, all_is_back, gated_over

pytestmark = [
    pytest.mark.engines("postgres"),
    pytest.mark.any_server,
    pytest.mark.asyncio,
    pytest.mark.no_cover,
]

SIZE, SERVICE_SECONDS, PATIENCE_SECONDS, TRIES = 4, 0.06, 0.2, 5
CAPACITY = SIZE / SERVICE_SECONDS
BURST = (0.5, 1.5)
WATCHED_FROM, END = 2.5, 4.5


def arrivals() -> list[float]:
    rng, now, found = Random(1), 0.0, []
    while now < END:
        found.append(now)
        now += rng.expovariate(CAPACITY * (4.0 if BURST[0] <= now < BURST[1] else 0.7))
    return found


async def answered(use: Callable[[], Awaitable[object]]) -> float:
    """The share of those that came a second and more after the burst and were answered."""

    async def call(_: int) -> object:
        for _ in range(TRIES - 1):
            try:
                return await asyncio.wait_for(use(), PATIENCE_SECONDS)
            except (TimeoutError, PoolExhausted):
                pass
        return await asyncio.wait_for(use(), PATIENCE_SECONDS)

    due = arrivals()
    late = [index for index, at in enumerate(due) if at >= WATCHED_FROM]
    ok: set[int] = set()

    def note(index: int, outcome: Outcome, _latency: float) -> None:
        if outcome is Outcome.OK:
            ok.add(index)

    await open_loop(call, due, timeout_seconds=5.0, on_outcome=note)
    return len(ok.intersection(late)) / len(late)


async def test_after_a_burst_the_bare_pool_works_for_clients_that_have_gone_and_the_gate_does_not(
    pools: Pools,
) -> None:
    pool = await pools(SIZE, min_size=SIZE)
    gated = gated_over(pool, gate=Gate.queue())
    statement = f"SELECT pg_sleep({SERVICE_SECONDS})"
    assert await answered(lambda: gated.execute(statement)) >= 0.9
    await all_is_back(gated)
    assert await answered(lambda: pool.execute(statement)) <= 0.6
