"""What the suites of psycopg_pool and of asyncpg try their pools with, tried with ours: off, and behind each gate.

`docs/peer-cases.md` says which of their cases is which test, here or nearby. All code is our own.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from quickwins.backpressure import (
    BackpressureSettings,
    Gate,
    GatedPool,
    Nested,
    PoolExhausted,
    RejectReason,
    Rule,
)
from quickwins.core.flags import Flags, MemorySource
from tests.eventually import DEADLINE_SECONDS, eventually
from tests.integration.backpressure.conftest import Pools, all_is_back, gated_over

pytestmark = [pytest.mark.engines("postgres"), pytest.mark.any_server, pytest.mark.asyncio]

CALM: dict[str, Any] = {"target_seconds": 30.0, "interval_seconds": 300.0, "nested": Nested.ALLOW}
GATES: dict[str, Callable[..., Gate]] = {
    "off": lambda **o: Gate.queue(**CALM, **o),
    "threshold": lambda **_: Gate.threshold(0.999, nested=Nested.ALLOW),
    "queue": lambda **o: Gate.queue(**CALM, **o),
    "adaptive": lambda **o: Gate.adaptive(**CALM, **o),
}
LINES = ("queue", "adaptive")


@pytest.fixture(params=GATES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def gated(pool: asyncpg.Pool, kind: str, **options: Any) -> GatedPool:
    registry = CollectorRegistry()
    source = MemorySource({"backpressure": {"enabled": kind != "off"}})
    flag = Flags({"backpressure": BackpressureSettings}, [source], registry=registry).flag("backpressure")
    return gated_over(pool, gate=GATES[kind](**options), flag=flag, registry=registry)


class Holder:
    """A task that holds a connection until told."""

    def __init__(self, pool: GatedPool) -> None:
        self._leave = asyncio.Event()
        self._has = asyncio.Event()
        self._task = asyncio.ensure_future(self._hold(pool))

    async def _hold(self, pool: GatedPool) -> None:
        async with pool.acquire():
            self._has.set()
            await self._leave.wait()

    async def has_it(self) -> Holder:
        await asyncio.wait_for(self._has.wait(), DEADLINE_SECONDS)
        return self

    async def leave(self) -> None:
        self._leave.set()
        await asyncio.wait_for(self._task, DEADLINE_SECONDS)


async def held(pool: GatedPool) -> Holder:
    return await Holder(pool).has_it()


async def waits(pool: GatedPool, task: asyncio.Future[Any], kind: str) -> None:
    """Until `task` is in line; nobody can see the line of the bare pool."""
    if kind in LINES:
        await eventually(lambda: pool.stats().waiting > 0 or task.done())
    else:
        for _ in range(5):
            await asyncio.sleep(0)


async def test_more_callers_than_connections_are_served_one_after_the_other(pools: Pools, kind: str) -> None:
    pool = gated(await pools(2, min_size=2), kind, queue_size=100)
    order: list[int] = []

    async def use(number: int) -> None:
        async with pool.acquire() as connection:
            order.append(number)
            await connection.execute("SELECT pg_sleep(0.002)")

    answers = await asyncio.gather(*(use(n) for n in range(20)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, PoolExhausted)]
    if kind == "threshold":
        assert len(refused) == 18
    else:
        assert answers == [None] * 20
        assert sorted(order) == list(range(20))
    if kind in LINES:
        assert order == list(range(20)), "in the order of coming"
    await all_is_back(pool)


async def test_no_more_than_the_line_has_room_for_wait(pools: Pools, kind: str) -> None:
    pool = gated(await pools(1), kind, queue_size=2)
    holder = await held(pool)
    tasks = [asyncio.ensure_future(pool.fetchval("SELECT 1")) for _ in range(5)]
    for _ in range(5):
        await asyncio.sleep(0)
    refused = sum(task.done() and isinstance(task.exception(), PoolExhausted) for task in tasks)
    assert refused == {"off": 0, "threshold": 5, "queue": 3, "adaptive": 3}[kind]
    await holder.leave()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert answers.count(1) == 5 - refused
    await all_is_back(pool)


@pytest.mark.parametrize("shortcut", [False, True])
async def test_a_caller_that_waits_too_long_is_told_and_the_others_are_served(
    pools: Pools, kind: str, shortcut: bool
) -> None:
    pool = gated(await pools(1), kind, queue_size=100)
    holder = await held(pool)

    async def use(timeout: float) -> int:
        if shortcut and kind != "off":  # off, a shortcut's time-out is the statement's alone, as in asyncpg
            return int(await pool.fetchval("SELECT 1", timeout=timeout))
        async with pool.acquire(timeout=timeout) as connection:
            return int(await connection.fetchval("SELECT 1"))

    patient, hasty = asyncio.ensure_future(use(DEADLINE_SECONDS)), asyncio.ensure_future(use(0.05))
    with pytest.raises(PoolExhausted if kind == "threshold" else TimeoutError):
        await hasty
    await holder.leave()
    if kind == "threshold":
        with pytest.raises(PoolExhausted):
            await patient
    else:
        assert await patient == 1
    await all_is_back(pool)


async def test_one_in_line_that_goes_away_leaves_its_place_to_the_next(pools: Pools, kind: str) -> None:
    if kind == "threshold":  # it has no line: the same case is that nobody is in it
        pool = gated(await pools(1), kind)
        holder = await held(pool)
        with pytest.raises(PoolExhausted):
            await pool.acquire()
        await holder.leave()
        await all_is_back(pool)
        return
    pool = gated(await pools(1), kind, queue_size=100)
    holder = await held(pool)
    first = asyncio.ensure_future(pool.fetchval("SELECT 1"))
    await waits(pool, first, kind)
    second = asyncio.ensure_future(pool.fetchval("SELECT 2"))
    await waits(pool, second, kind)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await holder.leave()
    assert await asyncio.wait_for(second, DEADLINE_SECONDS) == 2
    await all_is_back(pool)


async def test_a_connection_given_to_one_that_was_cancelled_meanwhile_is_reclaimed(
    pools: Pools, kind: str
) -> None:
    pool = gated(await pools(1), kind, queue_size=100)
    for turns in range(12):
        holder = await held(pool)
        task = asyncio.ensure_future(pool.acquire().__aenter__())
        with suppress(PoolExhausted):
            await waits(pool, task, kind)
        leaving = asyncio.ensure_future(holder.leave())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await leaving
        with suppress(asyncio.CancelledError, PoolExhausted):
            await pool.release(await task)
        await all_is_back(pool)


async def test_closing_tells_those_in_line_and_newcomers_and_waits_for_holders(
    pools: Pools, kind: str
) -> None:
    pool = gated(await pools(1), kind, queue_size=100)
    holder = await held(pool)
    waiting = asyncio.ensure_future(pool.fetchval("SELECT 1"))
    await waits(pool, waiting, kind)
    closing = asyncio.ensure_future(pool.close(grace=DEADLINE_SECONDS))
    if kind != "off":
        with pytest.raises(PoolExhausted) as caught:
            await asyncio.wait_for(waiting, DEADLINE_SECONDS)
        assert caught.value.reason is (RejectReason.THRESHOLD if kind == "threshold" else RejectReason.CLOSED)
    assert not closing.done(), "somebody holds a connection"
    await holder.leave()
    await asyncio.wait_for(closing, DEADLINE_SECONDS)
    with suppress(
        asyncpg.InterfaceError, asyncpg.InternalClientError
    ):  # off, asyncpg decides about who was in its line
        await asyncio.gather(*([waiting] if kind == "off" else []))
    with pytest.raises(asyncpg.InterfaceError if kind == "off" else PoolExhausted):
        await pool.acquire()
    assert (pool.stats().inflight, pool.stats().waiting) == (0, 0)


async def test_closing_ends_after_its_grace(pools: Pools, kind: str) -> None:
    pool = gated(await pools(1), kind)
    connection = await pool.acquire()
    await asyncio.wait_for(pool.close(grace=0.05), DEADLINE_SECONDS)
    with pytest.raises(asyncpg.InterfaceError, match="released back"):
        await connection.fetchval("SELECT 1")
    await pool.release(connection)
    assert pool.stats().inflight == 0


async def test_a_smaller_and_a_larger_limit_strand_nobody(pools: Pools, kind: str) -> None:
    if kind == "off":  # there is no limit to change: asyncpg's pools have one size
        pool = gated(await pools(2), kind)
        pool.reconfigure(Rule(threshold=0.5))
        assert await asyncio.gather(*(pool.fetchval("SELECT 1") for _ in range(9))) == [1] * 9
        await all_is_back(pool)
        return
    pool = gated(await pools(4), kind, queue_size=100)
    holders = [await held(pool) for _ in range(4)]
    waiting = [asyncio.ensure_future(pool.fetchval("SELECT 1")) for _ in range(6)]
    await waits(pool, waiting[-1], kind)
    pool.reconfigure(Rule(threshold=0.5, nested=Nested.ALLOW))
    assert pool.stats().limit == 2
    for holder in holders:
        await holder.leave()
    answers = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), DEADLINE_SECONDS)
    assert answers.count(1) == (0 if kind == "threshold" else 6)
    pool.reconfigure(Rule(threshold=1.0))
    assert await asyncio.gather(*(pool.fetchval("SELECT 1") for _ in range(9))) == [1] * 9
    await all_is_back(pool)


async def test_its_figures_say_what_is_in_use_how_many_wait_and_for_how_long(pools: Pools, kind: str) -> None:
    pool = gated(await pools(2), kind, queue_size=100)
    assert (pool.stats().inflight, pool.stats().admitted, pool.stats().mean_hold_seconds) == (0, 0, None)
    holders = [await held(pool) for _ in range(2)]
    assert (pool.stats().inflight, len(pool.stats().holders)) == (2, 2)
    if kind in LINES:
        waiting = asyncio.ensure_future(pool.fetchval("SELECT 1"))
        await waits(pool, waiting, kind)
        assert pool.stats().waiting == 1
    for holder in holders:
        await holder.leave()
    if kind in LINES:
        await waiting
        assert (pool.stats().mean_delay_seconds or 0) > 0
    stats = pool.stats()
    assert (stats.inflight, stats.waiting) == (0, 0)
    assert stats.admitted == (0 if kind == "off" else 3 if kind in LINES else 2)
    assert (stats.mean_hold_seconds or 0) > 0
    await all_is_back(pool)


@pytest.mark.parametrize("statement", ["SELECT 1", "SELECT 1/0"])
async def test_a_transaction_that_was_left_open_is_rolled_back_at_release(
    pools: Pools, kind: str, statement: str
) -> None:
    pool = gated(await pools(1), kind)
    async with pool.acquire() as connection:
        await connection.execute("CREATE TEMP TABLE left_open (n int)")
        await connection.execute("BEGIN; INSERT INTO left_open VALUES (1)")
        with suppress(asyncpg.DivisionByZeroError):
            await connection.execute(statement)
    async with pool.acquire() as connection:
        assert not connection.is_in_transaction()
        assert await connection.fetchval("SELECT count(*) FROM left_open") == 0
    await all_is_back(pool)


async def test_a_connection_closed_by_its_holder_is_replaced(pools: Pools, kind: str) -> None:
    pool = gated(await pools(1), kind)
    async with pool.acquire() as connection:
        first = connection.get_server_pid()
        await connection.close()
    async with pool.acquire() as connection:
        assert connection.get_server_pid() != first
    await all_is_back(pool)


async def test_connections_that_expire_or_idle_too_long_are_replaced(pools: Pools, kind: str) -> None:
    pool = gated(await pools(1, max_inactive_connection_lifetime=0.05), kind)
    first = await pool.fetchval("SELECT pg_backend_pid()")
    await eventually(lambda: pool.pool.get_size() == 0)
    second = await pool.fetchval("SELECT pg_backend_pid()")
    async with pool.acquire():
        await pool.pool.expire_connections()
    third = await pool.fetchval("SELECT pg_backend_pid()")
    assert len({first, second, third}) == 3
    await all_is_back(pool)


async def test_a_generator_that_is_left_in_a_transaction_gives_its_connection_back(
    pools: Pools, kind: str
) -> None:
    pool = gated(await pools(1), kind)

    async def rows() -> AsyncIterator[int]:
        async with pool.acquire() as connection, connection.transaction():
            async for record in connection.cursor("SELECT generate_series(1, 100)"):
                yield record[0]

    generator = rows()
    assert await anext(generator) == 1
    await generator.aclose()  # type: ignore[attr-defined]  # -- an async generator has it; until=never
    await all_is_back(pool)

    abandoned = rows()
    assert await anext(abandoned) == 1
    del abandoned
    gc.collect()
    await eventually(lambda: pool.stats().inflight == 0)
    await all_is_back(pool)


async def test_released_in_another_task_than_it_was_acquired_in(pools: Pools, kind: str) -> None:
    pool = gated(await pools(1), kind)
    connection = await pool.acquire()
    await asyncio.ensure_future(pool.release(connection))
    assert await pool.fetchval("SELECT 1") == 1
    await all_is_back(pool)


async def test_many_tasks_for_long_leave_a_whole_pool(pools: Pools, kind: str) -> None:
    pool = gated(await pools(5), kind, queue_size=1_000)

    async def worker(number: int) -> int:
        done = 0
        for _ in range(20):
            try:
                async with pool.acquire(timeout=DEADLINE_SECONDS) as connection:
                    assert await connection.fetchval("SELECT $1::int", number) == number
                done += 1
            except PoolExhausted:
                await asyncio.sleep(0)
        return done

    done = await asyncio.gather(*(worker(n) for n in range(40)))
    assert sum(done) == 800 if kind != "threshold" else sum(done) > 0
    await all_is_back(pool)


async def test_two_first_users_at_once_get_two_connections(pools: Pools, kind: str) -> None:
    made: list[int] = []

    async def init(connection: asyncpg.Connection) -> None:
        made.append(connection.get_server_pid())
        await asyncio.sleep(0)

    pool = gated(await pools(2, init=init), kind)
    both = asyncio.Barrier(2)

    async def use() -> int:
        async with pool.acquire() as connection:
            await both.wait()
            return int(connection.get_server_pid())

    used = await asyncio.wait_for(asyncio.gather(use(), use()), DEADLINE_SECONDS)
    assert sorted(used) == sorted(made)
    assert len(set(made)) == 2
    await all_is_back(pool)
