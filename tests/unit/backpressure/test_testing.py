"""The pool in memory that we publish does what asyncpg's does for a gated pool, without a server."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from quickwins.backpressure import Gate, GatedPool, NestedAcquire, PoolExhausted
from quickwins.backpressure.testing import FakePool

pytestmark = pytest.mark.asyncio


def gated(pool: FakePool, gate: Gate | None = None) -> GatedPool:
    return GatedPool(pool, gate=gate, registry=CollectorRegistry())


async def test_statements_are_answered_by_a_function_of_query_and_arguments() -> None:
    pool = gated(FakePool(answer=lambda query, *args: [query, *args]))
    assert await pool.fetch("select $1", 7) == ["select $1", 7]
    async with pool.acquire() as connection:
        for method in (connection.fetchrow, connection.fetchval, connection.execute, connection.executemany):
            assert await method("x", 1) == ["x", 1]


async def test_an_answer_may_take_its_time_and_may_fail() -> None:
    async def answer(query: str) -> str:
        if query == "broken":
            raise ValueError(query)
        await asyncio.Event().wait()
        return query

    pool = gated(FakePool(1, answer=answer))
    with pytest.raises(ValueError, match="broken"):
        await pool.fetch("broken")
    with pytest.raises(TimeoutError):
        await pool.fetch("slow", timeout=0.001)
    assert pool.stats().inflight == 0


async def test_code_under_test_meets_a_refusal_while_the_permits_are_taken() -> None:
    pool = gated(FakePool(1))
    async with pool.acquire():
        with pytest.raises(NestedAcquire):
            await pool.fetch("select 1")
        with pytest.raises(PoolExhausted):
            await asyncio.create_task(pool.fetch("select 1"))
    await pool.fetch("select 1")


async def test_a_caller_that_finds_no_connection_waits_for_one_up_to_the_time_out() -> None:
    pool = FakePool(1)
    first = await pool.acquire()
    with pytest.raises(TimeoutError):
        await pool.acquire(timeout=0.001)
    waiting = asyncio.ensure_future(pool.acquire())
    await asyncio.sleep(0)
    await pool.release(first)
    assert await waiting is first
    await pool.release(first)
    await pool.release(first)
    assert [await pool.acquire(), pool.get_max_size()] == [first, 1]


async def test_a_lost_connection_fails_and_is_replaced() -> None:
    fake = FakePool(1)
    gate = Gate.adaptive(min_limit=1)
    pool = gated(fake, gate)
    async with pool.acquire() as lost:
        lost.terminate()
        with pytest.raises(ConnectionResetError):
            await lost.fetch("select 1")
    async with pool.acquire() as connection:
        assert connection is not lost
        assert not connection.is_closed()


async def test_closing_waits_for_those_that_are_out_and_loses_them_after_the_grace() -> None:
    pool = gated(FakePool(2))
    patient, late = await pool.acquire(), await asyncio.ensure_future(held(pool))
    closing = asyncio.ensure_future(pool.close(grace=0.01))
    await asyncio.sleep(0)
    await pool.release(patient)
    await closing
    assert (patient.is_closed(), late.is_closed()) == (False, True)
    await pool.close()
    with pytest.raises(PoolExhausted, match="is closed"):
        await pool.fetch("select 1")
    with pytest.raises(asyncpg.InterfaceError, match="closed"):
        await pool.pool.acquire()


async def test_without_a_grace_they_are_lost_at_once() -> None:
    pool = gated(FakePool(1))
    connection = await pool.acquire()
    await pool.close(grace=0)
    assert connection.is_closed()


async def held(pool: GatedPool) -> Any:
    return await pool.acquire()


async def test_a_connection_that_was_there_when_it_was_tried_for_counts_as_acquired() -> None:
    registry = CollectorRegistry()
    pool = GatedPool(FakePool(1), registry=registry)
    connection = await pool.try_acquire()
    assert connection is not None
    assert await pool.try_acquire() is None
    await pool.release(connection)
    labels = {"service": "", "name": "", "outcome": "acquired"}
    assert registry.get_sample_value("db_pool_acquire_duration_seconds_count", labels) == 1
