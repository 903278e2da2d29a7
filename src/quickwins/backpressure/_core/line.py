"""The callers of one priority that wait for a permit, and whether they have waited too long for too long.

Overload is a line's own: work that may be shed waits while the rest does not, and its refusals must not reorder the
rest. With tenants, the next one served is of the tenant that has the fewest permits (max-min fairness, without
weights), and where no more may wait, the longest tenant's newest gives way (longest-queue drop: B. Suter et al.,
"Design considerations for supporting TCP with per-flow queueing", INFOCOM 1998).
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickwins.backpressure._core.tenants import Tenant
    from quickwins.backpressure._core.verdict import Verdict
    from quickwins.backpressure.rule import Priority, RejectReason, Rule


class Waiter:
    """One caller in line. Ended once: then it has a verdict, and has left the line.

    Attributes:
        since: When it came.
        deadline_at: When its caller has had enough; infinity for never.
        priority: Its line.
        tenant: Whose it is; `None` when tenants are not told apart.
        displaced: The waiter that had to leave the line for it, to be told so.
        verdict: How its wait ended; `None` while it waits.
        ended_at: When it ended; what `since` says while it waits.
    """

    __slots__ = ("deadline_at", "displaced", "ended_at", "priority", "since", "tenant", "verdict")

    def __init__(self, since: float, deadline_at: float, priority: Priority, tenant: Tenant | None) -> None:
        self.since = since
        self.deadline_at = deadline_at
        self.priority = priority
        self.tenant = tenant
        self.displaced: Waiter | None = None
        self.ended_at = since
        self.verdict: Verdict | RejectReason | None = None


class Line:
    """Waiters, oldest first. Both ends, and leaving from the middle, take constant time.

    Attributes:
        overloaded: Whether the newest are served first and the stale refused.
        above_since: When the age of the oldest rose, or will rise, above the target and stayed there.
        passed_over: Permits that went to more important work since this line got one.
    """

    __slots__ = ("_by_tenant", "_waiters", "above_since", "overloaded", "passed_over")

    def __init__(self) -> None:
        self._waiters: OrderedDict[Waiter, None] = OrderedDict()
        self._by_tenant: dict[Tenant | None, OrderedDict[Waiter, None]] = {}
        self.overloaded = False
        self.above_since = math.inf
        self.passed_over = 0

    def __len__(self) -> int:
        return len(self._waiters)

    def __iter__(self) -> Iterator[Waiter]:
        return iter(self._waiters)

    def join(self, waiter: Waiter, target_seconds: float) -> None:
        """Put `waiter` at the end."""
        if not self._waiters:
            self.above_since = waiter.since + target_seconds
            self.passed_over = 0
        self._waiters[waiter] = None
        own = self._by_tenant.get(waiter.tenant)
        if own is None:
            own = self._by_tenant[waiter.tenant] = OrderedDict()
        own[waiter] = None

    def leave(self, waiter: Waiter) -> None:
        """Take `waiter` out; call `look_at_the_oldest` once all that leave now have left."""
        del self._waiters[waiter]
        own = self._by_tenant[waiter.tenant]
        del own[waiter]
        if not own:
            del self._by_tenant[waiter.tenant]

    def next(self) -> Waiter:
        """The waiter to serve."""
        waiters = self._waiters
        if len(self._by_tenant) > 1:
            waiters = self._by_tenant[min(self._by_tenant, key=_inflight)]
        return next(reversed(waiters) if self.overloaded else iter(waiters))

    def cheapest(self) -> Waiter:
        """The waiter that would be served last: the one to lose."""
        return next(iter(self._waiters) if self.overloaded else reversed(self._waiters))

    def longest_tenants(self, tenant: Tenant) -> Waiter | None:
        """The newest waiter of the tenant with the most in line, if that is not `tenant` and has two more."""
        longest = max(self._by_tenant.values(), key=len, default=None)
        if longest is None or len(longest) <= len(self._by_tenant.get(tenant, ())) + 1:
            return None
        return next(reversed(longest))

    def outweighs(self, tenant: Tenant) -> bool:
        """Whether `tenant` has more than its share of this line."""
        own = len(self._by_tenant.get(tenant, ()))
        return len(self._by_tenant) > 1 and own * len(self._by_tenant) > len(self._waiters)

    def look_at_the_oldest(self, now: float, target_seconds: float) -> None:
        """After a waiter left: is the oldest's age still above the target, without a break? Is there an oldest?"""
        if not self._waiters:
            self.overloaded = False
            self.above_since = math.inf
            return
        above_at = next(iter(self._waiters)).since + target_seconds
        if above_at > now:
            self.above_since = above_at

    def stale(self, now: float, target_seconds: float) -> list[Waiter]:
        """Under overload, the waiters that have waited for the target."""
        found: list[Waiter] = []
        if self.overloaded:
            for waiter in self._waiters:
                if now < waiter.since + target_seconds:
                    break
                found.append(waiter)
        return found

    def next_tick(self, target_seconds: float, interval_seconds: float) -> float:
        """When time alone changes something here, deadlines apart; infinity for never."""
        if not self._waiters:
            return math.inf
        if self.overloaded:
            return next(iter(self._waiters)).since + target_seconds
        return self.above_since + interval_seconds

    def follow(self, rule: Rule) -> None:
        """Follow another rule. Where it tells tenants apart no more, all in line are served in the order of coming."""
        if self._waiters:
            self.above_since = next(iter(self._waiters)).since + rule.target_seconds
        if not rule.tenants:
            for waiter in self._waiters:
                waiter.tenant = None
            self._by_tenant = {None: self._waiters.copy()} if self._waiters else {}


def _inflight(tenant: Tenant | None) -> int:
    return 0 if tenant is None else tenant.inflight
