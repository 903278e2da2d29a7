"""Decides who may use a resource, who waits and who is refused: integers and one line, no event loop, no clock.

A resource has `limit` permits. A caller that finds one free takes it in the same synchronous step. One that finds none
waits in a line of bounded length, or is refused; the threshold gate is the gate whose line has no room.

                 the oldest waiter's age has been above the target for a whole interval
        NORMAL  ------------------------------------------------------------------------>  OVERLOADED
                <------------------------------------------------------------------------
                                           the line is empty

    NORMAL      first come, first served. Nobody is refused for having waited.
    OVERLOADED  the newest is served first, since its caller is the most likely to be there still. Waiters that have
                waited for the target are refused, also by a timer: a frozen database releases nothing, and must not
                keep them.

A line that a burst fills and that drains within an interval is a good line: nobody in it is refused (CoDel: Nichols
and Jacobson, "Controlling Queue Delay", ACM Queue 2012, RFC 8289). Newest first is adaptive LIFO with controlled delay
(B. Maurer, "Fail at Scale", ACM Queue 2015).

The traps this avoids:

- CoDel looks at the delay of what it *serves*. With the newest first that is almost nothing, so it would leave overload
  at once and enter it again an interval later. The age of the *oldest* shows the state of the line, and only an empty
  line ends overload.
- A released permit is *handed* to the chosen waiter. Were it put back for the woken waiter to take, a newcomer could
  take it in between. Hence: a free permit and a waiter never exist together, and first come is first served.
- A gate that looks, then awaits a connection, admits everybody who looks in between.

Work has a priority, each with a line of its own:

- A permit goes to the most important line that may have one. Limits are nested: what is reserved for critical work is
  free for it alone, what is reserved for normal work is not for work that may be shed.
- Where no more may wait, the cheapest to lose gives way to the more important newcomer.
- No starvation: with a floor of 0.05, waiting work gets one of any 20 permits, however important the rest is; and each
  line below the first has places that the others cannot take.

Users that are not gated (flag off, or not in the percentage) are counted while they hold and never refused, so that
turning the gate on again finds the true number; they, and a limit that shrinks, may leave `inflight` above the limit.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from quickwins.backpressure._core.learner import LimitLearner
from quickwins.backpressure._core.line import Line, Waiter
from quickwins.backpressure._core.tenants import Tenant, Tenants
from quickwins.backpressure._core.verdict import ADMITTED, FAILED, IGNORED, Ending, Verdict
from quickwins.backpressure.rule import CLOSED, QUEUE_FULL, THRESHOLD, GateKind, Priority, RejectReason, Rule
from quickwins.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

HOLD_WEIGHT = 1 / 8
"""What a new hold time counts in the mean: the gain of TCP's smoothed round-trip time (RFC 6298, 2)."""

_NORMAL = Priority.NORMAL


class GateCore:
    """The state machine at the head of this file. All times are seconds of one monotonic clock.

    What changes state returns the waiters whose wait it ended, in order, for the caller to tell them.

    Attributes:
        rule: What it does.
        max_size: The size of the resource.
        limit: Permits from which on nobody of normal priority is admitted; `None`: any number.
        inflight: Permits in use.
        waiting: How many are in line.
        admitted: Permits given since the start.
        closed: Whether everybody is refused.
        timed_out: Waiters whose deadline passed.
        tells_tenants: Whether `tenant` has anything to say.
        mean_hold_seconds: How long permits are held, smoothed; `None` before the first release.
    """

    __slots__ = (
        "_learner", "_limits", "_lines", "_next_deadline", "_patience", "_protected", "_room", "_tenants", "admitted", "closed",
        "inflight", "limit", "max_size", "mean_hold_seconds", "rule", "tells_tenants", "timed_out", "waiting",
    )  # fmt: skip

    def __init__(self, rule: Rule, max_size: int) -> None:
        if type(max_size) is not int or max_size < 1:
            raise ConfigError(f"size={max_size!r} is not allowed: a whole number of permits, at least 1")
        self.max_size = max_size
        self.limit: int | None = None
        self.inflight = 0
        self.waiting = 0
        self.admitted = 0
        self.timed_out = 0
        self.mean_hold_seconds: float | None = None
        self.closed = False
        self._tenants: Tenants | None = None
        self._learner: LimitLearner | None = None
        self._lines = tuple(Line() for _ in Priority)
        # No deadline in line is earlier. A waiter that leaves doesn't move it: the tick that it causes finds the next one.
        self._next_deadline = math.inf
        self._follow(rule)

    @property
    def overloaded(self) -> bool:
        """Whether in some line the newest are served first and the stale refused."""
        return any(line.overloaded for line in self._lines)

    def tenant(self, key: str | None, now: float) -> Tenant | None:
        """What `take` and `release` take for the tenant `key`; `None` when tenants are not told apart."""
        return None if self._tenants is None else self._tenants.find(key, now)

    def take(self, priority: Priority = _NORMAL, tenant: Tenant | None = None) -> bool:
        """Take a permit if one is free; it is given back by one `release`."""
        # Nobody waits while a permit is free for them: no need to look at the lines here.
        if self.inflight >= self._limits[priority] or (tenant is not None and self._over_share(tenant)):
            return False
        self.inflight += 1
        self.admitted += 1
        if tenant is not None:
            tenant.inflight += 1
        if self.waiting:
            self._pass_over(priority)
        return True

    def line_up(
        self, now: float, deadline_at: float, priority: Priority, tenant: Tenant | None
    ) -> RejectReason | Waiter:
        """Be refused, or join the line, after `take` has found no permit."""
        answer = self._refusal_or_place(now, deadline_at, priority, tenant)
        if isinstance(answer, RejectReason):
            return answer
        waiter = Waiter(now, deadline_at, priority, tenant)
        if answer is not None:
            displaced, reason = answer
            self._end(displaced, reason, now)
            self._lines[displaced.priority].look_at_the_oldest(now, self.rule.target_seconds)
            waiter.displaced = displaced
        self._lines[priority].join(waiter, self.rule.target_seconds)
        self.waiting += 1
        self._next_deadline = min(self._next_deadline, deadline_at)
        return waiter

    def reserve(self, limit: int) -> bool:
        """Take a permit if fewer than `limit` are in use; ask for nothing else."""
        if self.inflight >= limit:
            return False
        self.inflight += 1
        self.admitted += 1
        return True

    def limit_for(self, priority: Priority) -> int:
        """Permits from which on `priority` is not admitted; at most the size, even where nobody is refused."""
        return min(self._limits[priority], self.max_size)

    def count(self) -> None:
        """Count a user that was not asked; given back by one `release` like any other."""
        self.inflight += 1

    def release(
        self,
        now: float,
        ending: Ending = IGNORED,
        held_seconds: float = 0.0,
        tenant: Tenant | None = None,
    ) -> Sequence[Waiter]:
        """Give a permit back, to the next waiter if there is one.

        Args:
            now: The time.
            ending: How its use ended.
            held_seconds: How long it was held; not looked at when the ending is to be ignored.
            tenant: Whose it was.
        """
        if ending is not IGNORED:
            learner, users = self._learner, self.inflight
            if learner is not None:
                failed = ending is FAILED
                if learner.failed(now, users) if failed else learner.done(now, held_seconds, users):
                    self._limit_to(learner.limit)
            mean = self.mean_hold_seconds
            self.mean_hold_seconds = (
                held_seconds if mean is None else mean + HOLD_WEIGHT * (held_seconds - mean)
            )
        self.inflight -= 1
        if tenant is not None:
            tenant.inflight -= 1
        return self._settle(now) if self.waiting else ()

    def failed(self, now: float) -> None:
        """Learn that a use has failed whose permit is back already."""
        if self._learner is not None and self._learner.failed(now, self.inflight + 1):
            self._limit_to(self._learner.limit)

    def cancel(self, waiter: Waiter, now: float) -> Sequence[Waiter]:
        """`waiter` has gone; a permit that was on its way to it goes to the next."""
        if waiter.verdict is None:
            line = self._lines[waiter.priority]
            line.leave(waiter)
            self.waiting -= 1
            line.look_at_the_oldest(now, self.rule.target_seconds)
            self._next_deadline = self._next_deadline if self.waiting else math.inf
        elif waiter.verdict is ADMITTED:
            return self.release(now, IGNORED, 0.0, waiter.tenant)
        return ()

    def tick(self, now: float) -> Sequence[Waiter]:
        """Do what time alone brings; called at `next_tick`, and harmless at any other time."""
        return self._settle(now) if self.waiting else ()

    def next_tick(self) -> float:
        """When time alone may change something; infinity for never."""
        if not self.waiting:
            return math.inf
        target, interval = self.rule.target_seconds, self.rule.interval_seconds
        return min(self._next_deadline, *(line.next_tick(target, interval) for line in self._lines))

    def reconfigure(self, rule: Rule, now: float, *, off: bool = False) -> Sequence[Waiter]:
        """Follow another rule. Permits in use stay in use, and waiters go on waiting; `off`: all in line are admitted."""
        self._follow(rule)
        for line in self._lines:
            line.follow(rule)
        if off and self.waiting:
            self._limits = rule.limits(None, self.max_size)
        ended = self._settle(now) if self.waiting else ()
        self._limit_to(self.limit)
        return ended

    def close(self, now: float) -> Sequence[Waiter]:
        """Refuse everybody from now on, those in line included."""
        self.closed = True
        self._limits = (0, 0, 0)
        ended = self._end_all([waiter for line in self._lines for waiter in line], CLOSED, now)
        self._look_at_the_oldest(now)
        return ended

    def drain_seconds(self, priority: Priority = _NORMAL) -> float | None:
        """How long a newcomer would wait: its place in line by the rate at which permits come back."""
        if self.mean_hold_seconds is None or self.limit is None:
            return None
        own = self._lines[priority]
        place = 1 if own.overloaded else len(own) + 1
        place += sum(len(line) for line in self._lines[:priority])
        return place * self.mean_hold_seconds / self.limit

    @property
    def why(self) -> str:
        """Why the limit is what it is."""
        if self._learner is not None:
            return self._learner.why or "nothing learned yet: the pool's size"
        if self.limit is None:
            return "a threshold of 1 refuses nobody"
        return "the pool's size" if self.rule.has_line else f"{self.rule.threshold} of the pool's size"

    def _follow(self, rule: Rule) -> None:
        self.rule = rule
        self.limit = rule.limit(self.max_size)
        if rule.kind is not GateKind.ADAPTIVE:
            self._learner = None
        else:
            min_limit = min(rule.min_limit, self.max_size)
            if self._learner is None:
                self._learner = LimitLearner(min_limit=min_limit, max_limit=self.max_size)
            else:
                self._learner.resize(min_limit, self.max_size)
            self.limit = self._learner.limit
        self._limits = (0, 0, 0) if self.closed else rule.limits(self.limit, self.max_size)
        self._room = rule.room(self.max_size)
        self._patience = math.ceil(1 / rule.floor) - 1 if rule.floor else math.inf
        self._protected = math.ceil(rule.floor * self._room)
        self._tenants = (self._tenants or Tenants(rule.tenants)) if rule.tenants else None
        if self._tenants is not None:
            self._tenants.capacity = rule.tenants
        self.tells_tenants = self._tenants is not None

    def _limit_to(self, limit: int | None) -> None:
        """Follow what was learned."""
        self.limit = limit
        if not self.closed:
            self._limits = self.rule.limits(limit, self.max_size)

    def _over_share(self, tenant: Tenant) -> bool:
        """Whether, where nobody may wait, a tenant that has its share must leave what is free to the others.

        A permit is kept for each other active tenant, up to half of them: trunk reservation, as telephony has it.
        """
        if self._tenants is None or self._room:
            return False
        active, limit = len(self._tenants), self._limits[_NORMAL]
        return tenant.inflight * active >= limit and limit - self.inflight <= min(active - 1, limit // 2)

    def _refusal_or_place(
        self, now: float, deadline_at: float, priority: Priority, tenant: Tenant | None
    ) -> RejectReason | tuple[Waiter, RejectReason] | None:
        """Why a newcomer may not wait for a permit, or which waiter has to leave the line for it, and why."""
        if self.closed:
            return CLOSED
        if not self._room:
            if self.inflight < self._limits[priority]:
                return RejectReason.TENANT
            more_important = self.limit if self.limit is not None and priority else self._limits[0]
            return RejectReason.PRIORITY if self.inflight < more_important else THRESHOLD
        if deadline_at <= now:
            return RejectReason.DEADLINE
        answer = self._place(priority, tenant) if self.waiting >= self._room else None
        if not isinstance(answer, RejectReason) and deadline_at < math.inf:
            drain_seconds = self.drain_seconds(priority)
            if drain_seconds is not None and now + drain_seconds > deadline_at:
                return RejectReason.DEADLINE
        return answer

    def _place(
        self, priority: Priority, tenant: Tenant | None
    ) -> RejectReason | tuple[Waiter, RejectReason] | None:
        """A place in a line that is full: a protected one, or that of a waiter that is cheaper to lose."""
        own = self._lines[priority]
        if priority and len(own) < self._protected:
            return None
        for line in self._lines[:priority:-1]:
            if len(line) > self._protected:
                return line.cheapest(), RejectReason.PRIORITY
        if tenant is not None:
            waiter = own.longest_tenants(tenant)
            if waiter is not None:
                return waiter, RejectReason.TENANT
            if own.outweighs(tenant):
                return RejectReason.TENANT
        return RejectReason.LIMIT if self.limit is not None and self.limit < self.max_size else QUEUE_FULL

    def _settle(self, now: float) -> list[Waiter]:
        """Bring lines that are not all empty in order.

        Permits are handed out before the stale are refused: nobody is refused for time while a permit is free.
        """
        ended: list[Waiter] = []
        target, interval = self.rule.target_seconds, self.rule.interval_seconds
        if now >= self._next_deadline:
            ended += [w for line in self._lines for w in line if w.deadline_at <= now]
            self._end_all(ended, Verdict.TIMED_OUT, now)
            self._next_deadline = min((w.deadline_at for line in self._lines for w in line), default=math.inf)
            self._look_at_the_oldest(now)
        for line in self._lines:
            if now >= line.above_since + interval:
                line.overloaded = True
        while self.waiting:
            turn = self._turn()
            if turn is None:
                break
            waiter = turn.next()
            self._pass_over(waiter.priority)
            self._end(waiter, ADMITTED, now)
            self.inflight += 1
            self.admitted += 1
            if waiter.tenant is not None:
                waiter.tenant.inflight += 1
            ended.append(waiter)
        for line in self._lines:
            ended += self._end_all(line.stale(now, target), RejectReason.QUEUE_DELAY, now)
        self._look_at_the_oldest(now)
        return ended

    def _turn(self) -> Line | None:
        """Which line gets the next permit, if any may: one that was passed over too often, else the most important."""
        if self.inflight >= self._limits[0]:
            return None
        for line in self._lines[:0:-1]:
            if line.passed_over >= self._patience and len(line):
                return line
        for line, limit in zip(self._lines, self._limits, strict=True):
            if self.inflight < limit and len(line):
                return line
        return None

    def _pass_over(self, priority: Priority) -> None:
        """A permit goes to `priority` while others wait."""
        self._lines[priority].passed_over = 0
        for line in self._lines[priority + 1 :]:
            line.passed_over += 1

    def _look_at_the_oldest(self, now: float) -> None:
        for line in self._lines:
            line.look_at_the_oldest(now, self.rule.target_seconds)
        if not self.waiting:
            self._next_deadline = math.inf

    def _end_all(self, waiters: list[Waiter], verdict: Verdict | RejectReason, now: float) -> list[Waiter]:
        for waiter in waiters:
            self._end(waiter, verdict, now)
        return waiters

    def _end(self, waiter: Waiter, verdict: Verdict | RejectReason, now: float) -> None:
        self._lines[waiter.priority].leave(waiter)
        self.waiting -= 1
        waiter.verdict = verdict
        waiter.ended_at = now
        if verdict is Verdict.TIMED_OUT:
            self.timed_out += 1
