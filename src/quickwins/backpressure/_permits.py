"""The gate as a service uses it: bound to a size, waiting on the event loop, and telling what it does.

What is decided is in `_core/`; here are the futures, the one timer and the books.
"""

from __future__ import annotations

import asyncio
import math
import time
from random import Random
from sys import _getframe  # `inspect.currentframe` is the same behind a slower door
from types import MappingProxyType
from typing import TYPE_CHECKING

from quickwins.backpressure._core.gate import GateCore
from quickwins.backpressure._core.verdict import ADMITTED
from quickwins.backpressure._deadline import current_deadline
from quickwins.backpressure._ledger import AT_ONCE_SECONDS, READINGS, Ledger, Outcome, outcome_of
from quickwins.backpressure._permit import Permit
from quickwins.backpressure._refusals import Refusals
from quickwins.backpressure.rule import GateKind, Nested, Priority, RejectReason, Rule
from quickwins.backpressure.stats import PoolStats
from quickwins.core.clock import SystemClock
from quickwins.core.errors import ConfigError
from quickwins.core.events import Reporter
from quickwins.core.tallies import Tallies

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Unpack

    from prometheus_client import CollectorRegistry

    from quickwins.backpressure._core.line import Waiter
    from quickwins.backpressure.errors import PoolExhausted
    from quickwins.backpressure.rule import GateOptions
    from quickwins.core.clock import Clock

_TIMER_STEP_SECONDS = 0.001
"""A timer that rings a little early must not spin until it is time."""

_NORMAL = Priority.NORMAL
_INFINITY = math.inf
_current_task = asyncio.current_task


class Gate:
    """Admits, refuses, or lets wait. Belongs to one event loop and to one resource, to whose size it is bound.

    A `GatedPool` binds it to its pool. For anything else give the size here and take permits by hand.

    Attributes:
        ledger: What a bound gate has counted.
        now: The clock of a bound gate, in seconds.

    Example:
        gate = Gate.queue(size=20, name="search")
        async with gate.permit(timeout=1.0):
            await client.get("/search")
    """

    __slots__ = (
        "_clock", "_core", "_due", "_futures", "_loop", "_name", "_refusals", "_rule", "_shared", "_tallies", "_timer", "ledger",
        "now",
    )  # fmt: skip

    def __init__(self, rule: Rule) -> None:
        """Use `Gate.queue`, `Gate.threshold` or `Gate.adaptive` instead."""
        self._rule = rule
        self._core: GateCore | None = None
        self._futures: dict[Waiter, asyncio.Future[None]] = {}  # those in line, bounded as the line is
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._due = math.inf  # when the timer rings, on our clock
        self.now: Callable[[], float] = self._unbound
        self.ledger: Ledger

    @classmethod
    def threshold(
        cls,
        threshold: float = 0.85,
        *,
        size: int | None = None,
        name: str = "",
        **options: Unpack[GateOptions],
    ) -> Gate:
        """Refuse when `threshold` of the permits, rounded up to whole ones, are in use.

        Critical work may use the others. Simple and blunt: bursts of ordinary traffic are refused well below capacity,
        and the spare connections serve nobody under overload.

        Args:
            threshold: Above 0, at most 1; 1.0 never refuses.
            size: Binds the gate to a resource of so many permits; `None`: a `GatedPool` will.
            name: With `size`: the resource's, on metrics, events and errors.
            options: See `GateOptions`.

        Raises:
            ConfigError: An argument is out of range.
        """
        return _made(cls(Rule(GateKind.THRESHOLD, threshold, **options)), size, name)

    @classmethod
    def queue(
        cls,
        *,
        target_seconds: float = 0.05,
        interval_seconds: float = 0.5,
        queue_size: int = 0,
        size: int | None = None,
        name: str = "",
        **options: Unpack[GateOptions],
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
            options: See `GateOptions`.

        Raises:
            ConfigError: An argument is out of range.
        """
        rule = Rule(
            GateKind.QUEUE,
            target_seconds=target_seconds,
            interval_seconds=interval_seconds,
            queue_size=queue_size,
            **options,
        )
        return _made(cls(rule), size, name)

    @classmethod
    def adaptive(
        cls,
        *,
        min_limit: int = 2,
        target_seconds: float = 0.05,
        interval_seconds: float = 0.5,
        queue_size: int = 0,
        size: int | None = None,
        name: str = "",
        **options: Unpack[GateOptions],
    ) -> Gate:
        """As `queue`, with a limit that is learned from how long permits are held and how often their use fails.

        For resources that do less when more is asked of them at once, such as a database with contended locks. Time-outs
        and lost connections are failures; `gate.permit` takes a `TimeoutError` or `ConnectionError` out of its block for
        one. What is learned, and why, is in `stats()`.

        Args:
            min_limit: The fewest permits it comes down to; at least 1.
            target_seconds: As for `queue`.
            interval_seconds: Likewise.
            queue_size: Likewise.
            size: Likewise; the most permits.
            name: Likewise.
            options: See `GateOptions`.

        Raises:
            ConfigError: An argument is out of range.
        """
        rule = Rule(
            GateKind.ADAPTIVE,
            target_seconds=target_seconds,
            interval_seconds=interval_seconds,
            queue_size=queue_size,
            min_limit=min_limit,
            **options,
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
        self._clock = SystemClock() if clock is None else clock
        self.ledger = Ledger(self._core)
        self._refusals = Refusals(
            self.ledger,
            Reporter(service=service, name=name, clock=self._clock),
            name=name,
            retry_after_seconds=retry_after_seconds,
            rng=Random() if rng is None else rng,  # noqa: S311 -- jitter, not secrecy; until=2027-12-31
        )
        self._tallies = Tallies(self.ledger, READINGS, registry=registry, service=service, name=name)
        self._shared = self._tallies.multiprocess
        # The system's own function, not our method that calls it: both ends of each use read the clock.
        self.now = time.monotonic if clock is None else clock.monotonic

    @property
    def core(self) -> GateCore:
        """What decides.

        Raises:
            ConfigError: The gate is not bound.
        """
        if self._core is None:
            raise ConfigError("this gate is not bound to a pool: give it to a GatedPool, or give it a size")
        return self._core

    def permit(
        self, *, timeout: float | None = None, priority: Priority = _NORMAL, tenant: str | None = None
    ) -> Permit:
        """The right to use the resource inside an `async with` block.

        Args:
            timeout: Seconds to wait for it; `None`: until the deadline of `quickwins.backpressure.deadline`, if there
                is one, and as long as the gate lets one wait.
            priority: What is lost last, and first.
            tenant: Whose work it is, where the gate tells tenants apart.

        Raises (when entered):
            PoolExhausted: The gate said no.
            NestedAcquire: This task holds a permit already, and there is no other one.
            TimeoutError: `timeout` passed in line.
            ConfigError: The gate is not bound.
        """
        return Permit(self, timeout, priority, tenant, _getframe(1))

    def stats(self) -> PoolStats:
        """What is going on now."""
        core, ledger = self.core, self.ledger
        waits = sum(ledger.delays.counts)
        return PoolStats(
            name=self._name,
            gate=core.rule.kind,
            why=core.why,
            gated=core.limit is not None,
            shadow=core.rule.shadow,
            max_size=core.max_size,
            limit=core.limit,
            inflight=ledger.in_use,
            waiting=core.waiting,
            overloaded=core.overloaded,
            mean_hold_seconds=core.mean_hold_seconds,
            mean_delay_seconds=ledger.delays.total / waits if waits else None,
            admitted=core.admitted,
            timed_out=core.timed_out,
            nested=ledger.nested,
            rejected=MappingProxyType(dict(ledger.rejected)),
            shadow_rejected=MappingProxyType(dict(ledger.shadow_rejected)),
            holders=ledger.holders(self.now()),
            longest_held=ledger.sites(),
        )

    def close(self) -> None:
        """Refuse everybody from now on, those in line included. Idempotent."""
        self._tell(self.core.close(self.now()))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._tallies.flush()

    def reconfigure(self, rule: Rule, *, retry_after_seconds: float) -> None:
        """Follow another rule; permits in use stay in use, and who waits goes on waiting."""
        self._refusals.retry_after_seconds = retry_after_seconds
        self._tell(self.core.reconfigure(rule, self.now()))
        self._arm()
        self._changed()

    def bounded(self, timeout_seconds: float | None, now: float) -> float | None:
        """`timeout_seconds`, or what is left until the deadline of the request at hand, if that is less."""
        deadline_at = current_deadline()
        if deadline_at is None:
            return timeout_seconds
        left_seconds = deadline_at - now
        return left_seconds if timeout_seconds is None else min(timeout_seconds, left_seconds)

    def ask(self, permit: Permit, now: float, timeout_seconds: float | None) -> Waiter | None:
        """Take `permit` at once (`None`), or a place in line, to be handed to `wait` before anything else is awaited.

        Args:
            permit: Not asked for yet.
            now: The time, from which `timeout_seconds` counts.
            timeout_seconds: How long to wait for it; `None`: as long as the gate lets one wait.

        Raises:
            PoolExhausted: The gate said no.
        """
        permit.used = True
        core, ledger = self._core, self.ledger
        if core is None:
            core = self.core  # which says what is missing
        # Of a loop that is known: before 3.12, finding the one that runs is a system call.
        task = None if self._loop is None else _current_task(self._loop)
        if task is None:
            task = self._find_task()
        tenant = permit.tenant = core.tenant(permit.tenant_key, now) if core.tells_tenants else None
        outer = ledger.held_by.get(task)
        if outer is not None:
            self._nested(permit, task)
        answer = core.ask(
            now,
            _INFINITY if timeout_seconds is None else now + timeout_seconds,
            permit.priority,
            tenant,
        )
        if answer is ADMITTED:
            permit.counted = True
            permit.since = now
            permit.task = task  # what `Ledger.begin` does: this is the path that everybody pays for
            permit.outer = outer
            ledger.held_by[task] = permit
            if self._shared:
                self._tallies.touch()
            return None
        if isinstance(answer, RejectReason) and (answer is RejectReason.CLOSED or not core.rule.shadow):
            ledger.refused_at_once[0] += 1
            self._refusals.note(answer, now)
            if self._shared:
                self._tallies.touch()
            raise self._refusals.error(answer, timeout_seconds)
        permit.counted = False
        permit.waiter = None
        if core.rule.shadow:
            self._let_pass(permit, answer, now, task)
            return None
        assert not isinstance(answer, RejectReason)
        self._futures[answer] = asyncio.get_running_loop().create_future()
        if answer.displaced is not None:
            self._tell((answer.displaced,))
        self._arm()
        return answer

    async def wait(self, permit: Permit, waiter: Waiter, timeout_seconds: float | None) -> None:
        """Wait for `permit` in the place that `ask` has given."""
        core = self.core
        try:
            await self._futures[waiter]
        except BaseException as error:
            # Cancelled in line, or after the permit was sent and before we ran: then it goes to the next.
            self._futures.pop(waiter, None)
            now = self.now()
            if waiter.verdict is None:
                self.ledger.delays.observe(now - waiter.since)
            self.ledger.acquired[outcome_of(error)].observe(now - waiter.since)
            self._tell(core.cancel(waiter, now))
            raise
        if waiter.verdict is ADMITTED:
            permit.counted = True
            permit.since = waiter.ended_at
            self.ledger.begin(permit, asyncio.current_task())
            return
        waited_seconds = waiter.ended_at - waiter.since
        if isinstance(waiter.verdict, RejectReason):
            self.ledger.acquired[Outcome.REJECTED].observe(waited_seconds)
            raise self._refusals.error(waiter.verdict, timeout_seconds)
        self.ledger.acquired[Outcome.TIMED_OUT].observe(waited_seconds)
        raise TimeoutError(f"no permit of pool {self._name!r} within the {timeout_seconds} s asked for")

    def leave(self, permit: Permit, sample: bool = True, dropped: bool = False) -> None:
        """Give a permit back, to the next in line if there is one.

        Args:
            permit: In use.
            sample: Whether the time it was held says anything about others.
            dropped: Whether what it was used for timed out or lost its connection.
        """
        core, ledger = self._core, self.ledger
        assert core is not None
        now = self.now()
        task = permit.task
        if permit.outer is None and ledger.held_by[task] is permit:  # `Ledger.end`, without the call
            del ledger.held_by[task]
        else:
            ledger.end(permit)
        held_seconds = None
        if sample:
            held_seconds = now - permit.since
            held = ledger.held
            if held_seconds < AT_ONCE_SECONDS:  # `Tally.observe`, likewise, without its search
                held.counts[0] += 1
                held.total += held_seconds
            else:
                held.observe(held_seconds)
            if held_seconds > ledger.worth_noting_seconds:
                ledger.note(permit, held_seconds)
        if permit.counted:
            permit.counted = False
            ended = core.release(now, held_seconds, permit.tenant, dropped)
        else:
            ended = () if permit.waiter is None else core.cancel(permit.waiter, now)
        if ended:
            self._tell(ended)
        if self._shared:
            self._tallies.touch()

    def try_enter(self, permit: Permit, limit: int) -> bool:
        """Take `permit` if fewer than `limit` are in use, without asking further; `leave` gives it back."""
        if not self.core.reserve(limit):
            return False
        self._begin(permit)
        return True

    def count(self, permit: Permit) -> None:
        """Count the user of `permit`, who was not asked; `leave` when it goes."""
        self.core.count()
        self._begin(permit)

    def closed_error(self) -> PoolExhausted:
        """Count and report a refusal after `close`, for who has not asked."""
        self._refusals.note(RejectReason.CLOSED, self.now())
        self._changed()
        return self._refusals.error(RejectReason.CLOSED, None)

    def _find_task(self) -> asyncio.Task[object] | None:
        """The task that runs, and its loop for the next time."""
        self._loop = asyncio.get_running_loop()
        return asyncio.current_task()

    def _begin(self, permit: Permit) -> None:
        permit.counted = True
        permit.tenant = permit.waiter = None
        permit.since = self.now()
        self.ledger.begin(permit, asyncio.current_task())
        self._changed()

    def _nested(self, permit: Permit, task: asyncio.Task[object] | None) -> None:
        """`task` holds a permit and wants another one: that must not wait, since it may be waiting for itself."""
        core = self.core
        self.ledger.nested += 1
        if core.inflight < core.limit_for(permit.priority) or core.limit is None or core.closed:
            return
        if core.rule.nested == Nested.ALLOW:
            return
        if core.rule.shadow:
            self.ledger.shadow_rejected[RejectReason.NESTED] += 1
            return
        self._refusals.note(RejectReason.NESTED, self.now())
        self._changed()
        raise self._refusals.nested(task)

    def _let_pass(
        self, permit: Permit, answer: RejectReason | Waiter, now: float, task: asyncio.Task[object] | None
    ) -> None:
        """Let somebody go on who would have been refused or had to wait; its place in line stays, for the others."""
        if isinstance(answer, RejectReason):
            self.ledger.shadow_rejected[answer] += 1
        else:
            permit.waiter = answer
            if answer.displaced is not None:
                self._tell((answer.displaced,))
            self._arm()
        permit.since = now
        self.ledger.begin(permit, task)
        self._changed()

    def _tell(self, ended: Sequence[Waiter]) -> None:
        for waiter in ended:
            self.ledger.delays.observe(waiter.ended_at - waiter.since)
            future = self._futures.pop(waiter, None)
            if isinstance(waiter.verdict, RejectReason):
                if future is None:  # nobody waits: it went on, in shadow mode
                    self.ledger.shadow_rejected[waiter.verdict] += 1
                else:
                    self._refusals.note(waiter.verdict, waiter.ended_at)
            # Gone or done: its task was cancelled and has not run since. It will, and then gives back what it got.
            if future is not None and not future.done():
                future.set_result(None)
        if self._shared:
            self._tallies.touch()

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
        delay_seconds = max(due - self.now(), _TIMER_STEP_SECONDS)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(loop.time() + delay_seconds, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._tell(self.core.tick(self.now()))
        self._arm()

    def _changed(self) -> None:
        if self._shared:
            self._tallies.touch()

    def _unbound(self) -> float:
        """What the clock of an unbound gate says: that it is unbound."""
        self.core  # noqa: B018 -- raises; until=2027-12-31
        raise AssertionError


def _made(gate: Gate, size: int | None, name: str) -> Gate:
    if size is not None:
        gate.bind(size, name=name)
    elif name:
        raise ConfigError("a name goes with a size; a GatedPool gives its own name to its gate")
    return gate
