"""Log handlers that raise, and event loops that end: nobody who waits for a permit is forgotten."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from quickwins.backpressure import Gate, PoolExhausted
from quickwins.core.clock import FakeClock
from quickwins.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Handler(logging.Handler):
    """Does what `action` does for each record of ours."""

    def __init__(self, action: Callable[[], None]) -> None:
        super().__init__()
        self.action = action

    def emit(self, record: logging.LogRecord) -> None:
        self.action()


def fail() -> None:
    raise OSError("the shipper is down")


@pytest.fixture
def handle() -> Iterator[Callable[[Callable[[], None]], None]]:
    added: list[Handler] = []
    logger = logging.getLogger("quickwins")

    def add(action: Callable[[], None]) -> None:
        added.append(Handler(action))
        logger.addHandler(added[-1])

    level = logger.level
    logger.setLevel(logging.INFO)
    yield add
    logger.setLevel(level)
    for one in added:
        logger.removeHandler(one)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def use(gate: Gate, until: asyncio.Event) -> str:
    async with gate.permit():
        await until.wait()
    return "served"


@pytest.mark.asyncio
async def test_all_in_line_are_told_before_a_handler_that_raises(
    handle: Callable[[Callable[[], None]], None],
) -> None:
    handle(fail)
    clock, registry = FakeClock(), CollectorRegistry()
    gate = Gate.queue(
        size=1,
        name="g",
        queue_size=10,
        target_seconds=0.02,
        interval_seconds=0.1,
        clock=clock,
        registry=registry,
    )
    done = asyncio.Event()
    holder, *waiters = [asyncio.create_task(use(gate, done)) for _ in range(4)]
    await settle()
    gate.close()
    await settle()
    assert [type(task.exception()) for task in waiters if task.done()] == [PoolExhausted] * 3
    done.set()
    assert await holder == "served"
    failures = {"service": "", "name": "g", "event": "pool.rejected"}
    assert registry.get_sample_value("quickwins_report_failures_total", failures) == 2, (
        "the first, and the rest"
    )


@pytest.mark.asyncio
async def test_what_a_handler_sees_is_done_and_no_waiter_is_left(
    handle: Callable[[Callable[[], None]], None],
) -> None:
    gate = Gate.queue(size=1, name="g", queue_size=10, clock=FakeClock(), registry=CollectorRegistry())
    seen: list[int] = []
    handle(lambda: seen.append(sum(not task.cancelled() and task.cancelling() == 0 for task in waiters)))
    handle(lambda: seen.append(gate.stats().waiting))
    done = asyncio.Event()
    holder, *waiters = [asyncio.create_task(use(gate, done)) for _ in range(4)]
    await settle()
    gate.close()
    assert seen[:2] == [3, 0]
    done.set()
    await asyncio.gather(holder, *waiters, return_exceptions=True)


@pytest.mark.asyncio
async def test_a_caller_refused_at_once_gets_the_refusal_and_not_what_a_handler_raised(
    handle: Callable[[Callable[[], None]], None],
) -> None:
    handle(fail)
    gate = Gate.threshold(1.0, size=1, name="g", registry=CollectorRegistry())
    gate.close()
    with pytest.raises(PoolExhausted):
        async with gate.permit():
            pass


def test_a_gate_goes_on_in_the_next_loop_when_the_last_one_has_ended() -> None:
    gate = Gate.queue(size=1, name="g", registry=CollectorRegistry())

    async def cut_off() -> None:
        done = asyncio.Event()
        tasks = [asyncio.create_task(use(gate, done)) for _ in range(2)]
        await settle()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def wait_for_a_permit() -> None:
        done = asyncio.Event()
        holder = asyncio.create_task(use(gate, done))
        await settle()
        with pytest.raises((TimeoutError, PoolExhausted)):
            async with gate.permit(timeout=0.01):
                pass
        done.set()
        assert await holder == "served"

    for _ in range(3):
        asyncio.run(cut_off())
        asyncio.run(asyncio.wait_for(wait_for_a_permit(), 10))


def test_a_waiter_of_a_loop_that_was_closed_is_no_longer_in_line() -> None:
    gate = Gate.queue(size=1, name="g", registry=CollectorRegistry())
    loop = asyncio.new_event_loop()
    holder = gate.permit()
    done = asyncio.Event()

    async def hold() -> None:
        await holder.__aenter__()
        waiter = asyncio.ensure_future(use(gate, done))
        await settle()
        assert gate.stats().waiting == 1
        waiters.append(waiter)

    waiters: list[asyncio.Future[str]] = []
    loop.run_until_complete(hold())
    loop.close()

    async def go_on() -> None:
        with pytest.raises((TimeoutError, PoolExhausted)):
            async with gate.permit(timeout=0.01):
                pass
        holder.done()
        async with gate.permit(timeout=1):
            assert gate.stats().waiting == 0

    asyncio.run(go_on())
    waiters[0].get_loop()  # its loop is closed: cancelling it would raise
    done.set()


def test_a_gate_that_is_in_use_on_another_loop_says_so() -> None:
    gate = Gate.queue(size=1, name="search", registry=CollectorRegistry())
    entered, leave = threading.Event(), threading.Event()

    async def hold() -> None:
        async with gate.permit():
            entered.set()
            await asyncio.to_thread(leave.wait, 30)

    thread = threading.Thread(target=asyncio.run, args=(hold(),))
    thread.start()
    assert entered.wait(30)

    async def ask() -> None:
        async with gate.permit(timeout=1):
            pass

    try:
        with pytest.raises(
            ConfigError, match="gate 'search' is in use on another event loop: make one for each loop"
        ):
            asyncio.run(ask())
    finally:
        leave.set()
        thread.join(30)
    asyncio.run(ask())


@pytest.mark.asyncio
async def test_a_permit_is_back_before_anybody_is_asked_for_a_trace() -> None:
    clock = FakeClock()

    def trace() -> str:
        raise KeyboardInterrupt

    gate = Gate.queue(size=1, name="g", clock=clock, registry=CollectorRegistry(), trace=trace)
    with pytest.raises(KeyboardInterrupt):
        async with gate.permit():
            await clock.advance(1.0)
    assert gate.stats().inflight == 0


@pytest.mark.asyncio
async def test_whatever_a_trace_raises_the_permit_that_was_waited_for_is_given_and_comes_back() -> None:
    clock = FakeClock()

    def trace() -> str:
        raise asyncio.CancelledError

    gate = Gate.queue(
        size=1, name="g", target_seconds=30, interval_seconds=60, clock=clock, registry=CollectorRegistry(), trace=trace
    )  # fmt: skip
    until = asyncio.Event()
    uses = [asyncio.create_task(use(gate, until)) for _ in range(2)]
    await clock.advance(1.0)
    until.set()
    assert await asyncio.gather(*uses) == ["served", "served"]
    assert gate.stats().inflight == 0
