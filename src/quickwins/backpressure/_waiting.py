"""A bound gate on its event loop: asks the core, and tells those in line what it has decided.

Here are the futures and the one timer; decisions are made in `_core/`.
"""

from __future__ import annotations

import asyncio
import math
import sys
import time
from random import Random
from threading import get_ident
from typing import TYPE_CHECKING, Any

from quickwins.backpressure import _forks as forks
from quickwins.backpressure._core.verdict import ADMITTED, IGNORED, Ending
from quickwins.backpressure._counts import READINGS, REJECTED, Counts, Outcome, outcome_of
from quickwins.backpressure._hold import ENDED, HELD, NEW, WAITING
from quickwins.backpressure._holders import Holders
from quickwins.backpressure._refusals import Refusals
from quickwins.backpressure.rule import CLOSED, Nested, RejectReason, Rule
from quickwins.core.deadline import NEVER
from quickwins.core.edge import known
from quickwins.core.errors import ConfigError, DeadlineExceeded
from quickwins.core.events import Reporter
from quickwins.core.given import a_flag
from quickwins.core.metrics import Tallies

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prometheus_client import CollectorRegistry

    from quickwins.backpressure._core.gate import GateCore
    from quickwins.backpressure._core.line import Waiter
    from quickwins.backpressure._hold import Hold
    from quickwins.backpressure.errors import PoolExhausted
    from quickwins.core.clock import Clock, Deadline
    from quickwins.core.flags import Flag

_TIMER_STEP_SECONDS = 0.001
"""A timer that rings a little early must not spin until it is time."""

_current_task: Callable[[Any], Any] = asyncio.current_task
if sys.version_info < (
    3,
    12,
):  # Python code there, around a look-up in this table; and that version changes no more
    _current_task = getattr(asyncio.tasks, "_current_tasks").get  # noqa: B009 -- no stub has it; until=never


class GateShell:
    """The working part of one gate. Belongs to one event loop.

    Attributes:
        name: The resource's.
        core: What decides.
        flag: Whether the core is asked; `None`: always.
        counts: What was counted.
        holders: Who holds what.
        now: The clock, in seconds.
    """

    __slots__ = (
        "__weakref__", "_due", "_futures", "_loop", "_refusals", "_tallies", "_thread", "_timer", "core", "counts", "flag",
        "holders", "name", "now",
    )  # fmt: skip

    def __init__(
        self,
        core: GateCore,
        *,
        name: str = "",
        service: str = "",
        flag: Flag | None = None,
        registry: CollectorRegistry | None = None,
        clock: Clock | None = None,
        rng: Random | None = None,
        trace: Callable[[], str | None] | None = None,
    ) -> None:
        self.name = name
        self.core = core
        self.flag = a_flag(flag)
        self.holders = Holders()
        self.counts = Counts(core, self.holders, trace)
        # The system's own function, not our method that calls it: both ends of each use read the clock.
        self.now: Callable[[], float] = time.monotonic if clock is None else clock.monotonic
        self._refusals = Refusals(
            self.counts,
            Reporter(service=service, name=name, registry=registry),
            name=name,
            now=self.now,
            rng=Random() if rng is None else rng,  # noqa: S311 -- jitter, not secrecy; until=never
        )
        self._tallies = Tallies(self.counts, READINGS, registry=registry, service=service, name=name)
        self._futures: dict[Waiter, asyncio.Future[None]] = {}  # those in line, bounded as the line is
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: int | None = None  # which `_loop` runs in
        self._due = math.inf  # when the timer rings, on our clock
        forks.keep(self)

    def __str__(self) -> str:
        """Its name and state, for the `repr` of a gate or a pool."""
        core, off = self.core, self.flag is not None and not self.flag.state.on
        state = "closed" if core.closed else "off" if off else "in shadow" if core.rule.shadow else "on"
        in_use = f"{self.counts.in_use} of {core.max_size} permits in use"
        return f"{self.name!r}: {core.rule.kind}, {state}, {in_use}, {core.waiting} waiting"

    def close(self) -> None:
        """Refuse everybody from now on, those in line included. Idempotent."""
        ended = self.core.close(self.now())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._tell(ended)
        self._refusals.report_rest()
        self._tallies.flush()

    def reopen(self) -> None:
        """Admit again, after `close`."""
        self.core.closed = False
        self.reconfigure(self.core.rule)

    def reconfigure(self, rule: Rule) -> None:
        """Follow another rule. Permits in use stay in use; callers in line go on waiting, unless the flag is off for everybody."""
        off = self.flag is not None and self.flag.state.limit == 0
        ended = self.core.reconfigure(rule, self.now(), off=off)
        self._arm()
        self._tell(ended)

    def gates(self) -> bool:
        """Whether a pool's callers are asked for a permit now."""
        flag = self.flag
        return self.core.limit is not None and (flag is None or flag.active())

    def take(self, hold: Hold[Any], now: float) -> bool:
        """Take a permit for `hold` if one is free `now`.

        Raises:
            NestedAcquire: This task holds one, and there is no other.
        """
        core, held_by = self.core, self.holders.held_by
        # Of a loop that is known: before 3.12, finding the one that runs is a system call. In its own thread no other runs.
        task = _current_task(self._loop) if self._thread == get_ident() else None
        if task is None:
            task = self._find_task()
        tenant = hold.tenant = core.tenant(hold.tenant_key, now) if core.tells_tenants else None
        hold.task = task
        hold.outer = outer = held_by.get(task)
        if outer is not None:
            self._nested(hold, task)
        if not core.take(hold.priority, tenant):
            return False
        hold.counted = True
        hold.since = now
        hold.state = HELD
        held_by[task] = hold
        return True

    def line_up(self, hold: Hold[Any], now: float, deadline: Deadline) -> Waiter | None:
        """Take a place in line for `hold`, until `deadline`, right after `take` found no permit.

        Returns:
            The place, to be handed to `wait` before anything else is awaited; `None`: in shadow mode it has a permit all the same.

        Raises:
            PoolExhausted: The gate said no.
        """
        core = self.core
        answer = core.line_up(now, deadline.at, hold.priority, hold.tenant)
        if isinstance(answer, RejectReason) and (answer is CLOSED or not core.rule.shadow):
            self.counts.acquired[REJECTED].counts[0] += 1  # as of a permit that was given at once
            self._refusals.note(answer, now)
            raise self._refusals.error(answer, deadline)
        hold.counted = False
        hold.waiter = None
        if core.rule.shadow:
            self._let_pass(hold, answer, now)
            return None
        assert not isinstance(answer, RejectReason)
        hold.state = WAITING
        self._futures[answer] = asyncio.get_running_loop().create_future()
        self._arm()
        if answer.displaced is not None:
            self._tell((answer.displaced,))
        return answer

    async def wait(self, hold: Hold[Any], waiter: Waiter, deadline: Deadline) -> None:
        """Wait for the permit in the place that `line_up` has given."""
        counts = self.counts
        future = self._futures.get(waiter)
        try:
            if future is not None:  # `None`: told already, by what ran before we did
                await future
        except BaseException as error:
            hold.state = NEW
            # Cancelled in line, or after the permit was sent and before we ran: then it goes to the next.
            if self._futures.pop(waiter, None) is None and waiter.verdict is None:
                raise  # its loop has ended, and another one has the gate now
            now = self.now()
            if waiter.verdict is None:
                counts.delays.observe(now - waiter.since)
            counts.acquired[outcome_of(error)].observe(now - waiter.since)
            self._tell(self.core.cancel(waiter, now))
            raise
        if waiter.verdict is ADMITTED:
            hold.tenant = waiter.tenant  # told apart no more, perhaps, since it came
            hold.counted = True
            hold.since = waiter.ended_at
            self._hold(hold)
            return
        hold.state = NEW
        waited_seconds = waiter.ended_at - waiter.since
        if isinstance(waiter.verdict, RejectReason):
            counts.acquired[REJECTED].observe(waited_seconds)
            raise self._refusals.error(waiter.verdict, deadline)
        counts.acquired[Outcome.TIMED_OUT].observe(waited_seconds)
        raise self.late("permit", deadline)

    def interrupt(self, waiter: Waiter) -> None:
        """End a `wait` as a cancellation does; does nothing to one that is over."""
        future = self._futures.get(waiter)
        if future is not None:
            future.cancel()

    def late(self, what: str, deadline: Deadline) -> TimeoutError:
        """The error of a caller that had no `what` when its `deadline` passed."""
        said = f"no {what} of pool {self.name!r} within the {deadline} asked for"
        if deadline.of_request:
            return known(DeadlineExceeded(said, reason=RejectReason.DEADLINE))
        return TimeoutError(said)

    def leave(self, hold: Hold[Any], ending: Ending) -> None:
        """Give a permit back, to the next in line if there is one; does nothing with one that is not in use."""
        if hold.state is not HELD:
            return
        now = self.now()
        hold.state = ENDED
        holders = self.holders
        last = holders.held_by.pop(hold.task)
        if last is not hold or hold.outer is not None:  # seldom
            holders.unlink(hold, last)
        held_seconds = now - hold.since
        if hold.counted:
            ended = self.core.release(now, ending, held_seconds, hold.tenant)
        else:
            ended = () if hold.waiter is None else self.core.cancel(hold.waiter, now)
        if ended:
            self._tell(ended)
        if ending is not IGNORED:  # last: a trace's id is asked for, and its function is the service's
            self.counts.held.observe(held_seconds)
            if held_seconds > holders.worth_noting_seconds:
                holders.note(hold, held_seconds)

    def failed(self) -> None:
        """Note that a use has failed whose permit is back already."""
        self.core.failed(self.now())

    def try_enter(self, hold: Hold[Any], limit: int) -> bool:
        """Take a permit if fewer than `limit` are in use, without asking further; `leave` gives it back."""
        if not self.core.reserve(limit):
            return False
        self._begin(hold)
        return True

    def count(self, hold: Hold[Any]) -> None:
        """Count a use that the core was not asked about; `leave` ends it."""
        self.core.count()
        self._begin(hold)

    def closed_error(self) -> PoolExhausted:
        """The refusal of a caller that came after `close`, counted and reported."""
        self._refusals.note(CLOSED, self.now())
        return self._refusals.error(CLOSED, NEVER)

    def _find_task(self) -> asyncio.Task[object] | None:
        """The task that runs, and its loop for the next time.

        Raises:
            ConfigError: The gate is in use on another event loop, which still lives.
        """
        loop, last = asyncio.get_running_loop(), self._loop
        if last is not None and last is not loop:
            if last.is_running() or (self._futures and not last.is_closed()):
                raise ConfigError(
                    f"gate {self.name!r} is in use on another event loop: make one for each loop"
                )
            self._forget_loop()
        self._loop, self._thread = loop, get_ident()
        return asyncio.current_task()

    def _forget_loop(self) -> None:
        """Its loop has ended: nobody who waited there can come back, and its timer never rings."""
        gone, self._futures = self._futures, {}
        self._timer = None
        self._refusals.report_rest()
        now = self.now()
        for waiter in gone:
            self.core.cancel(waiter, now)  # all that it may pass a permit on to have gone, too

    def forget_parent(self) -> None:
        """In a fork's child: who holds a permit or waits for one is in its parent, and so is the loop that they are on."""
        gone, self._futures = self._futures, {}
        self._timer = self._loop = self._thread = None
        self._refusals.forget_parent()
        now = self.now()
        for waiter in gone:
            self.core.cancel(waiter, now)
        for hold in self.holders.holds:
            self.leave(hold, IGNORED)

    def _begin(self, hold: Hold[Any]) -> None:
        hold.counted = True
        hold.tenant = hold.waiter = None
        hold.since = self.now()
        self._hold(hold)

    def _hold(self, hold: Hold[Any]) -> None:
        """`hold` is in use by the task that runs."""
        held_by = self.holders.held_by
        hold.task = task = asyncio.current_task()
        hold.outer = held_by.get(task)
        hold.state = HELD
        held_by[task] = hold

    def _nested(self, hold: Hold[Any], task: asyncio.Task[object] | None) -> None:
        """`task` holds a permit and wants another one: that must not wait, since it may be waiting for itself."""
        core = self.core
        self.counts.nested += 1
        if core.inflight < core.limit_for(hold.priority) or core.limit is None or core.closed:
            return
        if core.rule.nested == Nested.ALLOW:
            return
        if core.rule.shadow:
            self.counts.shadow_rejected[RejectReason.NESTED] += 1
            return
        self._refusals.note(RejectReason.NESTED, self.now())
        raise self._refusals.nested(task)

    def _let_pass(self, hold: Hold[Any], answer: RejectReason | Waiter, now: float) -> None:
        """Let a caller go on that would have been refused or had to wait; its place in line stays, for the others."""
        if isinstance(answer, RejectReason):
            self.counts.shadow_rejected[answer] += 1
        else:
            hold.waiter = answer
            self._arm()
        hold.since = now
        self._hold(hold)
        if not isinstance(answer, RejectReason) and answer.displaced is not None:
            self._tell((answer.displaced,))

    def _tell(self, ended: Sequence[Waiter]) -> None:
        """Tell whose wait is over; first all of them, then the logs, which are other people's code."""
        refused: list[tuple[RejectReason, float]] = []
        for waiter in ended:
            self.counts.delays.observe(waiter.ended_at - waiter.since)
            future = self._futures.pop(waiter, None)
            if isinstance(waiter.verdict, RejectReason):
                if future is None:  # nobody waits: it went on, in shadow mode
                    self.counts.shadow_rejected[waiter.verdict] += 1
                else:
                    refused.append((waiter.verdict, waiter.ended_at))
            # Gone or done: its task was cancelled and has not run since. When it runs, it gives back what it got.
            if future is not None and not future.done() and not future.get_loop().is_closed():
                future.set_result(None)
        for reason, at in refused:
            self._refusals.note(reason, at)

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
        ended = self.core.tick(self.now())
        self._arm()
        self._tell(ended)
