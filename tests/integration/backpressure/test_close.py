"""Closing: no new users, a grace for those who hold a connection, and then the end."""

from __future__ import annotations

import asyncio
import gc
import warnings

import asyncpg
import pytest

from quickwins.backpressure import PoolExhausted, RejectReason
from tests.eventually import DEADLINE_SECONDS, eventually
from tests.integration.backpressure.conftest import Pools, asleep, gated_over, sleeping

pytestmark = [pytest.mark.engines("postgres"), pytest.mark.any_server, pytest.mark.asyncio]


async def test_it_waits_for_holders_and_refuses_newcomers_meanwhile(pools: Pools) -> None:
    gated = gated_over(await pools(2))
    connection = await gated.acquire()
    closing = asyncio.create_task(gated.close(grace=DEADLINE_SECONDS))
    await asyncio.sleep(0)
    with pytest.raises(PoolExhausted, match="closed") as caught:
        await gated.acquire()
    assert (caught.value.reason, caught.value.retry_after_seconds) == (RejectReason.CLOSED, None)
    assert await connection.fetchval("SELECT 1") == 1
    assert not closing.done()
    await gated.release(connection)
    await asyncio.wait_for(closing, DEADLINE_SECONDS)
    assert gated.stats().inflight == 0
    assert gated.pool.get_size() == 0


async def test_after_the_grace_it_ends_the_connections_that_are_still_held(pools: Pools) -> None:
    gated = gated_over(await pools(2))
    connection = await gated.acquire()
    await asyncio.wait_for(gated.close(grace=0.05), DEADLINE_SECONDS)
    with pytest.raises(asyncpg.InterfaceError):
        await connection.fetchval("SELECT 1")
    assert gated.stats().inflight == 0, "a permit goes with its connection"
    await gated.release(connection)
    assert gated.stats().inflight == 0


async def test_a_statement_in_the_middle_ends_with_the_grace(pools: Pools) -> None:
    gated, observer, statement = gated_over(await pools(2)), await pools(1), sleeping()
    running = asyncio.create_task(gated.execute(statement))
    await asleep(observer, statement)
    await gated.close(grace=0.05)
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError)):
        await asyncio.wait_for(running, DEADLINE_SECONDS)
    assert gated.stats().inflight == 0


async def test_a_release_under_way_ends_before_close_returns(pools: Pools) -> None:
    statement = sleeping()

    async def reset(connection: asyncpg.Connection) -> None:
        try:
            await connection.execute(statement)
        finally:
            for _ in range(10):  # a hook that has something to put away
                await asyncio.sleep(0)

    gated, observer = gated_over(await pools(1, reset=reset)), await pools(1)
    release = asyncio.create_task(gated.release(await gated.acquire()))
    await asleep(observer, statement)
    release.cancel()
    await asyncio.wait_for(gated.close(grace=0.05), DEADLINE_SECONDS)
    assert gated.stats().inflight == 0, "no task of ours is left when close returns"
    assert release.cancelled()


async def test_a_reset_hook_that_hangs_does_not_hold_up_the_close(pools: Pools) -> None:
    started, finish = asyncio.Event(), asyncio.Event()

    async def reset(_: object) -> None:
        started.set()
        await finish.wait()

    gated = gated_over(await pools(1, reset=reset))
    release = asyncio.create_task(gated.release(await gated.acquire()))
    await started.wait()
    await asyncio.wait_for(gated.close(grace=0.05), DEADLINE_SECONDS)
    finish.set()
    await asyncio.wait([release])
    await eventually(lambda: gated.stats().inflight == 0)


async def test_those_that_wait_inside_the_pool_end_and_give_their_permit_back(pools: Pools) -> None:
    pool = await pools(1)
    gated = gated_over(pool)
    busy = await pool.acquire()
    waiting = asyncio.create_task(gated.fetchval("SELECT 1"))
    await eventually(lambda: gated.stats().inflight == 1)
    closing = asyncio.create_task(gated.close(grace=DEADLINE_SECONDS))
    await asyncio.sleep(0)
    await pool.release(busy)
    await asyncio.wait_for(asyncio.gather(closing, waiting, return_exceptions=True), DEADLINE_SECONDS)
    assert gated.stats().inflight == 0


async def test_closing_twice_and_both_at_once(pools: Pools) -> None:
    gated = gated_over(await pools(2))
    await gated.fetch("SELECT 1")
    await asyncio.gather(gated.close(), gated.close())
    await gated.close()
    await gated.close(grace=0)
    with pytest.raises(PoolExhausted):
        await gated.acquire()


async def test_a_cancelled_close_has_closed_the_gate_and_ended_the_pool(pools: Pools) -> None:
    gated = gated_over(await pools(2))
    connection = await gated.acquire()
    closing = asyncio.create_task(gated.close(grace=DEADLINE_SECONDS))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    with pytest.raises(PoolExhausted):
        await gated.acquire()
    await gated.release(connection)
    assert gated.stats().inflight == 0
    assert gated.pool.is_closing()


async def test_nothing_is_left_for_the_interpreter_to_complain_about(pools: Pools) -> None:
    gated = gated_over(await pools(1))
    release = asyncio.create_task(gated.release(await gated.acquire()))
    await asyncio.sleep(0)
    release.cancel()
    gated.pool.terminate()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await asyncio.wait([release])
        await eventually(lambda: gated.stats().inflight == 0)
        del release
        gc.collect()
