"""Load: open loop, where requests arrive whatever happens, and closed loop, where each worker waits for its answer.

Open loop shows what users see, including overload; closed loop cannot overload, and so measures capacity.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickwins.core.clock import SystemClock
from quickwins.core.errors import ConfigError
from quickwins.rig.latency import LatencySummary
from quickwins.rig.report import LoadReport, Observations, Outcome, classify, report_on

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from quickwins.core.clock import Clock

# How many overdue requests are created before the loop gets a turn to send them and to read answers.
_OVERDUE_BATCH = 32


async def open_loop(
    call: Callable[[int], Awaitable[object]],
    arrivals: Sequence[float],
    *,
    timeout_seconds: float = 1.0,
    duration_seconds: float | None = None,
    classify: Callable[[object], Outcome] = classify,
    on_outcome: Callable[[int, Outcome, float], None] | None = None,
    max_inflight: int = 10_000,
    bucket_seconds: float = 0.25,
    clock: Clock | None = None,
) -> LoadReport:
    """Send a request at each arrival, whether or not earlier ones were answered, and report how they fared.

    Each request is a task; when this function returns, raises or is cancelled, all of them have ended. A client gives up
    `timeout_seconds` after *sending*, as a real one does, and its `call` is cancelled then; latency is measured from the
    *intended* arrival, so it includes the generator's own lateness.

    Args:
        call: Makes a request, given its index in `arrivals`; what it returns or raises is classified.
        arrivals: When requests are due: seconds from the start, sorted, such as those of `poisson_arrivals`.
        timeout_seconds: How long a client waits; finite, above 0.
        duration_seconds: The time that rates are computed over; `None` means up to the last arrival.
        classify: What an answer, or the exception raised instead, counts as.
        on_outcome: Called when a request ends, with its index, outcome and latency in seconds. Keep it short: it runs
            in the loop that sends.
        max_inflight: How many requests may be out. Arrivals beyond that are not sent, but counted in the report as shed
            by the generator, which was then the bottleneck.
        bucket_seconds: The width of the report's time slices; above 0.
        clock: `None` means the system's.

    Raises:
        ConfigError: An argument is out of range, or `arrivals` is not sorted, or empty without a duration.
        Exception: Whatever `classify` or `on_outcome` raises; it ends the load.
    """
    duration_seconds = (arrivals[-1] if arrivals else 0.0) if duration_seconds is None else duration_seconds
    for name, value in (
        ("timeout_seconds", timeout_seconds),
        ("duration_seconds", duration_seconds),
        ("bucket_seconds", bucket_seconds),
        ("max_inflight", max_inflight),
    ):
        if not 0 < value < float("inf"):
            raise ConfigError(f"{name} must be finite and above 0, not {value}")
    if (arrivals and arrivals[0] < 0) or any(later < due for due, later in itertools.pairwise(arrivals)):
        raise ConfigError("arrivals must be sorted offsets in seconds, none below 0")
    load = _OpenLoop(
        call, arrivals, timeout_seconds, classify, on_outcome, max_inflight, clock or SystemClock()
    )
    try:
        await load.run()
    except BaseExceptionGroup as group:
        raise _first(group) from group
    return report_on(
        arrivals,
        load.seen,
        duration_seconds=duration_seconds,
        timeout_seconds=timeout_seconds,
        bucket_seconds=bucket_seconds,
    )


class _OpenLoop:
    """One run of an open loop: a sender, a task for each request, and one task that gives up for all of them."""

    __slots__ = (
        "_arrivals", "_call", "_classify", "_clock", "_inflight", "_max_inflight", "_on_outcome", "_started",
        "_timeout_seconds", "_waiting", "seen",
    )  # fmt: skip

    def __init__(
        self,
        call: Callable[[int], Awaitable[object]],
        arrivals: Sequence[float],
        timeout_seconds: float,
        classify: Callable[[object], Outcome],
        on_outcome: Callable[[int, Outcome, float], None] | None,
        max_inflight: int,
        clock: Clock,
    ) -> None:
        self._call = call
        self._arrivals = arrivals
        self._timeout_seconds = timeout_seconds
        self._classify = classify
        self._on_outcome = on_outcome
        self._max_inflight = max_inflight
        self._clock = clock
        self._started = clock.monotonic()
        self._inflight = 0
        # All have the same timeout, so deadlines come in the order of sending: a queue and one sleeper do what a timer
        # for each request would, and on the injected clock.
        self._waiting: deque[tuple[float, int, asyncio.Task[None]]] = deque()
        self.seen = Observations.of(len(arrivals))

    async def run(self) -> None:
        async with asyncio.TaskGroup() as owner:
            giving_up = owner.create_task(self._give_up())
            async with asyncio.TaskGroup() as requests:
                await self._send(requests)
            giving_up.cancel()

    async def _send(self, requests: asyncio.TaskGroup) -> None:
        overdue = 0
        for index, due in enumerate(self._arrivals):
            wait_seconds = self._started + due - self._clock.monotonic()
            if wait_seconds > 0:
                overdue = 0
                await self._clock.sleep(wait_seconds)
            else:
                overdue += 1
                if overdue % _OVERDUE_BATCH == 0:
                    await self._clock.sleep(0)
            if self._inflight < self._max_inflight:
                self._inflight += 1
                requests.create_task(self._request(index))

    async def _request(self, index: int) -> None:
        task = asyncio.current_task()
        assert task is not None
        now = self._clock.monotonic()
        self.seen.sent_at_seconds[index] = now - self._started
        # Queued here, not by the sender: a task cancelled before its first step would leave no trace.
        self._waiting.append((now + self._timeout_seconds, index, task))
        answer: object
        try:
            answer = await self._call(index)
        except asyncio.CancelledError as error:
            # Our own (giving up or closing), or how a client library says that its connection went away.
            if task.cancelling() and self.seen.outcomes[index] is None:
                raise
            answer = error
        except Exception as error:  # noqa: BLE001 -- every failure of the measured call is a result; until=never
            answer = error
        finally:
            self._inflight -= 1
        if self.seen.outcomes[index] is None:
            self._end(index, self._classify(answer))

    async def _give_up(self) -> None:
        waiting = self._waiting
        while True:
            now = self._clock.monotonic()
            while waiting:
                deadline, index, task = waiting[0]
                if self.seen.outcomes[index] is None:
                    if deadline > now:
                        break
                    self._end(index, Outcome.TIMED_OUT)
                    task.cancel()
                waiting.popleft()
            await self._clock.sleep(waiting[0][0] - now if waiting else self._timeout_seconds)

    def _end(self, index: int, outcome: Outcome) -> None:
        ended = self._clock.monotonic() - self._started
        self.seen.outcomes[index] = outcome
        self.seen.ended_at_seconds[index] = ended
        if self._on_outcome is not None:
            self._on_outcome(index, outcome, ended - self._arrivals[index])


@dataclass(frozen=True, slots=True)
class Throughput:
    """The result of a closed loop.

    Attributes:
        workers: How many workers called, one call after another.
        calls: How many calls were completed.
        per_second: The sum over the workers of calls divided by the time they took. A worker's last call, which starts
            within the duration and ends after it, counts with its whole time.
        latency: How long calls took, from sending. It does not show what did not happen while a worker waited
            (coordinated omission): good for capacity, but says nothing about what users see.
    """

    workers: int
    calls: int
    per_second: float
    latency: LatencySummary


async def closed_loop(
    calls: Sequence[Callable[[], Awaitable[object]]], *, duration_seconds: float, clock: Clock | None = None
) -> Throughput:
    """Let one worker for each call repeat it without a pause, and report what they reach together: the capacity.

    Args:
        calls: One for each worker, called by that worker alone; for N equal workers, `[call] * N`.
        duration_seconds: No call starts after this; above 0. Calls under way finish.
        clock: `None` means the system's.

    Raises:
        ConfigError: There are no calls, or the duration is not above 0.
        Exception: What the first call to fail raises; it ends the loop, since failures are not capacity.
    """
    if not calls or not duration_seconds > 0:
        raise ConfigError(
            f"a closed loop needs calls and a duration above 0, not {len(calls)} and {duration_seconds}"
        )
    clock = clock or SystemClock()
    latencies: list[float] = []
    started = clock.monotonic()

    async def work(call: Callable[[], Awaitable[object]]) -> float:
        done = 0
        now = clock.monotonic()
        while now - started < duration_seconds:
            sent = now
            await call()
            now = clock.monotonic()
            latencies.append(now - sent)
            done += 1
        return done / (now - started) if done else 0.0

    try:
        async with asyncio.TaskGroup() as workers:
            tasks = [workers.create_task(work(call)) for call in calls]
    except BaseExceptionGroup as group:
        raise _first(group) from group
    return Throughput(
        len(calls), len(latencies), sum(task.result() for task in tasks), LatencySummary.of(latencies)
    )


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The failure that ended a task group, however many groups it is wrapped in."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
