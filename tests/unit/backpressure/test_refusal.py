"""What a refused caller is told, and what operators see of it; no server is involved."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
from collections.abc import Callable
from contextvars import ContextVar
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from quickwins.backpressure import Gate, GatedPool, Nested, PoolExhausted, RejectReason, Rule
from quickwins.backpressure.testing import FakePool
from quickwins.core.clock import FakeClock
from quickwins.core.errors import QuickWinsError, Rejected
from quickwins.core.events import POOL_REJECTED
from tests.eventually import eventually

WAITS = st.floats(min_value=0.01, max_value=60, allow_nan=False)


def made(max_size: int = 10, **options: Any) -> GatedPool:
    options.setdefault("registry", CollectorRegistry())
    options.setdefault("gate", Gate(Rule(nested=Nested.ALLOW)))  # one task plays them all
    return GatedPool(FakePool(max_size), **options)


async def refused(pool: GatedPool) -> PoolExhausted:
    with pytest.raises(PoolExhausted) as caught:
        await pool.acquire()
    return caught.value


async def filled(pool: GatedPool) -> None:
    for _ in range(pool.stats().limit or 0):
        await pool.acquire()


@pytest.mark.asyncio
async def test_a_thousand_at_once_on_a_pool_of_ten_are_nine() -> None:
    pool = made()
    results = await asyncio.gather(*(pool.acquire() for _ in range(1_000)), return_exceptions=True)
    refusals = [result for result in results if isinstance(result, PoolExhausted)]
    assert len(results) - len(refusals) == 9
    assert pool.stats().rejected[RejectReason.THRESHOLD] == len(refusals) == 991


class CheckThenAcquire:
    """The naive gate, the negative control: it looks at what is in use, awaits a connection, then counts it."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.in_use = 0

    async def acquire(self) -> None:
        if self.in_use >= self.limit:
            raise PoolExhausted("full", reason=RejectReason.THRESHOLD)
        await asyncio.sleep(0)  # connecting
        self.in_use += 1


@pytest.mark.asyncio
async def test_a_gate_that_looks_first_and_takes_later_fails_that_very_test() -> None:
    naive = CheckThenAcquire(9)
    results = await asyncio.gather(*(naive.acquire() for _ in range(1_000)), return_exceptions=True)
    admitted = sum(not isinstance(result, PoolExhausted) for result in results)
    assert admitted > 100


@pytest.mark.asyncio
@given(mean=WAITS, seed=st.integers())
async def test_the_advised_wait_is_between_half_and_one_and_a_half_of_the_setting(
    mean: float, seed: int
) -> None:
    pool = made(1, gate=Gate(Rule(threshold=0.5, retry_after_seconds=mean)), rng=Random(seed))
    await filled(pool)
    for _ in range(5):
        wait = (await refused(pool)).retry_after_seconds
        assert wait is not None
        assert 0.5 * mean <= wait < 1.5 * mean


@pytest.mark.asyncio
async def test_the_advised_waits_differ_so_that_the_refused_do_not_come_back_together() -> None:
    pool = made(rng=Random(1))
    await filled(pool)
    assert len({(await refused(pool)).retry_after_seconds for _ in range(50)}) == 50


def test_a_refusal_is_temporary_at_every_edge() -> None:
    error = PoolExhausted("full", reason=RejectReason.THRESHOLD, retry_after_seconds=1.5)
    assert isinstance(error, Rejected)
    assert isinstance(error, QuickWinsError)
    assert (error.http_status, error.grpc_status, error.graphql_code) == (
        503,
        "UNAVAILABLE",
        "SERVICE_UNAVAILABLE",
    )
    assert (error.reason, error.retry_after_seconds, str(error)) == (RejectReason.THRESHOLD, 1.5, "full")


def by_pickle(error: PoolExhausted) -> Any:
    return pickle.loads(pickle.dumps(error))  # noqa: S301 -- our own bytes; until=never


@pytest.mark.asyncio
@pytest.mark.parametrize("nested", Nested)
@pytest.mark.parametrize("again", [by_pickle, copy.copy, copy.deepcopy])
async def test_a_refusal_stays_what_it_is_when_it_is_copied_or_sent_to_another_process(
    again: Callable[[PoolExhausted], Any], nested: Nested
) -> None:
    pool = made(1, name="feed", gate=Gate(Rule(threshold=0.5, nested=nested)), rng=Random(1))
    await filled(pool)
    error = await refused(pool)
    other = again(error)
    assert type(other) is type(error)
    assert (other.reason, other.retry_after_seconds) == (error.reason, error.retry_after_seconds)
    assert str(other) == str(error)
    assert repr(other) == repr(error)
    assert repr(error).startswith(f"{type(error).__name__}({str(error)!r}, reason=")


@pytest.mark.asyncio
async def test_after_close_nobody_is_told_to_come_back() -> None:
    pool = made(name="feed")
    await pool.close()
    error = await refused(pool)
    assert (error.reason, error.retry_after_seconds) == (RejectReason.CLOSED, None)
    assert "'feed' is closed" in str(error)


def records(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    reported = (vars(record) for record in caplog.records)
    return [record["fields"] for record in reported if record.get("event") == POOL_REJECTED.name]


@pytest.mark.asyncio
async def test_refusals_make_at_most_one_record_a_second_and_reason_with_their_count(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = FakeClock()
    pool = made(name="feed", service="api", clock=clock)
    await filled(pool)
    with caplog.at_level(logging.INFO):
        for _ in range(100):
            await refused(pool)
        assert [record["count"] for record in records(caplog)] == [1]
        await clock.advance(0.999)
        await refused(pool)
        assert len(records(caplog)) == 1
        await clock.advance(0.001)
        await refused(pool)
        assert [record["count"] for record in records(caplog)] == [1, 101]
        await pool.close(grace=0)
        await refused(pool)  # another reason does not wait for the first
    assert [record["reason"] for record in records(caplog)] == ["threshold", "threshold", "closed"]
    assert records(caplog)[0] == {
        "service": "api",
        "name": "feed",
        "reason": "threshold",
        "limit": 9,
        "inflight": 9,
        "count": 1,
    }


TRACE: ContextVar[str] = ContextVar("trace", default="")


@pytest.mark.asyncio
async def test_when_refusals_end_the_rest_is_reported_in_nobodys_trace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    traces: list[str] = []

    def note(_: logging.LogRecord) -> bool:
        traces.append(TRACE.get())
        return True

    caplog.handler.addFilter(note)
    pool = made(name="feed")
    await filled(pool)
    with caplog.at_level(logging.INFO):
        TRACE.set("mine")
        for _ in range(1_000):
            await refused(pool)
        await eventually(lambda: len(records(caplog)) == 2)
    assert [record["count"] for record in records(caplog)] == [1, 999]
    assert traces == ["mine", ""]


@pytest.mark.asyncio
async def test_what_is_left_at_close_is_reported_then(caplog: pytest.LogCaptureFixture) -> None:
    pool = made(name="feed")
    await filled(pool)
    with caplog.at_level(logging.INFO):
        for _ in range(10):
            await refused(pool)
        await pool.close(grace=0)
    assert [(record["reason"], record["count"]) for record in records(caplog)] == [
        ("threshold", 1),
        ("threshold", 9),
    ]


@pytest.mark.asyncio
async def test_statistics_are_a_snapshot_that_stays_as_it_was() -> None:
    pool = made(name="feed")
    before = pool.stats()
    await filled(pool)
    await refused(pool)
    assert (before.inflight, before.admitted, before.rejected[RejectReason.THRESHOLD]) == (0, 0, 0)
    after = pool.stats()
    assert (after.name, after.gated, after.max_size, after.limit) == ("feed", True, 10, 9)
    assert (after.inflight, after.admitted, after.rejected[RejectReason.THRESHOLD]) == (9, 9, 1)


@pytest.mark.asyncio
async def test_a_new_threshold_holds_at_once_and_strands_nobody() -> None:
    pool = made()
    held = [await pool.acquire() for _ in range(9)]
    pool.reconfigure(Rule(threshold=0.5))
    assert (pool.stats().limit, pool.stats().inflight) == (5, 9)
    for connection in held[:4]:
        await pool.release(connection)
    await refused(pool)
    await pool.release(held[4])
    held.append(await pool.acquire())
    pool.reconfigure(Rule(threshold=1.0))
    assert (pool.stats().limit, pool.stats().gated) == (None, False)
    more = [await pool.acquire() for _ in range(5)]
    assert pool.stats().inflight == 10
    for connection in [*held[5:], *more]:
        await pool.release(connection)
    assert pool.stats().inflight == 0
