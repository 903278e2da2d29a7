"""The gate as callers meet it: it asks the core, wakes those whose wait has ended, and keeps the one timer."""

from __future__ import annotations

import asyncio
import math
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING

from quickwins.backpressure._gate import ADMITTED, GateCore, GateKind, RejectReason, Rule
from quickwins.backpressure.errors import PoolExhausted
from quickwins.backpressure.metrics import EXHAUSTED, INFLIGHT, LIMIT, QUEUE_DELAY, UTILIZATION, WAITING
from quickwins.backpressure.stats import PoolStats
from quickwins.core.clock import SystemClock
from quickwins.core.errors import ConfigError
from quickwins.core.events import POOL_REJECTED, Reporter
from quickwins.core.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from prometheus_client import CollectorRegistry

    from quickwins.backpressure._gate import Waiter
    from quickwins.core.clock import Clock

_TIMER_STEP_SECONDS = 0.001
"""A timer that rings a little early must not spin until it is time."""


class Gate:
    """Admits, refuses, or lets wait. Belongs to one event loop and to one resource, to whose size it is bound.

    A `GatedPool` binds it to its pool. For anything else give the size here and take permits by hand.

    Example:
        gate = Gate.queue(size=20, name="search")
        async with gate.permit(timeout=1.0):
            await client.get("/search")
    """

    __slots__ = (
        "_clock", "_core", "_delay", "_due", "_exhausted", "_futures", "_inflight", "_limit", "_name", "_reporter",
        "_retry_after_seconds", "_rng", "_rule", "_timer", "_utilization", "_waiting",
    )  # fmt: skip

    def __init__(self, rule: Rule) -> None:
        """Use `Gate.queue` or `Gate.threshold` instead."""
        self._rule = rule
        self._core: GateCore | None = None
        self._futures: dict[Waiter, asyncio.Future[None]] = {}  # those in line, bounded as the line is
        self._timer: asyncio.TimerHandle | None = None
        self._due = math.inf  # when the timer rings, on our clock

    @classmethod
    def threshold(cls, threshold: float = 0.85, *, size: int | None = None, name: str = "") -> Gate:
        """Refuse when `threshold` of the permits, rounded up to whole ones, are in use.

        Simple and blunt: bursts of ordinary traffic are refused well below capacity, and the spare connections serve
        nobody under overload.

        Args:
            threshold: Above 0, at most 1; 1.0 never refuses.
            size: Binds the gate to a resource of so many permits; `None`: a `GatedPool` will.
            name: With `size`: the resource's, on metrics, events and errors.

        Raises:
            ConfigError: An argument is out of range.
        """
        return _made(cls(Rule(GateKind.THRESHOLD, threshold)), size, name)

    @classmethod
    def queue(
        cls,
        *,
        target_seconds: float = 0.05,
        interval_seconds: float = 0.5,
        queue_size: int = 0,
        size: int | None = None,
        name: str = "",
    ) -> Gate:
        """Use every permit, and keep a line that is bounded in length and in time.

        First come, first served, until the oldest in line has been above the target for a whole interval. From then
        until the line is empty the newest is served first, and whoever has waited for the target is refused.

        Args:
            target_seconds: The wait that is fine, and the longest one under overload; finite, above 0.
            interval_seconds: How long a burst may last before it is overload; finite, above 0.
            queue_size: How many may wait; 0: twice the number of permits.
            size: Binds the gate to a resource of so many permits; `None`: a `GatedPool` will.
            name: With `size`: the resource's, on metrics, events and errors.

        Raises:
            ConfigError: An argument is out of range.
        """
        rule = Rule(
            GateKind.QUEUE,
            target_seconds=target_seconds,
            interval_seconds=interval_seconds,
            queue_size=queue_size,
        )
        return _made(cls(rule), size, name)

    def bind(
        self,
        max_size: int,
        *,
        name: str = "",
        service: str = "",
        retry_after_seconds: float = 1.0,
        registry: CollectorRegistry | None = None,
        clock: Clock | None = None,
        rng: Random | None = None,
    ) -> None:
        """Tell the gate what it guards.

        Args:
            max_size: How many may use it at once; at least 1.
            name: Of the resource, on metrics, events and errors.
            service: Of the process, likewise.
            retry_after_seconds: What the refused are told to wait, on average.
            registry: For the series; the default registry when `None`.
            clock: For waits and hold times; must run as the event loop's does.
            rng: For the jitter of `retry_after_seconds`.

        Raises:
            ConfigError: It is bound already: two pools would share one count.
        """
        if self._core is not None:
            raise ConfigError("this gate is bound to a pool already; make one gate for each pool")
        self._core = GateCore(self._rule, max_size)
        self._name = name
        self._retry_after_seconds = retry_after_seconds
        self._clock = SystemClock() if clock is None else clock
        self._rng = Random() if rng is None else rng  # noqa: S311 -- jitter, not secrecy
        self._reporter = Reporter(service=service, name=name, clock=self._clock)
        metrics = Metrics(registry=registry, service=service, name=name)
        self._exhausted = {reason: metrics.counter(EXHAUSTED, reason=reason) for reason in RejectReason}
        self._utilization = metrics.gauge(UTILIZATION)
        self._inflight = metrics.gauge(INFLIGHT)
        self._limit = metrics.gauge(LIMIT)
        self._waiting = metrics.gauge(WAITING)
        self._delay = metrics.histogram(QUEUE_DELAY)
        self._show_limit()
        self._show_inflight()

    @property
    def core(self) -> GateCore:
        """What decides.

        Raises:
            ConfigError: The gate is not bound.
        """
        if self._core is None:
            raise ConfigError("this gate is not bound to a pool: give it to a GatedPool, or give it a size")
        return self._core

    def permit(self, *, timeout: float | None = None) -> Permit:
        """The right to use the resource inside an `async with` block.

        Args:
            timeout: Seconds to wait for it; `None`: as long as the gate lets one wait.

        Raises (when entered):
            PoolExhausted: The gate said no.
            TimeoutError: `timeout` passed in line.
            ConfigError: The gate is not bound.
        """
        return Permit(self, timeout)

    def stats(self) -> PoolStats:
        """What is going on now."""
        core = self.core
        return PoolStats(
            name=self._name,
            gate=core.rule.kind,
            gated=core.limit is not None,
            max_size=core.max_size,
            limit=core.limit,
            inflight=core.inflight,
            waiting=core.waiting,
            overloaded=core.overloaded,
            mean_hold_seconds=core.mean_hold_seconds,
            admitted=core.admitted,
            timed_out=core.timed_out,
            rejected=MappingProxyType(dict(core.rejected)),
        )

    def close(self) -> None:
        """Refuse everybody from now on, those in line included. Idempotent."""
        now = self._clock.monotonic()
        self._tell(self.core.close(now))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def reconfigure(self, rule: Rule, *, retry_after_seconds: float) -> None:
        """Follow another rule; permits in use stay in use, and who waits goes on waiting."""
        self._retry_after_seconds = retry_after_seconds
        self._tell(self.core.reconfigure(rule, self._clock.monotonic()))
        self._show_limit()
        self._show_inflight()
        self._arm()

    async def enter(self, now: float, timeout: float | None) -> float:
        """Take a permit, waiting for one if the gate lets us; `leave` gives it back. `permit` is both.

        Args:
            now: The time, from which `timeout` counts.
            timeout: Seconds to wait for it; `None`: as long as the gate lets one wait.

        Returns:
            When it was given, `now` if there was no wait: hand it to `leave`.

        Raises:
            PoolExhausted: The gate said no.
            TimeoutError: `timeout` passed in line.
        """
        core = self.core
        answer = core.ask(now, math.inf if timeout is None else now + timeout)
        if answer is ADMITTED:
            self._show_inflight()
            return now
        if isinstance(answer, RejectReason):
            self._report(answer)
            raise self._rejection(answer, timeout)
        future = asyncio.get_running_loop().create_future()
        self._futures[answer] = future
        self._waiting.set(core.waiting)
        self._arm()
        try:
            await future
        except BaseException:
            # Cancelled in line, or after the permit was sent and before we ran: then it goes to the next.
            self._futures.pop(answer, None)
            now = self._clock.monotonic()
            if answer.verdict is None:
                self._delay.observe(now - answer.since)
            self._tell(core.cancel(answer, now))
            self._show_inflight()
            raise
        if answer.verdict is ADMITTED:
            return answer.ended_at
        if isinstance(answer.verdict, RejectReason):
            raise self._rejection(answer.verdict, timeout)
        raise TimeoutError(f"no permit of pool {self._name!r} within the {timeout} s asked for")

    def now(self) -> float:
        """The time on the gate's clock.

        Raises:
            ConfigError: The gate is not bound.
        """
        self.core  # noqa: B018 -- an unbound gate has no clock either; say the former
        return self._clock.monotonic()

    def leave(self, since: float | None) -> None:
        """Give a permit back, to the next in line if there is one.

        Args:
            since: When it was given; `None` when the time it was held says nothing about others.
        """
        now = self._clock.monotonic()
        ended = self.core.release(now, None if since is None else now - since)
        if ended:
            self._tell(ended)
        self._show_inflight()

    def try_enter(self, limit: int) -> float | None:
        """Take a permit if fewer than `limit` are in use, without asking further; `leave` gives it back.

        Returns:
            When it was given; `None` when it was not.
        """
        if not self.core.reserve(limit):
            return None
        self._show_inflight()
        return self._clock.monotonic()

    def count(self) -> float:
        """Count a user that was not asked; `leave` with what this returns."""
        self.core.count()
        self._show_inflight()
        return self._clock.monotonic()

    def closed_error(self) -> PoolExhausted:
        """Count and report a refusal after `close`, for who has not asked."""
        self.core.rejected[RejectReason.CLOSED] += 1
        self._report(RejectReason.CLOSED)
        return self._rejection(RejectReason.CLOSED, None)

    def _tell(self, ended: Sequence[Waiter]) -> None:
        for waiter in ended:
            self._delay.observe(waiter.ended_at - waiter.since)
            if isinstance(waiter.verdict, RejectReason):
                self._report(waiter.verdict)
            future = self._futures.pop(waiter, None)
            # Gone or done: its task was cancelled and has not run since. It will, and then gives back what it got.
            if future is not None and not future.done():
                future.set_result(None)
        self._waiting.set(self.core.waiting)

    def _arm(self) -> None:
        """See that the timer rings no later than the core's next tick; too early does no harm."""
        due = self.core.next_tick()
        if due == math.inf:
            return
        if self._timer is not None:
            if self._due <= due:
                return
            self._timer.cancel()
        self._due = due
        delay_seconds = max(due - self._clock.monotonic(), _TIMER_STEP_SECONDS)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(loop.time() + delay_seconds, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._tell(self.core.tick(self._clock.monotonic()))
        self._show_inflight()
        self._arm()

    def _report(self, reason: RejectReason) -> None:
        self._exhausted[reason].inc()
        self._reporter.report_seldom(
            POOL_REJECTED, reason, limit=self.core.limit, inflight=self.core.inflight
        )

    def _rejection(self, reason: RejectReason, timeout: float | None) -> PoolExhausted:
        core, name = self.core, self._name
        if reason is RejectReason.CLOSED:
            return PoolExhausted(f"pool {name!r} is closed", reason=reason)
        in_use = f"pool {name!r} has {core.inflight} of {core.max_size} permits in use"
        if reason is RejectReason.THRESHOLD:
            words = f"{in_use}, its limit is {core.limit}"
        elif reason is RejectReason.DEADLINE:
            words = f"{in_use} and {core.waiting} waiting: too many for the {timeout} s asked for"
        elif reason is RejectReason.QUEUE_FULL:
            words = f"{in_use} and {core.waiting} waiting: no more may wait"
        else:
            words = f"pool {name!r} is overloaded: no permit within {core.rule.target_seconds} s"
        return PoolExhausted(
            words,
            reason=reason,
            retry_after_seconds=self._retry_after_seconds * (0.5 + self._rng.random()),
        )

    def _show_inflight(self) -> None:
        core = self.core
        self._inflight.set(core.inflight)
        self._utilization.set(core.inflight / core.max_size)

    def _show_limit(self) -> None:
        self._limit.set(self.core.max_size if self.core.limit is None else self.core.limit)


class Permit:
    """What `Gate.permit` returns: enter it with `async with`, once."""

    __slots__ = ("_entered", "_gate", "_since", "_timeout")

    def __init__(self, gate: Gate, timeout: float | None) -> None:
        self._gate = gate
        self._timeout = timeout
        self._entered = False
        self._since = 0.0

    async def __aenter__(self) -> None:
        if self._entered:
            raise ConfigError("a permit is entered once; ask the gate for another one")
        self._entered = True
        self._since = await self._gate.enter(self._gate.now(), self._timeout)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gate.leave(self._since)


def _made(gate: Gate, size: int | None, name: str) -> Gate:
    if size is not None:
        gate.bind(size, name=name)
    elif name:
        raise ConfigError("a name goes with a size; a GatedPool gives its own name to its gate")
    return gate
