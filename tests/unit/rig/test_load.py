"""Open and closed loop on a fake clock."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.core.clock import FakeClock
from quickwins.core.errors import ConfigError, Rejected
from quickwins.rig import (
    LatencySummary,
    LoadReport,
    Outcome,
    closed_loop,
    open_loop,
    poisson_arrivals,
    uniform_arrivals,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

T = TypeVar("T")


async def finish(running: Coroutine[Any, Any, T], clock: FakeClock, seconds: float = 60.0) -> T:
    """Run to the end in virtual time."""
    task = asyncio.create_task(running)
    await clock.advance(seconds)
    assert task.done(), "still running in virtual time"
    return await task


def takes(clock: FakeClock, seconds: float) -> Callable[[int], Awaitable[None]]:
    async def call(_index: int) -> None:
        await clock.sleep(seconds)

    return call


class BlockedLoopClock:
    """A fake clock on which whatever blocks the event loop takes time without sleeping."""

    def __init__(self) -> None:
        self.fake = FakeClock()
        self.blocked_seconds = 0.0

    def monotonic(self) -> float:
        return self.fake.monotonic() + self.blocked_seconds

    def wall(self) -> float:
        return self.fake.wall() + self.blocked_seconds

    async def sleep(self, seconds: float) -> None:
        await self.fake.sleep(seconds)


class StallingServer:
    """Serves one request at a time in 10 ms, and stands still for a second in between."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._started = clock.monotonic()
        self._one_at_a_time = asyncio.Lock()

    async def call(self, _index: int = 0) -> None:
        async with self._one_at_a_time:
            now = self._clock.monotonic() - self._started
            await self._clock.sleep(2.0 - now if 1.0 <= now < 2.0 else 0.01)


@pytest.mark.asyncio
async def test_arrivals_do_not_wait_for_answers() -> None:
    clock = FakeClock()
    report = await finish(open_loop(takes(clock, 0.9), [0.0, 0.1, 0.2], clock=clock), clock)
    assert report.outcomes[Outcome.OK].count == 3
    assert report.outcomes[Outcome.OK].max_seconds == pytest.approx(0.9)
    assert report.generator_lateness.max_seconds == pytest.approx(0)
    assert not report.generator_was_bottleneck


@pytest.mark.asyncio
async def test_a_stall_shows_in_open_loop_percentiles_and_hides_in_those_of_a_closed_loop() -> None:
    clock = FakeClock()
    arrivals = uniform_arrivals(rate_per_second=50, duration_seconds=4)
    opened = await finish(
        open_loop(StallingServer(clock).call, arrivals, timeout_seconds=10, clock=clock), clock
    )
    clock = FakeClock()
    naive = await finish(closed_loop([StallingServer(clock).call], duration_seconds=4, clock=clock), clock)
    # A second's stall in four: a quarter of all arrivals and more were delayed, but only one call of the worker.
    assert (opened.outcomes[Outcome.OK].p90_seconds or 0) > 0.5
    assert (naive.latency.p99_seconds or 1) < 0.02
    assert (naive.latency.max_seconds or 0) > 0.9


@pytest.mark.asyncio
async def test_a_client_gives_up_after_its_timeout_and_its_call_is_cancelled() -> None:
    clock = FakeClock()
    cancelled: list[int] = []

    async def call(index: int) -> None:
        try:
            await clock.sleep(0.5 if index == 0 else 5)
        except asyncio.CancelledError:
            cancelled.append(index)
            raise

    report = await finish(open_loop(call, [0.0, 0.1, 3.0], timeout_seconds=1.0, clock=clock), clock)
    assert cancelled == [1, 2]
    assert report.outcomes[Outcome.OK].count == 1
    assert report.outcomes[Outcome.TIMED_OUT].count == 2
    assert report.outcomes[Outcome.TIMED_OUT].max_seconds == pytest.approx(1.0)


@pytest.mark.asyncio
async def test_an_answer_after_the_client_gave_up_does_not_count_as_ok() -> None:
    clock = FakeClock()

    async def call(_index: int) -> str:
        try:
            await clock.sleep(5)
        except asyncio.CancelledError:
            return "too late"
        return "never"

    report = await finish(open_loop(call, [0.0], duration_seconds=1, clock=clock), clock)
    assert report.outcomes[Outcome.OK].count == 0
    assert report.outcomes[Outcome.TIMED_OUT].count == 1


@pytest.mark.asyncio
async def test_raised_errors_are_results() -> None:
    clock = FakeClock()
    raised: Sequence[BaseException] = [Rejected("full"), TimeoutError(), OSError(), asyncio.CancelledError()]

    async def call(index: int) -> None:
        raise raised[index]

    report = await finish(open_loop(call, [0.0, 0.1, 0.2, 0.3], clock=clock), clock)
    assert {outcome: figures.count for outcome, figures in report.outcomes.items()} == {
        Outcome.OK: 0,
        Outcome.REJECTED: 1,
        Outcome.TIMED_OUT: 1,
        Outcome.FAILED: 2,
    }


@pytest.mark.asyncio
async def test_the_caller_can_classify_and_hears_of_each_outcome() -> None:
    clock = FakeClock()
    heard: list[tuple[int, Outcome, float]] = []

    async def call(index: int) -> int:
        await clock.sleep(0.25)
        return 503 if index else 200

    report = await finish(
        open_loop(
            call,
            [0.0, 0.5],
            classify=lambda answer: Outcome.REJECTED if answer == 503 else Outcome.OK,
            on_outcome=lambda *ending: heard.append(ending),
            clock=clock,
        ),
        clock,
    )
    assert heard == [(0, Outcome.OK, 0.25), (1, Outcome.REJECTED, 0.25)]
    assert report.outcomes[Outcome.REJECTED].count == 1


@pytest.mark.asyncio
async def test_arrivals_beyond_the_most_inflight_are_shed_and_the_report_blames_the_generator() -> None:
    clock = FakeClock()
    most = 0
    inflight = 0

    async def call(_index: int) -> None:
        nonlocal most, inflight
        inflight += 1
        most = max(most, inflight)
        await clock.sleep(0.5)
        inflight -= 1

    arrivals = uniform_arrivals(rate_per_second=100, duration_seconds=1)
    report = await finish(open_loop(call, arrivals, max_inflight=10, clock=clock), clock)
    assert most == 10
    assert report.shed_by_generator == 80
    assert report.outcomes[Outcome.OK].count == 20
    assert report.offered == 100
    assert report.generator_was_bottleneck


@pytest.mark.asyncio
async def test_a_generator_that_fell_behind_sends_everything_and_reports_its_lateness() -> None:
    clock = BlockedLoopClock()

    async def call(index: int) -> None:
        if index == 0:
            clock.blocked_seconds += 2.0

    arrivals = uniform_arrivals(rate_per_second=100, duration_seconds=2)
    report = await finish(open_loop(call, arrivals, clock=clock), clock.fake)
    assert report.outcomes[Outcome.OK].count == 200
    assert report.generator_lateness.max_seconds == pytest.approx(2.0)
    assert report.outcomes[Outcome.OK].max_seconds == pytest.approx(2.0)
    assert report.generator_was_bottleneck


@pytest.mark.asyncio
async def test_catching_up_leaves_the_loop_turns_to_read_answers() -> None:
    clock = FakeClock()
    report = await finish(
        open_loop(takes(clock, 0), [0.0] * 1_000, duration_seconds=1, max_inflight=200, clock=clock), clock
    )
    assert report.shed_by_generator == 0


@pytest.mark.asyncio
async def test_cancelling_the_load_ends_every_request_before_it_returns() -> None:
    clock = FakeClock()
    running = 0

    async def call(_index: int) -> None:
        nonlocal running
        running += 1
        try:
            await clock.sleep(100)
        finally:
            await asyncio.sleep(0)
            running -= 1

    heard: list[int] = []
    before = asyncio.all_tasks()
    task = asyncio.create_task(
        open_loop(
            call,
            [0.0, 0.0, 0.1, 50.0],
            timeout_seconds=1_000,
            on_outcome=lambda index, _outcome, _latency_seconds: heard.append(index),
            clock=clock,
        )
    )
    await clock.advance(1)
    assert running == 3
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert running == 0
    assert heard == [], "a request that the load itself ended has no outcome"
    assert asyncio.all_tasks() == before


@pytest.mark.asyncio
@pytest.mark.parametrize("timeout_seconds", [0.5, 100], ids=["told of a time-out", "told of an answer"])
async def test_an_error_of_the_observer_ends_the_load_and_is_raised_as_it_is(timeout_seconds: float) -> None:
    clock = FakeClock()

    def observer(_index: int, _outcome: Outcome, _latency_seconds: float) -> None:
        raise LookupError("observer")

    before = asyncio.all_tasks()
    task = asyncio.create_task(
        open_loop(
            takes(clock, 1), [0.0, 0.1], timeout_seconds=timeout_seconds, on_outcome=observer, clock=clock
        )
    )
    await clock.advance(5)
    with pytest.raises(LookupError, match="observer"):
        await task
    assert asyncio.all_tasks() == before


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("arrivals", "changed", "message"),
    [
        pytest.param([0.1], {"timeout_seconds": 0.0}, "timeout_seconds", id="no timeout"),
        pytest.param([0.1], {"timeout_seconds": float("inf")}, "timeout_seconds", id="endless timeout"),
        pytest.param([0.1], {"max_inflight": 0}, "max_inflight", id="none inflight"),
        pytest.param([0.1], {"bucket_seconds": -1.0}, "bucket_seconds", id="negative bucket"),
        pytest.param([], {}, "duration_seconds", id="no duration"),
        pytest.param([0.2, 0.1], {}, "sorted", id="unsorted"),
        pytest.param([-0.2, 0.1], {}, "sorted", id="negative"),
    ],
)
async def test_arguments_out_of_range_are_named(
    arrivals: list[float], changed: dict[str, Any], message: str
) -> None:
    clock = FakeClock()
    with pytest.raises(ConfigError, match=message):
        await open_loop(takes(clock, 0), arrivals, clock=clock, **changed)


@pytest.mark.asyncio
async def test_no_arrivals_with_a_duration_report_nothing_offered() -> None:
    clock = FakeClock()
    report = await finish(open_loop(takes(clock, 0), [], duration_seconds=1, clock=clock), clock)
    assert report.offered == 0
    assert report.goodput_per_second == 0


@given(
    rate=st.floats(min_value=1, max_value=60),
    took=st.lists(st.sampled_from([0.0, 0.2, 0.7, 1.3, 30.0]), min_size=1, max_size=7),
    seed=st.integers(0, 2**32),
)
def test_every_request_ends_as_its_own_duration_says(rate: float, took: list[float], seed: int) -> None:
    arrivals = poisson_arrivals(rate_per_second=rate, duration_seconds=2, rng=Random(seed))

    async def run() -> LoadReport:
        clock = FakeClock()

        async def call(index: int) -> None:
            await clock.sleep(took[index % len(took)])

        return await finish(open_loop(call, arrivals, duration_seconds=2, clock=clock), clock)

    report = asyncio.run(run())
    quick = sum(took[index % len(took)] < 1 for index in range(len(arrivals)))
    assert report.outcomes[Outcome.OK].count == quick
    assert report.outcomes[Outcome.TIMED_OUT].count == len(arrivals) - quick
    assert (report.outcomes[Outcome.TIMED_OUT].max_seconds or 0) <= 1.0 + 1e-6


@pytest.mark.asyncio
async def test_a_closed_loop_adds_up_what_each_worker_reaches() -> None:
    clock = FakeClock()
    result = await finish(
        closed_loop([lambda: clock.sleep(0.1), lambda: clock.sleep(0.25)], duration_seconds=2, clock=clock),
        clock,
    )
    assert result.workers == 2
    assert result.per_second == pytest.approx(10 + 4)
    assert result.latency.max_seconds == pytest.approx(0.25)


@pytest.mark.asyncio
async def test_a_call_that_outlasts_the_duration_is_let_finish_and_counts_with_its_whole_time() -> None:
    clock = FakeClock()
    result = await finish(closed_loop([lambda: clock.sleep(3)], duration_seconds=2, clock=clock), clock)
    assert result.calls == 1
    assert result.per_second == pytest.approx(1 / 3)


@pytest.mark.asyncio
async def test_a_worker_that_never_got_a_turn_adds_nothing() -> None:
    clock = BlockedLoopClock()

    async def blocks_the_loop() -> None:
        clock.blocked_seconds += 1.0

    result = await finish(closed_loop([blocks_the_loop] * 2, duration_seconds=2, clock=clock), clock.fake)
    assert result.calls == 2
    assert result.per_second == pytest.approx(1)


@pytest.mark.asyncio
async def test_the_first_failure_of_a_closed_loop_ends_it_and_is_raised() -> None:
    clock = FakeClock()

    async def fails() -> None:
        await clock.sleep(0.5)
        raise OSError("gone")

    before = asyncio.all_tasks()
    task = asyncio.create_task(
        closed_loop([fails, lambda: clock.sleep(0.1)], duration_seconds=2, clock=clock)
    )
    await clock.advance(1)
    with pytest.raises(OSError, match="gone"):
        await task
    assert asyncio.all_tasks() == before


@pytest.mark.asyncio
@pytest.mark.parametrize(("workers", "duration"), [(0, 1.0), (1, 0.0)])
async def test_a_closed_loop_needs_workers_and_time(workers: int, duration: float) -> None:
    with pytest.raises(ConfigError, match="needs calls"):
        await closed_loop([lambda: asyncio.sleep(0)] * workers, duration_seconds=duration)


@pytest.mark.asyncio
async def test_on_the_system_clock_the_same_holds() -> None:
    async def call(_index: int) -> None:
        await asyncio.sleep(0)

    report = await open_loop(call, [0.0, 0.001, 0.002])
    assert report.outcomes[Outcome.OK].count == 3
    result = await closed_loop([lambda: asyncio.sleep(0)], duration_seconds=0.001)
    assert result.calls >= 1
    assert isinstance(result.latency, LatencySummary)
