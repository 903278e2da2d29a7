"""Who has how many permits, over a bounded number of tenants."""

from __future__ import annotations

from collections import OrderedDict

ACTIVE_SECONDS = 1.0
"""No share is kept free for a tenant that has not asked for this long, and holds nothing."""


class Tenant:
    """One tenant's use.

    Attributes:
        inflight: Permits it has.
        seen_at: When it asked last.
    """

    __slots__ = ("inflight", "key", "seen_at")

    def __init__(self, key: str | None) -> None:
        self.key = key
        self.inflight = 0
        self.seen_at = 0.0


class Tenants:
    """The tenants of the last second, the longest unseen first; those beyond the bound count as one."""

    __slots__ = ("_known", "_others", "capacity")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._known: OrderedDict[str, Tenant] = OrderedDict()
        self._others = Tenant(None)

    def __len__(self) -> int:
        """How many are active, at least one."""
        return max(1, len(self._known) + (self._others.inflight > 0))

    def find(self, key: str | None, now: float) -> Tenant:
        """The tenant `key`, which asks now; callers without a key count with those beyond the bound."""
        self._forget(now)
        if key is None:
            return self._others
        tenant = self._known.get(key)
        if tenant is None:
            if len(self._known) >= self.capacity:
                return self._others
            tenant = self._known[key] = Tenant(key)
        else:
            self._known.move_to_end(key)
        tenant.seen_at = now
        return tenant

    def _forget(self, now: float) -> None:
        """Forget the idle: at most two with each call, which itself adds one at most."""
        for _ in range(2):
            if not self._known:
                return
            key, tenant = next(iter(self._known.items()))
            if now - tenant.seen_at < ACTIVE_SECONDS:
                return
            if tenant.inflight:
                tenant.seen_at = now
                self._known.move_to_end(key)
            else:
                del self._known[key]
