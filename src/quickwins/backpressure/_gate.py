"""Decides who may use a resource, who waits and who is refused: integers and one line, no event loop, no clock.

A resource has `limit` permits. Who finds one free takes it in the same synchronous step. Who finds none waits in a
line of bounded length, or is refused; the threshold gate is the gate whose line has no room.

                 the oldest waiter's age has been above the target for a whole interval
        NORMAL  ------------------------------------------------------------------------>  OVERLOADED
                <------------------------------------------------------------------------
                                           the line is empty

    NORMAL      first come, first served. Nobody is refused for having waited.
    OVERLOADED  the newest is served first, since its caller is the likeliest to be there still; whoever has waited
                for the target is refused, by a timer too: a frozen database releases nothing and must not keep them.

A line that a burst fills and that drains within an interval is a good line: nobody in it is refused (CoDel: Nichols
and Jacobson, "Controlling Queue Delay", ACM Queue 2012, RFC 8289). Newest first is adaptive LIFO with controlled delay
(B. Maurer, "Fail at Scale", ACM Queue 2015).

The traps this avoids:

- CoDel looks at the delay of what it *serves*. Under newest-first those have waited almost nothing, so it would leave
  overload at once and enter it again an interval later. The age of the *oldest* shows the line, and only an empty
  line ends overload.
- A released permit is *handed* to the chosen waiter. Were it put back for the woken waiter to take, a newcomer could
  take it in between. Hence: a free permit and a waiter never exist together, and first come is first served.
- A gate that looks, then awaits a connection, admits everybody who looks in between.

Users that are not gated (flag off, or not in the percentage) are counted while they hold and never refused, so that
turning the gate on again finds the true number; they, and a limit that shrinks, may leave `inflight` above the limit.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Literal

from quickwins.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

HOLD_WEIGHT = 1 / 8
"""What a new hold time counts in the mean: the gain of TCP's smoothed round-trip time (RFC 6298, 2)."""


class GateKind(StrEnum):
    """How a gate treats those who find no permit."""

    THRESHOLD = "threshold"
    QUEUE = "queue"


class RejectReason(StrEnum):
    """Why a gate said no."""

    THRESHOLD = "threshold"
    QUEUE_FULL = "queue_full"
    QUEUE_DELAY = "queue_delay"
    DEADLINE = "deadline"
    CLOSED = "closed"


class Verdict(Enum):
    """How asking, or waiting, ends when it is not refused."""

    ADMITTED = auto()
    TIMED_OUT = auto()
    """The waiter's own deadline passed."""


ADMITTED: Final = Verdict.ADMITTED


@dataclass(frozen=True, slots=True)
class Rule:
    """What a gate is told to do; checked when made.

    Attributes:
        kind: Whether there is a line.
        threshold: The share of permits that may be in use (threshold gates).
        target_seconds: The wait that is fine, and the longest one under overload.
        interval_seconds: How long the oldest wait must stay above the target before that is overload.
        queue_size: How many may wait (queue gates); 0: twice the number of permits.
    """

    kind: GateKind
    threshold: float = 1.0
    target_seconds: float = 0.05
    interval_seconds: float = 0.5
    queue_size: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ConfigError(f"threshold must be above 0 and at most 1, not {self.threshold!r}")
        for name, value in (
            ("target_seconds", self.target_seconds),
            ("interval_seconds", self.interval_seconds),
        ):
            if not 0 < value < math.inf:
                raise ConfigError(f"{name} must be finite and above 0, not {value!r}")
        if self.queue_size < 0:
            raise ConfigError(f"queue_size must not be below 0, not {self.queue_size!r}")

    def limit(self, max_size: int) -> int | None:
        """The permits of a resource of `max_size`; `None`: any number."""
        if self.kind is GateKind.QUEUE:
            return max_size
        return None if self.threshold >= 1 else limit_of(self.threshold, max_size)

    def room(self, max_size: int) -> int:
        """How many may wait for a resource of `max_size`."""
        if self.kind is GateKind.THRESHOLD:
            return 0
        return self.queue_size or 2 * max_size


class Waiter:
    """One caller in line. Ended once: then it has a verdict, and has left the line.

    Attributes:
        since: When it came.
        deadline_at: When its caller has had enough; infinity for never.
        verdict: How its wait ended; `None` while it waits.
        ended_at: When it ended; what `since` says while it waits.
    """

    __slots__ = ("deadline_at", "ended_at", "since", "verdict")

    def __init__(self, since: float, deadline_at: float) -> None:
        self.since = since
        self.deadline_at = deadline_at
        self.ended_at = since
        self.verdict: Verdict | RejectReason | None = None


class GateCore:
    """The state machine at the head of this file. All times are seconds of one monotonic clock.

    What changes state returns the waiters whose wait it ended, in order, for the caller to tell them.

    Attributes:
        rule: What it does.
        max_size: The size of the resource.
        limit: Permits from which on nobody is admitted; `None`: any number.
        inflight: Permits in use.
        admitted: Permits given since the start.
        timed_out: Waiters whose deadline passed.
        rejected: Refusals by reason.
        overloaded: The state.
        mean_hold_seconds: How long permits are held, smoothed; `None` before the first release.
    """

    __slots__ = (
        "_above_since", "_closed", "_line", "_next_deadline", "_room", "admitted", "inflight", "limit", "max_size",
        "mean_hold_seconds", "overloaded", "rejected", "rule", "timed_out",
    )  # fmt: skip

    def __init__(self, rule: Rule, max_size: int) -> None:
        if max_size < 1:
            raise ConfigError(f"a pool of {max_size} connections cannot be gated")
        self.rule = rule
        self.max_size = max_size
        self.limit = rule.limit(max_size)
        self.inflight = 0
        self.admitted = 0
        self.timed_out = 0
        self.rejected: dict[RejectReason, int] = dict.fromkeys(RejectReason, 0)
        self.overloaded = False
        self.mean_hold_seconds: float | None = None
        self._room = rule.room(max_size)
        self._closed = False
        # Oldest first; ordered, so that both ends and a cancelled waiter in the middle leave in constant time.
        self._line: OrderedDict[Waiter, None] = OrderedDict()
        # When the age of the oldest waiter rose, or will rise, above the target and stayed there.
        self._above_since = math.inf
        # No deadline in line is earlier. Whoever leaves does not move it: the tick it causes finds the next one.
        self._next_deadline = math.inf

    @property
    def waiting(self) -> int:
        """How many are in line."""
        return len(self._line)

    def ask(
        self, now: float, deadline_at: float = math.inf
    ) -> Literal[Verdict.ADMITTED] | RejectReason | Waiter:
        """Take a permit, be refused, or join the line. A permit is given back by one `release`."""
        # Nobody waits while a permit is free: no need to look at the line here.
        if (self.limit is None or self.inflight < self.limit) and not self._closed:
            self.inflight += 1
            self.admitted += 1
            return ADMITTED
        reason = self._refusal(now, deadline_at)
        if reason is not None:
            self.rejected[reason] += 1
            return reason
        waiter = Waiter(now, deadline_at)
        if not self._line:
            self._above_since = now + self.rule.target_seconds
        self._line[waiter] = None
        self._next_deadline = min(self._next_deadline, deadline_at)
        return waiter

    def reserve(self, limit: int) -> bool:
        """Take a permit if fewer than `limit` are in use; ask for nothing else."""
        if self.inflight >= limit:
            return False
        self.inflight += 1
        self.admitted += 1
        return True

    @property
    def closed(self) -> bool:
        """Whether everybody is refused."""
        return self._closed

    def count(self) -> None:
        """Count a user that was not asked; given back by one `release` like any other."""
        self.inflight += 1

    def release(self, now: float, held_seconds: float | None = None) -> Sequence[Waiter]:
        """Give a permit back, to the next waiter if there is one.

        Args:
            now: The time.
            held_seconds: How long it was held; `None` when that says nothing about the next one.
        """
        self.inflight -= 1
        if held_seconds is not None:
            mean = self.mean_hold_seconds
            self.mean_hold_seconds = (
                held_seconds if mean is None else mean + HOLD_WEIGHT * (held_seconds - mean)
            )
        return self._settle(now) if self._line else ()

    def cancel(self, waiter: Waiter, now: float) -> Sequence[Waiter]:
        """`waiter` has gone; a permit that was on its way to it goes to the next."""
        if waiter.verdict is None:
            del self._line[waiter]
            self._look_at_the_oldest(now)
        elif waiter.verdict is ADMITTED:
            return self.release(now)
        return ()

    def tick(self, now: float) -> Sequence[Waiter]:
        """Do what time alone brings; called at `next_tick`, and harmless at any other time."""
        return self._settle(now) if self._line else ()

    def next_tick(self) -> float:
        """When time alone may change something; infinity for never."""
        if not self._line:
            return math.inf
        if self.overloaded:
            due = next(iter(self._line)).since + self.rule.target_seconds
        else:
            due = self._above_since + self.rule.interval_seconds
        return min(due, self._next_deadline)

    def reconfigure(self, rule: Rule, now: float) -> Sequence[Waiter]:
        """Follow another rule. Permits in use stay in use, and who waits goes on waiting, even where nobody new may."""
        self.rule = rule
        self.limit = rule.limit(self.max_size)
        self._room = rule.room(self.max_size)
        if not self._line:
            return ()
        self._above_since = next(iter(self._line)).since + rule.target_seconds
        return self._settle(now)

    def close(self, now: float) -> Sequence[Waiter]:
        """Refuse everybody from now on, those in line included."""
        self._closed = True
        ended = list(self._line)
        for waiter in ended:
            self._end(waiter, RejectReason.CLOSED, now)
        self._look_at_the_oldest(now)
        return ended

    def drain_seconds(self) -> float | None:
        """How long a newcomer would wait: its place in line by the rate at which permits come back."""
        if self.mean_hold_seconds is None or self.limit is None:
            return None
        place = 1 if self.overloaded else len(self._line) + 1
        return place * self.mean_hold_seconds / self.limit

    def _refusal(self, now: float, deadline_at: float) -> RejectReason | None:
        """Why a newcomer who finds no permit may not wait for one."""
        if self._closed:
            return RejectReason.CLOSED
        if self.rule.kind is GateKind.THRESHOLD:
            return RejectReason.THRESHOLD
        if deadline_at <= now:
            return RejectReason.DEADLINE
        if len(self._line) >= self._room:
            return RejectReason.QUEUE_FULL
        if deadline_at < math.inf:
            drain_seconds = self.drain_seconds()
            if drain_seconds is not None and now + drain_seconds > deadline_at:
                return RejectReason.DEADLINE
        return None

    def _settle(self, now: float) -> list[Waiter]:
        """Bring a line that is not empty in order.

        Permits are handed out before the stale are refused: nobody is refused for time while a permit is free.
        """
        ended: list[Waiter] = []
        if now >= self._next_deadline:
            ended += self._end_all([w for w in self._line if w.deadline_at <= now], Verdict.TIMED_OUT, now)
            self._next_deadline = min((w.deadline_at for w in self._line), default=math.inf)
            self._look_at_the_oldest(now)
        if now >= self._above_since + self.rule.interval_seconds:
            self.overloaded = True
        while self._line and (self.limit is None or self.inflight < self.limit):
            waiter = next(reversed(self._line) if self.overloaded else iter(self._line))
            self._end(waiter, ADMITTED, now)
            self.inflight += 1
            self.admitted += 1
            ended.append(waiter)
        if self.overloaded:
            stale: list[Waiter] = []
            for waiter in self._line:
                if now < waiter.since + self.rule.target_seconds:
                    break
                stale.append(waiter)
            ended += self._end_all(stale, RejectReason.QUEUE_DELAY, now)
        self._look_at_the_oldest(now)
        return ended

    def _look_at_the_oldest(self, now: float) -> None:
        """After somebody left: is the oldest's age, without a break, still above the target? Is there an oldest?"""
        if not self._line:
            self.overloaded = False
            self._above_since = self._next_deadline = math.inf
            return
        above_at = next(iter(self._line)).since + self.rule.target_seconds
        if above_at > now:
            self._above_since = above_at

    def _end_all(self, waiters: list[Waiter], verdict: Verdict | RejectReason, now: float) -> list[Waiter]:
        for waiter in waiters:
            self._end(waiter, verdict, now)
        return waiters

    def _end(self, waiter: Waiter, verdict: Verdict | RejectReason, now: float) -> None:
        del self._line[waiter]
        waiter.verdict = verdict
        waiter.ended_at = now
        if verdict is Verdict.TIMED_OUT:
            self.timed_out += 1
        elif isinstance(verdict, RejectReason):
            self.rejected[verdict] += 1


def limit_of(threshold: float, max_size: int) -> int:
    """The smallest whole number of connections that is at least `threshold` of `max_size`."""
    # As people wrote it: 0.07 * 100 is 7.000000000000001 in binary, and 0.07 of 100 is 7.
    return math.ceil(Fraction(str(threshold)) * max_size)
