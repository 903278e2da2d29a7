"""The queue gate on a real pool: its line, its order, its deadlines, and what becomes of those who wait."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from quickwins.backpressure import (
    BackpressureSettings,
    Gate,
    GatedPool,
    GateKind,
    Nested,
    PoolExhausted,
    RejectReason,
    Rule,
)
from quickwins.core.flags import Flags, MemorySource
from quickwins.rig import Outcome, open_loop, uniform_arrivals
from tests.eventually import DEADLINE_SECONDS, eventually
from tests.integration.backpressure.conftest import Pools, all_is_back, asleep, gated_over, patient, sleeping

pytestmark = [pytest.mark.engines("postgres"), pytest.mark.any_server, pytest.mark.asyncio]


async def in_line(gated: GatedPool, number: int = 1, **options: Any) -> list[asyncio.Task[Any]]:
    """Tasks that wait in line for a connection, in this order."""
    tasks = []
    for _ in range(number):
        before = gated.stats().waiting
        tasks.append(asyncio.create_task(gated.fetchval("SELECT 1", **options)))
        for _ in range(5):
            await asyncio.sleep(0)
        assert gated.stats().waiting == before + 1
    return tasks


async def test_every_connection_is_used_and_the_rest_is_served_in_its_turn(pools: Pools) -> None:
    gated = gated_over(await pools(4), gate=Gate.queue(target_seconds=30, interval_seconds=60, queue_size=46))
    answers = await asyncio.gather(*(gated.fetchval("SELECT $1::int", n) for n in range(50)))
    assert answers == list(range(50))
    stats = gated.stats()
    assert (stats.gate, stats.limit, stats.admitted, stats.waiting) == (GateKind.QUEUE, 4, 50, 0)
    assert stats.mean_hold_seconds is not None
    await all_is_back(gated)


async def order_of_service(pool: Any, newcomers: int = 200) -> list[int]:
    """Who is served when: 0 waits for the only connection, and newcomers come in every turn of the loop."""
    order: list[int] = []

    async def use(number: int) -> None:
        async with pool.acquire():
            order.append(number)

    connection = await pool.acquire()
    users = [asyncio.create_task(use(0))]
    for _ in range(5):
        await asyncio.sleep(0)
    users.append(asyncio.create_task(pool.release(connection)))
    for number in range(1, newcomers + 1):
        users.append(asyncio.create_task(use(number)))
        await asyncio.sleep(0)
    await asyncio.wait_for(asyncio.gather(*users), DEADLINE_SECONDS)
    assert len(order) == newcomers + 1
    return order


async def test_nobody_overtakes_in_line(pools: Pools) -> None:
    gated = gated_over(await pools(1), gate=patient())
    assert await order_of_service(gated) == list(range(201))
    await all_is_back(gated)


async def test_the_bare_pool_lets_newcomers_overtake_a_waiter_that_it_has_woken(pools: Pools) -> None:
    """The negative control: the reason why the line is ours and not the pool's."""
    pool = await pools(1)
    for _ in range(20):
        if (order := await order_of_service(pool)) != sorted(order):
            return
    pytest.fail("it was fair twenty times")


async def test_the_timeout_covers_the_line_and_the_connection_and_is_named(pools: Pools) -> None:
    gated = gated_over(await pools(1), gate=patient())
    async with gated.acquire():
        for use in (gated.acquire, lambda **o: gated.fetchval("SELECT 1", **o)):
            with pytest.raises(TimeoutError, match=r"no permit of pool 'feed' within the 0\.05 s asked for"):
                await use(timeout=0.05)
        assert (gated.stats().timed_out, gated.stats().waiting) == (2, 0)
    await all_is_back(gated)
    async with gated.pool.acquire():  # round the gate: a permit is free, a connection is not
        for use in (gated.acquire, lambda **o: gated.fetchval("SELECT 1", **o)):
            with pytest.raises(TimeoutError, match=r"no connection of pool 'feed' within the 0\.05 s asked"):
                await use(timeout=0.05)
    await all_is_back(gated)


async def test_what_the_line_took_is_not_there_for_the_connection(
    pools: Pools, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = await pools(1)
    asked: list[float] = []
    resets: list[float | None] = []
    acquire, release = asyncpg.Pool.acquire, asyncpg.Pool.release

    def noted(pool: asyncpg.Pool, *, timeout: float) -> Any:
        asked.append(timeout)
        return acquire(pool, timeout=timeout)

    def noted_reset(pool: asyncpg.Pool, connection: Any, *, timeout: float | None) -> Any:
        resets.append(timeout)
        return release(pool, connection, timeout=timeout)

    monkeypatch.setattr(asyncpg.Pool, "acquire", noted)
    monkeypatch.setattr(asyncpg.Pool, "release", noted_reset)
    gated = gated_over(pool, gate=patient())
    connection = await gated.acquire()
    asked.clear()
    waiting = asyncio.create_task(gated.acquire(timeout=60.0).__aenter__())
    await eventually(lambda: gated.stats().waiting == 1)
    await gated.release(connection)
    later = await waiting
    assert len(asked) == 1
    assert 0 < asked[0] < 60.0
    await gated.release(later)
    assert resets == [None, 60.0], "the reset has the whole time-out, as in asyncpg"
    monkeypatch.undo()
    await all_is_back(gated)


async def test_a_caller_that_cannot_be_served_in_time_is_refused_before_waiting(pools: Pools) -> None:
    gated = gated_over(await pools(1), gate=patient())
    await gated.execute("SELECT pg_sleep(0.2)")  # what a hold takes is known now
    async with gated.acquire():
        with pytest.raises(PoolExhausted, match=r"too many for the 0\.01 s asked for") as caught:
            await gated.fetchval("SELECT 1", timeout=0.01)
        assert caught.value.reason is RejectReason.DEADLINE
        assert caught.value.retry_after_seconds
        with pytest.raises(PoolExhausted, match="0 s asked for"):
            await gated.acquire(timeout=0)
    await all_is_back(gated)


async def test_an_acquisition_in_line_is_not_awaited_again(pools: Pools) -> None:
    gated = gated_over(await pools(1), gate=patient())
    connection = await gated.acquire()
    acquisition = gated.acquire()

    async def wait() -> None:
        await gated.release(await acquisition)

    waiter = asyncio.create_task(wait())
    await eventually(lambda: gated.stats().waiting == 1)
    with pytest.raises(asyncpg.InterfaceError, match="already acquired"):
        await asyncio.wait_for(wait(), DEADLINE_SECONDS)
    await gated.release(connection)
    await waiter
    await all_is_back(gated)


async def test_trying_takes_what_is_free_and_never_waits(pools: Pools) -> None:
    gated = gated_over(await pools(2), gate=patient())
    first = await gated.try_acquire()
    assert first is not None
    assert await first.fetchval("SELECT 1") == 1
    second = await gated.try_acquire()
    assert second is not None
    assert await gated.try_acquire() is None
    assert (gated.stats().inflight, sum(gated.stats().rejected.values())) == (2, 0)
    (waiter,) = await in_line(gated)
    await gated.release(first)
    assert await gated.try_acquire() is None, "the permit went to who waited"
    assert await waiter == 1
    await gated.release(second)
    await all_is_back(gated)
    await gated.close()
    with pytest.raises(PoolExhausted, match="closed"):
        await gated.try_acquire()
    assert gated.stats().rejected[RejectReason.CLOSED] == 1


async def test_trying_under_a_threshold_and_without_a_gate(pools: Pools) -> None:
    gated = gated_over(await pools(2), 0.5)
    held = [await gated.try_acquire()]
    assert await gated.try_acquire() is None
    gated.reconfigure(Rule(threshold=1.0))
    held.append(await gated.try_acquire())
    assert None not in held
    assert await gated.try_acquire() is None, "without a gate the connections are the permits"
    for connection in held:
        assert connection is not None
        await gated.release(connection)
    await all_is_back(gated)


async def test_a_failing_connection_gives_a_tried_permit_back(pools: Pools) -> None:
    async def setup(_: object) -> None:
        raise ValueError("ours")

    gated = gated_over(await pools(1, setup=setup), gate=patient())
    for _ in range(3):
        with pytest.raises(ValueError, match="ours"):
            await gated.try_acquire()
    assert gated.stats().inflight == 0
    assert gated.stats().mean_hold_seconds is None, "what never was held is no measurement"


async def test_a_time_out_of_a_hook_is_the_hooks_own(pools: Pools) -> None:
    async def setup(_: object) -> None:
        raise TimeoutError("the hook's")

    gated = gated_over(await pools(1, setup=setup), gate=patient())
    for use in (gated.acquire, lambda **o: gated.fetchval("SELECT 1", **o)):
        with pytest.raises(TimeoutError, match="the hook's"):
            await use(timeout=60.0)
    assert gated.stats().inflight == 0


async def test_closing_fails_the_line_first_and_waits_for_holders(pools: Pools) -> None:
    gated = gated_over(await pools(2), gate=patient())
    held = [await gated.acquire() for _ in range(2)]
    waiters = await in_line(gated, 3)
    closing = asyncio.create_task(gated.close(grace=DEADLINE_SECONDS))
    answers = await asyncio.wait_for(asyncio.gather(*waiters, return_exceptions=True), DEADLINE_SECONDS)
    assert [getattr(answer, "reason", None) for answer in answers] == [RejectReason.CLOSED] * 3
    assert not closing.done()
    for connection in held:
        assert await connection.fetchval("SELECT 1") == 1
        await gated.release(connection)
    await asyncio.wait_for(closing, DEADLINE_SECONDS)
    assert (gated.stats().inflight, gated.stats().waiting) == (0, 0)


async def test_a_rule_makes_and_another_changes_the_gate_while_permits_are_out_and_callers_wait(
    pools: Pools,
) -> None:
    rule = Rule(GateKind.QUEUE, target_seconds=30, interval_seconds=60, queue_size=3, nested=Nested.ALLOW)
    gated = GatedPool(await pools(2), gate=Gate(rule), registry=CollectorRegistry())
    held = [await gated.acquire() for _ in range(2)]
    waiters = await in_line(gated, 3)
    with pytest.raises(PoolExhausted) as caught:
        await gated.acquire()
    assert caught.value.reason is RejectReason.QUEUE_FULL
    gated.reconfigure(Rule(threshold=0.5, target_seconds=30, interval_seconds=60, nested=Nested.ALLOW))
    assert (gated.stats().gate, gated.stats().limit, gated.stats().waiting) == (GateKind.THRESHOLD, 1, 3)
    with pytest.raises(PoolExhausted) as caught:
        await gated.acquire()
    assert caught.value.reason is RejectReason.THRESHOLD
    await gated.release(held[0])
    assert gated.stats().waiting == 3, "still above the new limit"
    await gated.release(held[1])
    assert await asyncio.wait_for(asyncio.gather(*waiters), DEADLINE_SECONDS) == [1, 1, 1]
    gated.reconfigure(rule)
    async with gated.acquire(), gated.acquire():
        assert gated.stats().inflight == 2
    await all_is_back(gated)


async def test_turned_off_those_in_line_are_still_served_and_newcomers_go_to_the_pool(pools: Pools) -> None:
    registry = CollectorRegistry()
    source = MemorySource({"backpressure": {"enabled": True}})
    flags = Flags({"backpressure": BackpressureSettings}, [source], registry=registry)
    gated = gated_over(await pools(1), gate=patient(), flag=flags.flag("backpressure"))
    connection = await gated.acquire()
    waiters = await in_line(gated, 2)
    source.set("backpressure", enabled=False)
    assert flags.poll()
    newcomer = asyncio.create_task(gated.fetchval("SELECT 2"))
    await asyncio.sleep(0)
    assert (gated.stats().waiting, gated.stats().gated) == (2, False)
    await gated.release(connection)
    assert await asyncio.wait_for(asyncio.gather(*waiters, newcomer), DEADLINE_SECONDS) == [1, 1, 2]
    await all_is_back(gated)


async def test_a_database_that_answers_nobody_keeps_nobody_in_line(pools: Pools) -> None:
    gated = gated_over(
        await pools(1), gate=Gate.queue(target_seconds=0.02, interval_seconds=0.05, queue_size=10)
    )
    observer, statement = await pools(1), sleeping()
    stuck = asyncio.create_task(gated.execute(statement))
    (process,) = await asleep(observer, statement)
    waiters = [asyncio.create_task(gated.fetchval("SELECT 1")) for _ in range(5)]
    answers = await asyncio.wait_for(asyncio.gather(*waiters, return_exceptions=True), DEADLINE_SECONDS)
    assert [getattr(answer, "reason", None) for answer in answers] == [RejectReason.QUEUE_DELAY] * 5
    assert not stuck.done()
    await observer.execute("SELECT pg_cancel_backend($1)", process)
    with pytest.raises(asyncpg.QueryCanceledError):
        await stuck
    assert await gated.fetchval("SELECT 1") == 1
    assert not gated.stats().overloaded
    await all_is_back(gated)


async def test_under_three_times_its_capacity_every_request_is_answered_once(pools: Pools) -> None:
    gated = gated_over(await pools(4, min_size=4), gate=Gate.queue())
    outcomes: Counter[Outcome] = Counter()

    async def call(_: int) -> None:
        await gated.execute("SELECT pg_sleep(0.02)", timeout=1.0)

    report = await open_loop(
        call,
        uniform_arrivals(rate_per_second=600, duration_seconds=1.5),
        timeout_seconds=DEADLINE_SECONDS,
        on_outcome=lambda _index, outcome, _latency: outcomes.update([outcome]),
    )
    stats = gated.stats()
    assert sum(outcomes.values()) == report.offered == 900
    assert outcomes[Outcome.FAILED] == 0
    assert outcomes[Outcome.REJECTED] == sum(stats.rejected.values()) > 0
    assert outcomes[Outcome.OK] + outcomes[Outcome.TIMED_OUT] == 900 - outcomes[Outcome.REJECTED]
    assert stats.admitted >= outcomes[Outcome.OK] > 0
    assert stats.waiting == 0
    await all_is_back(gated)
