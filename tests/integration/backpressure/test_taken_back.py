"""Connections that leave their holder without `release`: the permit goes where the pool's own slot goes.

asyncpg frees the slot of a connection that was closed, terminated or lost while somebody held it. A permit that stayed
behind would be one that nobody can give back: two such uses of a pool of two, and every caller is refused for good.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from quickwins.backpressure import Gate
from tests.eventually import eventually
from tests.integration.backpressure.conftest import Pools, Subject, all_is_back, gated_over

pytestmark = [pytest.mark.engines("postgres"), pytest.mark.any_server, pytest.mark.asyncio]

Way = Callable[[Any], Awaitable[None]]


async def closed(connection: Any) -> None:
    await connection.close()


async def terminated(connection: Any) -> None:
    connection.terminate()


async def ended_by_the_server(connection: Any) -> None:
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError)):
        await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")


WAYS = [pytest.param(way, id=way.__name__) for way in (closed, terminated, ended_by_the_server)]


@pytest.mark.parametrize("way", WAYS)
async def test_a_pool_goes_on_whatever_way_its_connections_leave(
    pools: Pools, made: Callable[[asyncpg.Pool], Subject], way: Way
) -> None:
    subject = made(await pools(2))
    for _ in range(5):
        connection = await subject.pool.acquire(timeout=10)
        await way(connection)
    async with subject.pool.acquire(timeout=10) as connection:
        assert await connection.fetchval("SELECT 1") == 1
    await subject.is_whole()


@pytest.mark.parametrize("way", WAYS)
async def test_a_block_whose_connection_has_left_gives_its_permit_back_once(
    pools: Pools, made: Callable[[asyncpg.Pool], Subject], way: Way
) -> None:
    subject = made(await pools(2))
    for _ in range(5):
        async with subject.pool.acquire(timeout=10) as connection:
            await way(connection)
    await subject.is_whole()


@pytest.mark.parametrize("way", WAYS)
async def test_a_waiter_is_served_when_a_holder_closes_its_connection(pools: Pools, way: Way) -> None:
    gated = gated_over(
        await pools(1), gate=Gate.queue(target_seconds=30.0, interval_seconds=60.0, queue_size=10)
    )
    connection = await gated.acquire()

    async def wait() -> Any:
        async with gated.acquire(timeout=10) as waited:
            return await waited.fetchval("SELECT 1")

    waiter = asyncio.create_task(wait())
    await eventually(lambda: gated.stats().waiting == 1)
    await way(connection)
    assert await waiter == 1
    await all_is_back(gated)


async def test_connections_that_were_told_to_expire_give_their_permits_back(pools: Pools) -> None:
    pool = await pools(2)
    gated = gated_over(pool)
    held = [await gated.acquire() for _ in range(2)]
    await pool.expire_connections()
    for connection in held:
        await gated.release(connection)
    await all_is_back(gated)


async def test_what_is_heard_of_a_use_that_is_over_leaves_the_next_one_its_permit(pools: Pools) -> None:
    gated = gated_over(await pools(2, min_size=2))
    acquisition = gated.acquire()
    first = await acquisition
    first.terminate()  # of which the gate hears a turn of the loop later
    await gated.release(first)
    second = await acquisition
    for _ in range(5):
        await asyncio.sleep(0)
    assert gated.stats().inflight == 1
    await gated.release(second)
    await all_is_back(gated)


async def test_nothing_is_remembered_of_connections_and_tasks_that_are_gone(pools: Pools) -> None:
    gated = gated_over(await pools(2))

    async def use() -> None:
        connection = await gated.acquire()
        await connection.close()

    for _ in range(20):
        await asyncio.create_task(use())
    await eventually(lambda: gated.stats().inflight == 0)
    assert gated.stats().holders == ()
    assert gated.stats().nested == 0


async def test_a_connection_lost_in_its_block_is_a_failure_for_an_adaptive_gate_although_its_permit_is_back(
    pools: Pools,
) -> None:
    gated = gated_over(
        await pools(8), gate=Gate.adaptive(target_seconds=30.0, interval_seconds=300.0, queue_size=100)
    )
    before = gated.stats().limit
    assert before is not None
    for _ in range(200):
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError)):
            async with gated.acquire(timeout=10) as connection:
                await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        if (gated.stats().limit or 0) < before:
            break
    after = gated.stats().limit
    assert after is not None
    assert after < before
