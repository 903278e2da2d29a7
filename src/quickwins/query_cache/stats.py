"""What a cache says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickwins.core.lazy import shows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quickwins.query_cache.policy import Scope

__all__ = ["CacheStats", "Explanation", "PolicyStats"]
__dir__ = shows(__name__)


@dataclass(frozen=True, slots=True)
class PolicyStats:
    """The numbers of one policy.

    Attributes:
        hits: Answers that were not executed.
        misses: Those that were.
    """

    hits: int
    misses: int

    @property
    def hit_rate(self) -> float:
        """The part that was not executed, 0 to 1; 0 when nobody has asked."""
        return self.hits / (self.hits + self.misses) if self.hits else 0.0


@dataclass(frozen=True, slots=True)
class CacheStats:
    """The numbers of one cache since it was made.

    Attributes:
        policies: By the names of policies.
        hits: By layer: `l1`, `l2`, `stale`, `flight`.
        misses: By reason.
        evictions: By reason.
        entries: Answers in this process now.
        size_bytes: What they take.
        flights: Executions that others may join now.
        coalesced: Requests that have waited for another one's execution.
        fence_refusals: Answers that were invalidated before they could be stored.
    """

    policies: Mapping[str, PolicyStats]
    hits: Mapping[str, int]
    misses: Mapping[str, int]
    evictions: Mapping[str, int]
    entries: int
    size_bytes: int
    flights: int
    coalesced: int
    fence_refusals: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """What would be done with a request, and why.

    Attributes:
        stored: Whether its answer would be stored, as far as its document tells.
        policy: The name of the policy with the least time.
        ttl_seconds: How long.
        scope: Whose it would be.
        vary: The headers and cookies it varies on, those that resolvers were seen to read among them.
        marks: What it depends on whatever comes out.
        reasons: The coordinates that have decided, each with what it did.
    """

    stored: bool
    policy: str
    ttl_seconds: float
    scope: Scope
    vary: tuple[str, ...]
    marks: tuple[str, ...]
    reasons: tuple[str, ...]
