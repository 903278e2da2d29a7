"""What a gate does besides admitting: shadow mode, nested use, deadlines of the request, and who holds what."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from quickwins.backpressure import (
    Gate,
    NestedAcquire,
    Permit,
    PoolExhausted,
    Priority,
    RejectReason,
    deadline,
)
from quickwins.core.clock import FakeClock
from quickwins.core.deadline import within
from quickwins.core.errors import DeadlineExceeded
from tests.eventually import eventually

pytestmark = pytest.mark.asyncio

LONG: dict[str, Any] = {"target_seconds": 30.0, "interval_seconds": 300.0}


def bound(gate: Gate, size: int = 1, registry: CollectorRegistry | None = None) -> Gate:
    gate.bind(size, name="search", service="api", registry=registry or CollectorRegistry())
    return gate


def line_that_ends_with(text: str) -> int:
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(text))


async def held(gate: Gate, until: asyncio.Event, **options: Any) -> asyncio.Task[None]:
    """A task that holds a permit until then."""
    has_it = asyncio.Event()

    async def hold() -> None:
        async with gate.permit(**options):
            has_it.set()
            await until.wait()

    task = asyncio.ensure_future(hold())
    await has_it.wait()
    return task


async def test_in_shadow_mode_everybody_passes_and_what_would_have_been_refused_is_counted() -> None:
    registry = CollectorRegistry()
    gate = bound(Gate.threshold(0.5, shadow=True), 2, registry)
    leave = asyncio.Event()
    tasks = [await held(gate, leave) for _ in range(4)]
    stats = gate.stats()
    assert (stats.shadow, stats.inflight, stats.limit) == (True, 4, 1)
    assert stats.shadow_rejected[RejectReason.THRESHOLD] == 3
    assert sum(stats.rejected.values()) == 0
    labels = {"service": "api", "name": "search"}
    assert registry.get_sample_value("db_pool_shadow_rejected_total", {**labels, "reason": "threshold"}) == 3
    assert registry.get_sample_value("db_pool_exhausted_total", {**labels, "reason": "threshold"}) == 0
    leave.set()
    await asyncio.gather(*tasks)
    assert gate.stats().inflight == 0


async def test_a_shadowed_line_counts_callers_that_would_have_waited_too_long_and_keeps_none() -> None:
    gate = bound(Gate.queue(target_seconds=0.001, interval_seconds=0.002, queue_size=1, shadow=True))
    leave = asyncio.Event()
    tasks = [await held(gate, leave) for _ in range(3)]
    assert gate.stats().shadow_rejected[RejectReason.QUEUE_FULL] == 1
    await eventually(lambda: gate.stats().shadow_rejected[RejectReason.QUEUE_DELAY] == 1)
    leave.set()
    await asyncio.gather(*tasks)
    assert (gate.stats().inflight, gate.stats().waiting) == (0, 0)


async def test_a_permit_that_ends_in_shadow_mode_leaves_its_place_in_line_too() -> None:
    gate = bound(Gate.queue(queue_size=1, shadow=True, **LONG))
    leave, stay = asyncio.Event(), asyncio.Event()
    first, passed = await held(gate, stay), await held(gate, leave)
    assert (gate.stats().waiting, gate.stats().inflight) == (1, 2)
    leave.set()
    await passed
    assert (gate.stats().waiting, gate.stats().inflight) == (0, 1)
    after = await held(gate, stay)
    assert gate.stats().waiting == 1, "there is a place for the next one"
    assert sum(gate.stats().shadow_rejected.values()) == 0
    stay.set()
    await asyncio.gather(first, after)
    assert (gate.stats().waiting, gate.stats().inflight) == (0, 0)


async def test_a_shadowed_gate_that_is_closed_refuses() -> None:
    gate = bound(Gate.queue(shadow=True))
    gate.close()
    with pytest.raises(PoolExhausted) as caught:
        await gate.permit().__aenter__()
    assert caught.value.reason is RejectReason.CLOSED


async def test_a_second_permit_for_one_task_that_is_not_free_is_refused_with_the_place_of_the_first() -> None:
    registry = CollectorRegistry()
    gate = bound(Gate.queue(**LONG), registry=registry)
    async with gate.permit():  # the first
        with pytest.raises(NestedAcquire) as caught:
            await gate.permit().__aenter__()
    assert caught.value.reason is RejectReason.NESTED
    line_number = line_that_ends_with("# the first")
    assert f"{__file__}:{line_number} in " in str(caught.value)
    assert gate.stats().nested == 1
    assert registry.get_sample_value("db_pool_nested_total", {"service": "api", "name": "search"}) == 1


async def test_a_second_permit_that_is_free_is_given_and_counted_as_nested() -> None:
    gate = bound(Gate.queue(**LONG), 2)
    async with gate.permit(), gate.permit():
        assert (gate.stats().nested, gate.stats().inflight) == (1, 2)
    assert gate.stats().inflight == 0


async def test_ten_tasks_that_each_want_a_second_of_ten_are_all_told_and_none_hangs() -> None:
    gate, all_hold = bound(Gate.queue(**LONG), 10), asyncio.Barrier(10)

    async def greedy() -> str:
        async with gate.permit():
            await all_hold.wait()
            try:
                async with gate.permit():
                    return "both"
            except NestedAcquire:
                await all_hold.wait()
                return "told"

    assert await asyncio.wait_for(asyncio.gather(*(greedy() for _ in range(10))), 10) == ["told"] * 10
    assert gate.stats().inflight == 0


async def test_a_child_task_that_inherits_the_context_is_not_mistaken_for_its_parent() -> None:
    gate = bound(Gate.queue(**LONG), 2)

    async def child() -> str:
        async with gate.permit():
            return "served"

    async with gate.permit():
        assert set(await asyncio.gather(child(), child(), child())) == {"served"}
    assert gate.stats().nested == 0


async def test_where_nesting_is_allowed_a_task_may_wait_for_a_second_one() -> None:
    gate, leave = bound(Gate.queue(**LONG, nested="allow"), 2), asyncio.Event()
    other = await held(gate, leave)
    async with gate.permit():
        second = gate.permit()
        waiting = asyncio.ensure_future(other)
        asyncio.get_running_loop().call_soon(leave.set)
        await second.__aenter__()
        second.done()
    await waiting
    assert gate.stats().nested == 1


async def test_permits_may_be_given_back_in_any_order() -> None:
    gate = bound(Gate.queue(**LONG, nested="allow"), 4)
    permits = [gate.permit() for _ in range(4)]
    for permit in permits:
        await permit.__aenter__()
    for index in (1, 3, 0, 2):
        permits[index].done()
    assert (gate.stats().inflight, gate.stats().holders) == (0, ())


async def test_the_longest_holders_are_named_by_their_place_in_the_code() -> None:
    gate, leave = bound(Gate.queue(**LONG), 10), asyncio.Event()
    tasks = [await held(gate, leave, priority=Priority.CRITICAL) for _ in range(7)]
    holders = gate.stats().holders
    assert len(holders) == 5
    assert all(holder.site.endswith(" in held.<locals>.hold") for holder in holders)
    assert all(holder.priority is Priority.CRITICAL for holder in holders)
    assert [holder.held_seconds for holder in holders] == sorted(
        (holder.held_seconds for holder in holders), reverse=True
    )
    leave.set()
    await asyncio.gather(*tasks)
    (longest,) = gate.stats().longest_held
    assert longest.site == holders[0].site
    assert longest.longest_seconds > 0


async def test_only_the_five_worst_places_are_remembered() -> None:
    gate, clock = Gate.queue(**LONG), FakeClock()
    gate.bind(1, clock=clock, registry=CollectorRegistry())
    for number in range(9):
        names: dict[str, Any] = {"clock": clock}
        exec(f"async def place{number}(gate):\n    async with gate.permit():\n        clock.now += 1", names)  # noqa: S102 -- nine places; until=never
        await names[f"place{number}"](gate)
    assert len(gate.stats().longest_held) == 5


async def test_a_request_that_has_no_time_left_is_not_put_in_line() -> None:
    gate, leave = bound(Gate.queue(**LONG)), asyncio.Event()
    task = await held(gate, leave)
    with within(0.0), pytest.raises(PoolExhausted) as caught:
        await gate.permit().__aenter__()
    assert caught.value.reason is RejectReason.DEADLINE
    leave.set()
    await task


@pytest.mark.parametrize(
    ("outer", "inner", "error"),
    [
        pytest.param(0.05, 60.0, DeadlineExceeded, id="the request's"),
        pytest.param(60.0, 0.05, TimeoutError, id="the permit's"),
    ],
)
async def test_of_the_requests_deadline_and_the_arguments_the_earlier_counts_and_is_named_as_asked_for(
    outer: float, inner: float, error: type[Exception]
) -> None:
    clock = FakeClock()
    gate = Gate.queue(size=1, name="search", clock=clock, registry=CollectorRegistry(), **LONG)
    async with gate.permit():
        with within(outer, clock=clock):
            clock.now += 0.001  # something was done before
            waiting = asyncio.ensure_future(gate.permit(timeout=inner).__aenter__())
        await eventually(lambda: gate.stats().waiting == 1)
        clock.now += 0.05
        with pytest.raises(
            TimeoutError, match=r"^no permit of pool 'search' within the 0\.05 s asked for$"
        ) as late:
            await waiting
    assert type(late.value) is error
    assert getattr(late.value, "reason", None) == (
        RejectReason.DEADLINE if error is DeadlineExceeded else None
    )


async def test_a_caller_that_cannot_be_served_before_the_deadline_of_its_block_is_refused_at_once() -> None:
    clock = FakeClock()
    gate = Gate.queue(size=1, clock=clock, registry=CollectorRegistry(), **LONG)
    async with gate.permit():
        clock.now += 10.0  # what a use takes is known now
    async with gate.permit():
        with pytest.raises(PoolExhausted, match=r"too many for the 5 s asked for"):
            async with deadline(5.0, clock=clock):
                await asyncio.ensure_future(gate.permit().__aenter__())


async def test_an_adaptive_gate_takes_time_outs_and_lost_connections_for_failures_and_nothing_else() -> None:
    gate = bound(Gate.adaptive(min_limit=2, **LONG), 10)

    async def use(error: BaseException | None) -> None:
        async with gate.permit():
            if error is not None:
                raise error

    for _ in range(100):
        await asyncio.gather(
            *(use(error) for error in (KeyError(), PoolExhausted("another"), asyncio.CancelledError())),
            return_exceptions=True,
        )
    assert gate.stats().limit == 10
    for _ in range(100):
        await asyncio.gather(
            *(use(error) for error in (TimeoutError(), ConnectionResetError())), return_exceptions=True
        )
    assert gate.stats().limit == 2
    assert "failed" in gate.stats().why


async def test_an_ending_by_name_is_learned_from_as_it_says() -> None:
    clock = FakeClock()
    gate = Gate.adaptive(size=10, clock=clock, registry=CollectorRegistry(), **LONG)

    async def use(end: Callable[[Permit], None]) -> None:
        async with gate.permit() as permit:
            clock.now += 1.0
            end(permit)
            clock.now += 1.0

    await use(Permit.ignored)
    assert gate.stats().mean_hold_seconds is None
    await use(Permit.done)
    assert gate.stats().mean_hold_seconds == 1.0, "what came after it in the block does not count"
    for _ in range(100):
        await use(Permit.failed)
    assert gate.stats().limit == 2
    assert gate.stats().inflight == 0


async def test_a_permit_ends_once_and_may_be_ended_before_it_was_given() -> None:
    gate = bound(Gate.queue(**LONG), 2)
    gate.permit().done()
    async with gate.permit() as first:
        first.done()
        async with gate.permit():
            first.ignored()
            assert gate.stats().inflight == 1
    assert gate.stats().inflight == 0
