"""A thousand at once: the gate decides and reserves in one step, and a gate that doesn't is seen to fail."""

from __future__ import annotations

import asyncio
import math

import asyncpg
import pytest

from quickwins.backpressure import PoolExhausted, RejectReason
from tests.integration.backpressure.conftest import Pools, all_is_back, gated_over

pytestmark = [pytest.mark.engines("postgres"), pytest.mark.any_server, pytest.mark.asyncio]


async def test_of_a_thousand_at_once_on_ten_connections_nine_are_admitted(pools: Pools) -> None:
    gated = gated_over(await pools(10, min_size=10), 0.85)
    finish = asyncio.Event()

    async def use() -> None:
        async with gated.acquire() as connection:
            await connection.fetchval("SELECT 1")
            await finish.wait()

    tasks = [asyncio.create_task(use()) for _ in range(1_000)]
    done, admitted = await asyncio.wait(tasks, timeout=0.2)
    assert len(admitted) == 9
    assert {type(task.exception()) for task in done} == {PoolExhausted}
    assert gated.stats().inflight == 9
    assert gated.stats().rejected[RejectReason.THRESHOLD] == 991
    finish.set()
    await asyncio.gather(*admitted)
    await all_is_back(gated)


async def test_a_refusal_takes_nothing_from_the_pool(pools: Pools) -> None:
    pool = await pools(2)
    gated = gated_over(pool, 0.5)
    async with gated.acquire():
        for _ in range(100):
            with pytest.raises(PoolExhausted):
                await gated.fetch("SELECT 1")
        assert pool.get_size() == 1, "no connection was made for those who were refused"
    await all_is_back(gated)


async def test_a_gate_that_looks_at_the_pool_and_then_waits_for_it_admits_nearly_everybody(
    pools: Pools,
) -> None:
    """The negative control: the same thousand against check-then-acquire."""
    pool = await pools(10, min_size=10)
    limit = math.ceil(0.85 * pool.get_max_size())
    passed = 0

    async def naive() -> None:
        nonlocal passed
        if pool.get_size() - pool.get_idle_size() >= limit:
            raise PoolExhausted("full", reason=RejectReason.THRESHOLD)
        await asyncio.sleep(0)  # whatever is awaited between the look and the taking
        passed += 1
        async with pool.acquire() as connection:
            await connection.fetchval("SELECT 1")

    await asyncio.gather(*(naive() for _ in range(1_000)), return_exceptions=True)
    assert passed > 100


async def test_permits_are_given_back_under_a_storm_of_every_kind_of_ending(pools: Pools) -> None:
    gated = gated_over(await pools(3), 0.6)

    async def use(number: int) -> None:
        kind = number % 4
        async with asyncio.timeout(0.003 if kind == 1 else 5), gated.acquire(timeout=5) as connection:
            assert gated.stats().inflight <= 2
            await connection.execute("SELECT 1 / 0" if kind == 2 else "SELECT pg_sleep(0.005)")

    for _ in range(10):
        endings = await asyncio.gather(*(use(number) for number in range(8)), return_exceptions=True)
        assert all(
            ending is None or isinstance(ending, PoolExhausted | TimeoutError | asyncpg.PostgresError)
            for ending in endings
        )
    await all_is_back(gated)
