"""The gate's shell on a real event loop: waiters are woken once, and whatever was sent comes back."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from quickwins.backpressure import Gate, GateKind, Nested, PoolExhausted, RejectReason
from quickwins.backpressure.rule import Rule
from quickwins.core.errors import ConfigError
from tests.eventually import DEADLINE_SECONDS, eventually
from tests.stepping import Moment, cancelled_at

pytestmark = pytest.mark.asyncio

LABELS = {"service": "api", "name": "search"}
LONG = 30.0


def queue(
    size: int = 1, *, registry: CollectorRegistry | None = None, rng: Any = None, **options: Any
) -> Gate:
    gate = Gate.queue(**{"target_seconds": LONG, "interval_seconds": LONG, "nested": Nested.ALLOW, **options})
    gate.bind(size, name="search", service="api", registry=registry or CollectorRegistry(), rng=rng)
    return gate


async def in_line(
    gate: Gate, use: Callable[[], Awaitable[object]], number: int = 1
) -> list[asyncio.Task[Any]]:
    """Tasks that wait in line, in this order."""
    tasks = []
    for _ in range(number):
        before = gate.stats().waiting
        tasks.append(asyncio.ensure_future(use()))
        await eventually(lambda before=before: gate.stats().waiting == before + 1)  # type: ignore[misc]  # -- a bound default; until=never
    return tasks


async def in_line_or_ended(gate: Gate, task: asyncio.Future[Any]) -> None:
    await eventually(lambda: gate.stats().waiting == 1 or task.done())


def user(gate: Gate, order: list[int] | None = None, number: int = 0, timeout: float | None = None) -> Any:
    async def use() -> str:
        async with gate.permit(timeout=timeout):
            if order is not None:
                order.append(number)
            await asyncio.sleep(0)
        return "served"

    return use


async def test_those_in_line_are_served_in_order_and_newcomers_never_barge() -> None:
    gate = queue(2, queue_size=500)
    order: list[int] = []
    number = 0

    async def come(times: int) -> None:
        nonlocal number
        number += 1
        mine = number
        async with gate.permit():
            order.append(mine)
            if times:
                arrivals.append(asyncio.ensure_future(come(times - 1)))
            await asyncio.sleep(0)
        if times:  # right after a release, when a permit put back would be free
            arrivals.append(asyncio.ensure_future(come(times - 1)))

    arrivals: list[asyncio.Task[None]] = []
    arrivals += [asyncio.ensure_future(come(3)) for _ in range(10)]
    while not all(task.done() for task in arrivals):
        await asyncio.gather(*arrivals)
    assert len(order) == 10 * (1 + 2 + 4 + 8)
    assert order == sorted(order), "nobody was overtaken"
    assert gate.stats().inflight == 0


class PutBack:
    """The negative control: a semaphore that puts a permit back and wakes the first waiter to fetch it."""

    def __init__(self, permits: int) -> None:
        self.free = permits
        self.line: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> None:
        while self.free == 0:
            future = asyncio.get_running_loop().create_future()
            self.line.append(future)
            await future
        self.free -= 1

    def release(self) -> None:
        self.free += 1
        if self.line:
            self.line.popleft().set_result(None)


async def test_a_permit_that_is_put_back_instead_of_handed_over_goes_to_a_newcomer() -> None:
    order: list[str] = []

    async def use(permits: PutBack, name: str) -> None:
        await permits.acquire()
        order.append(name)
        permits.release()

    # A task begins in the next turn, whatever this run does otherwise.
    asyncio.get_running_loop().set_task_factory(None)
    permits = PutBack(1)
    await permits.acquire()
    waiter = asyncio.ensure_future(use(permits, "waiter"))
    await asyncio.sleep(0)
    newcomer = asyncio.ensure_future(use(permits, "newcomer"))
    permits.release()
    await asyncio.gather(waiter, newcomer)
    assert order == ["newcomer", "waiter"]


async def test_the_same_meeting_at_the_gate_ends_in_order() -> None:
    gate = queue(1)
    order: list[int] = []
    async with gate.permit():
        (waiter,) = await in_line(gate, user(gate, order, 1))
        newcomer = asyncio.ensure_future(user(gate, order, 2)())
    await asyncio.gather(waiter, newcomer)
    assert order == [1, 2]


@pytest.mark.parametrize("moment", list(Moment))
async def test_cancelled_at_each_await_nothing_is_lost_and_the_next_is_served(moment: Moment) -> None:
    gate = queue(1)
    at, reached = 0, True
    while reached:
        at += 1
        holder = gate.permit()
        await holder.__aenter__()
        stepped = asyncio.ensure_future(cancelled_at(user(gate)(), at, moment))
        await in_line_or_ended(gate, stepped)
        (behind,) = await in_line(gate, user(gate))
        await holder.__aexit__(None, None, None)
        reached, result = await stepped
        assert isinstance(result, asyncio.CancelledError) == reached
        assert await behind == "served"
        assert (gate.stats().inflight, gate.stats().waiting) == (0, 0)
    assert at == 3, "it waits in line, then once inside"


async def test_cancelled_after_a_refusal_was_sent_is_cancelled_and_counted_once() -> None:
    gate = queue(1)
    async with gate.permit():
        (waiter,) = await in_line(gate, user(gate))
        gate.close()
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
    assert (gate.stats().inflight, gate.stats().rejected[RejectReason.CLOSED]) == (0, 1)


async def test_a_permit_sent_to_whose_task_was_cancelled_in_the_same_turn_goes_on() -> None:
    gate = queue(1)
    async with gate.permit():
        gone, next_one = await in_line(gate, user(gate), 2)
        gone.cancel()  # has not run yet: the core still sees it in line when the permit comes back
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await next_one == "served"
    assert gate.stats().inflight == 0


async def test_a_timeout_in_line_is_a_timeout_error_that_names_what_was_asked_for() -> None:
    gate = queue(1)
    async with gate.permit():
        with pytest.raises(TimeoutError, match=r"no permit of pool 'search' within the 0\.02 s asked for"):
            async with gate.permit(timeout=0.02):
                pytest.fail("entered")
        assert (gate.stats().waiting, gate.stats().timed_out) == (0, 1)
    assert gate.stats().inflight == 0


async def test_a_caller_with_no_time_left_is_refused_without_waiting() -> None:
    gate = queue(1)
    async with gate.permit(timeout=0):
        with pytest.raises(PoolExhausted, match="too many for the 0 s asked for") as caught:
            await gate.permit(timeout=0).__aenter__()
    assert caught.value.reason is RejectReason.DEADLINE


async def test_a_frozen_resource_the_timer_refuses_the_stale_and_none_is_left_running() -> None:
    gate = queue(1, target_seconds=0.01, interval_seconds=0.02, queue_size=9)
    async with gate.permit():
        # Not `in_line`: on a busy machine the first may be refused before it has seen them all.
        waiters = [user(gate)() for _ in range(3)]
        answers = await asyncio.wait_for(asyncio.gather(*waiters, return_exceptions=True), DEADLINE_SECONDS)
        assert [getattr(answer, "reason", None) for answer in answers] == [RejectReason.QUEUE_DELAY] * 3
        assert "overloaded: no permit within 0.01 s" in str(answers[0])
        assert gate.stats().rejected[RejectReason.QUEUE_DELAY] == 3
        assert gate.shell._timer is None
        assert not gate.stats().overloaded
    assert await user(gate)() == "served"


async def test_an_earlier_deadline_moves_the_one_timer_and_a_later_one_does_not() -> None:
    gate = queue(1, queue_size=3)
    async with gate.permit():
        await in_line(gate, user(gate, timeout=50.0))
        first = gate.shell._timer
        await in_line(gate, user(gate, timeout=55.0))
        assert gate.shell._timer is first
        with pytest.raises(TimeoutError):
            await user(gate, timeout=0.01)()
        assert first is not None
        assert first.cancelled()
    await eventually(lambda: gate.stats().inflight == 0)


async def test_without_contention_there_is_neither_future_nor_timer() -> None:
    gate = queue(2)
    async with gate.permit(), gate.permit(timeout=1.0):
        assert (gate.shell._timer, gate.shell._futures) == (None, {})


async def test_closing_fails_those_in_line_and_ends_the_timer() -> None:
    gate = queue(1)
    async with gate.permit():
        waiters = await in_line(gate, user(gate), 2)
        timer = gate.shell._timer
        gate.close()
        for waiter in waiters:
            with pytest.raises(PoolExhausted, match="'search' is closed") as caught:
                await waiter
            assert caught.value.retry_after_seconds is None
        assert timer is not None
        assert timer.cancelled()
    gate.close()
    assert gate.stats().inflight == 0


class Interrupted(KeyboardInterrupt):
    """What a signal handler raises in the middle of anything."""


class Interrupting(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise Interrupted


async def test_all_in_line_are_told_before_anything_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "quickwins")
    gate = queue(1, queue_size=3)
    handler = Interrupting()
    async with gate.permit():
        waiters = await in_line(gate, user(gate), 3)
        logging.getLogger("quickwins").addHandler(handler)
        try:
            with pytest.raises(Interrupted):
                gate.close()
        finally:
            logging.getLogger("quickwins").removeHandler(handler)
        answers = await asyncio.wait_for(asyncio.gather(*waiters, return_exceptions=True), 10)
    assert [getattr(answer, "reason", None) for answer in answers] == [RejectReason.CLOSED] * 3


async def test_a_line_that_is_full_says_so() -> None:
    gate = queue(1, queue_size=1)
    async with gate.permit():
        (waiter,) = await in_line(gate, user(gate))
        with pytest.raises(
            PoolExhausted, match="1 of 1 permits in use and 1 waiting: no more may wait"
        ) as caught:
            await user(gate)()
    assert caught.value.reason is RejectReason.QUEUE_FULL
    assert 0.5 <= (caught.value.retry_after_seconds or 0) < 1.5
    assert await waiter == "served"


async def test_another_rule_serves_the_line_and_wakes_those_that_may_go() -> None:
    gate = queue(2)
    async with gate.permit(), gate.permit():
        (first, second) = await in_line(gate, user(gate), 2)
        gate.reconfigure(Rule(GateKind.THRESHOLD, 0.5, nested=Nested.ALLOW))
        assert (gate.stats().gate, gate.stats().limit, gate.stats().waiting) == (GateKind.THRESHOLD, 1, 2)
        with pytest.raises(PoolExhausted, match="its limit is 1"):
            await user(gate)()
        gate.reconfigure(Rule(GateKind.THRESHOLD, 1.0))
        assert [await first, await second] == ["served", "served"]
    assert gate.stats().inflight == 0


async def test_a_shorter_interval_moves_the_timer() -> None:
    gate = queue(1)
    async with gate.permit():
        (waiter,) = await in_line(gate, user(gate))
        gate.reconfigure(Rule(GateKind.QUEUE, target_seconds=0.01, interval_seconds=0.01))
        with pytest.raises(PoolExhausted):
            await asyncio.wait_for(waiter, 10)


async def test_the_series_follow_the_line() -> None:
    registry = CollectorRegistry()
    gate = queue(1, registry=registry, queue_size=2)

    def series(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {**LABELS, **labels})

    assert (series("db_pool_waiting"), series("db_pool_queue_delay_seconds_count")) == (0, 0)
    async with gate.permit():
        waiters = await in_line(gate, user(gate), 2)
        assert series("db_pool_waiting") == 2
        with pytest.raises(PoolExhausted):
            await user(gate)()
        waiters[0].cancel()
        await asyncio.wait(waiters[:1])
        assert series("db_pool_waiting") == 1
    assert await waiters[1] == "served"
    assert series("db_pool_waiting") == 0
    assert series("db_pool_permits_inflight", priority="normal") == 0
    assert series("db_pool_exhausted_total", reason="queue_full") == 1
    assert series("db_pool_queue_delay_seconds_count") == 2


async def test_the_series_count_how_each_permit_was_asked_for_whether_or_not_it_waited() -> None:
    registry = CollectorRegistry()
    gate = queue(1, registry=registry, queue_size=1)
    async with gate.permit():
        (waiter,) = await in_line(gate, user(gate))
        with pytest.raises(PoolExhausted):
            await user(gate)()
    assert await waiter == "served"
    ended = {
        outcome: registry.get_sample_value(
            "db_pool_acquire_duration_seconds_count", {**LABELS, "outcome": outcome}
        )
        for outcome in ("acquired", "rejected")
    }
    assert ended == {"acquired": 2, "rejected": 1}


async def test_the_mean_hold_is_measured() -> None:
    gate = queue(1)
    assert gate.stats().mean_hold_seconds is None
    await user(gate)()
    assert (gate.stats().mean_hold_seconds or -1) >= 0


async def test_a_name_and_a_size_make_a_gate_for_anything() -> None:
    gate = Gate.queue(size=1, name="a resource of the test")
    assert (gate.stats().name, gate.stats().max_size, gate.stats().gate) == (
        "a resource of the test",
        1,
        GateKind.QUEUE,
    )
    assert Gate.threshold(0.5, size=4, name="another of the test").stats().limit == 2


async def test_what_is_going_on_can_be_put_into_a_page_of_json() -> None:
    gate = Gate.queue(size=2, name="search", registry=CollectorRegistry())
    async with gate.permit():
        shown = json.loads(json.dumps(dataclasses.asdict(gate.stats())))
    assert (shown["name"], shown["inflight"], shown["rejected"]["threshold"]) == ("search", 1, 0)


async def test_mistakes_in_binding_are_named() -> None:
    for use in (Gate.queue().permit, Gate.threshold().permit, Gate.adaptive().stats):
        with pytest.raises(ConfigError, match="not bound"):
            use()
    with pytest.raises(ConfigError, match="one gate for each pool"):
        queue().bind(2)
    with pytest.raises(ConfigError, match="name: only with a size"):
        Gate.queue(name="search")


async def test_a_permit_is_entered_once() -> None:
    gate = queue(2)
    permit = gate.permit()
    async with permit:
        with pytest.raises(ConfigError, match="entered once"):
            await permit.__aenter__()
    assert gate.stats().inflight == 0


async def test_nothing_is_left_for_the_interpreter_to_complain_about() -> None:
    gate = queue(1)
    async with gate.permit():
        (waiter,) = await in_line(gate, user(gate))
        gate.close()
        waiter.cancel()
        await asyncio.wait([waiter])
        del waiter
        gc.collect()
