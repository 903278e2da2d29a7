"""A burst under clients that retry: the bare pool stays down after it, a gated one is back. In virtual time.

What it comes to on a real server is measured, with the same kind of clients, by `benchmarks.backpressure.shapes`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest
from prometheus_client import CollectorRegistry

from quickwins.backpressure import Gate, GatedPool, PoolExhausted
from quickwins.backpressure.testing import FakePool
from quickwins.rig import Outcome, open_loop
from tests.virtual import LoopClock, in_virtual_time

SIZE, SERVICE_SECONDS, PATIENCE_SECONDS, TRIES = 4, 0.06, 0.2, 5
CAPACITY = SIZE / SERVICE_SECONDS
BURST = (2.0, 3.0)
WATCHED_FROM, END = 4.0, 10.0


def arrivals(seed: int) -> list[float]:
    rng, now, found = Random(seed), 0.0, []
    while now < END:
        found.append(now)
        now += rng.expovariate(CAPACITY * (4.0 if BURST[0] <= now < BURST[1] else 0.7))
    return found


async def answered(use: Callable[[], Awaitable[object]], seed: int) -> float:
    """The share of those that came a second and more after the burst and were answered."""

    async def call(_: int) -> object:
        for _ in range(TRIES - 1):
            try:
                return await asyncio.wait_for(use(), PATIENCE_SECONDS)
            except (TimeoutError, PoolExhausted):
                pass
        return await asyncio.wait_for(use(), PATIENCE_SECONDS)

    due = arrivals(seed)
    late = [index for index, at in enumerate(due) if at >= WATCHED_FROM]
    ok: set[int] = set()

    def note(index: int, outcome: Outcome, _latency: float) -> None:
        if outcome is Outcome.OK:
            ok.add(index)

    await open_loop(call, due, timeout_seconds=5.0, on_outcome=note, clock=LoopClock())
    return len(ok.intersection(late)) / len(late)


async def serve(*_: object) -> None:
    await asyncio.sleep(SERVICE_SECONDS)


async def bare(seed: int) -> float:
    pool = FakePool(SIZE, answer=serve)

    async def use() -> object:
        connection = await pool.acquire()
        try:
            return await connection.execute("SELECT 1")
        finally:
            await pool.release(connection)

    return await answered(use, seed)


async def gated(seed: int) -> float:
    pool = GatedPool(
        FakePool(SIZE, answer=serve),
        gate=Gate.queue(),
        name="feed",
        service="api",
        registry=CollectorRegistry(),
        clock=LoopClock(),
    )
    share = await answered(lambda: pool.execute("SELECT 1"), seed)
    assert pool.stats().inflight == pool.stats().waiting == 0
    return share


@pytest.mark.parametrize("seed", range(5))
def test_after_a_burst_the_bare_pool_works_for_clients_that_have_gone_and_the_gate_does_not(
    seed: int,
) -> None:
    assert in_virtual_time(gated(seed)) >= 0.95
    assert in_virtual_time(bare(seed)) <= 0.2
