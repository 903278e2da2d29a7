"""How often a bounded memory has the answer, as a share of how often an unbounded one with the same times does.

The trace is the demo's mix (`quickwins.demo.mix`), for 20,000 users and 200,000 posts, with the demo's policies and the memory's
default bounds, at a steady rate on a clock of its own. Nothing is executed: an answer is so many bytes. A mutation voids what the
demo's do. Printed beside it: the hit rate of each policy, and the queries that a database is spared, with what the quick wins'
document expects of them (a hit rate of 60 to 70 %, 30 to 40 % fewer queries).

python -m benchmarks.query_cache.zipf [--requests 200000]
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

from benchmarks.program import command_line, conclude
from quickwins.demo.mix import MUTATIONS, Kind, Request, requests
from quickwins.query_cache._core.fences import entity, of_list
from quickwins.query_cache._core.memory import Memory
from quickwins.query_cache._store import Entry
from quickwins.query_cache.l1 import L1
from quickwins.query_cache.policy import DEFAULT_POLICIES
from quickwins.rig import Target

if TYPE_CHECKING:
    from collections.abc import Iterable

USERS = 20_000
POSTS = 200_000
PER_SECOND = 500
POLICIES = {Kind.FEED: "USER_DATA", Kind.PROFILE: "USER_DATA", Kind.POST: "PUBLIC", Kind.SEARCH: "SEARCH"}
BYTES = {Kind.FEED: 3_500, Kind.PROFILE: 80, Kind.POST: 350, Kind.SEARCH: 3_500}
UNBOUNDED = L1(max_bytes=1 << 40, max_entries=10_000_000)


class Cache:
    """Answers in memory, and how often they were there."""

    def __init__(self, bounds: L1) -> None:
        self.now = 0.0
        self.hits: Counter[str] = Counter()
        self.misses: Counter[str] = Counter()
        self._memory = Memory(bounds, "epoch", lambda: self.now)

    def serve(self, one: Request) -> None:
        """Answer it, or execute and keep the answer."""
        policy = POLICIES[one.kind]
        key = f"{one.kind} {one.thing}".encode().ljust(16)
        slot = self._memory.get(key)
        if slot is not None and self.now - slot.entry.stored_at < slot.entry.ttl_seconds:
            self.hits[policy] += 1
            return
        self.misses[policy] += 1
        self._memory.put(
            Entry(
                key=key,
                material=key * 10,
                body=bytes(BYTES[one.kind]),
                content_type="application/json",
                etag='W/"x"',
                policy=policy,
                scope=DEFAULT_POLICIES[policy].scope,
                vary=(),
                marks=tuple(self._marks(one)),
                fence=self._memory.fence,
                stored_at=self.now,
                ttl_seconds=DEFAULT_POLICIES[policy].ttl_seconds,
            )
        )

    def change(self, one: Request) -> None:
        """Void what it changes."""
        lists = [of_list("Query.feed"), of_list("Query.search")]
        marks = [entity("Author", str(one.user))] if one.kind is Kind.RENAME else lists
        self._memory.order.invalidate(marks)

    def _marks(self, one: Request) -> Iterable[str]:
        yield of_list(f"Query.{one.kind}")
        if one.kind is Kind.PROFILE:
            yield entity("Author", str(one.thing))
        elif one.kind is Kind.POST:
            yield entity("Author", str(one.thing % USERS))

    def rate(self, policy: str | None = None) -> float:
        """The share of answers that were there."""
        hits = self.hits[policy] if policy else self.hits.total()
        misses = self.misses[policy] if policy else self.misses.total()
        return hits / (hits + misses)


def measured(count: int) -> list[Target]:
    """Serve the trace from both."""
    bounded, unbounded = Cache(L1()), Cache(UNBOUNDED)
    for number, one in enumerate(requests(count, users=USERS, posts=POSTS, seed=1)):
        for cache in (bounded, unbounded):
            cache.now = number / PER_SECOND
            if one.kind in MUTATIONS:
                cache.change(one)
            else:
                cache.serve(one)
    for policy in sorted(set(POLICIES.values())):
        print(f"{policy:<10} hit rate {bounded.rate(policy):.3f}, unbounded {unbounded.rate(policy):.3f}")
    print(f"{'all':<10} hit rate {bounded.rate():.3f}, unbounded {unbounded.rate():.3f}; expected 0.6 to 0.7")
    print(f"queries saved: {bounded.rate():.0%}; expected 30 to 40 %")
    share = bounded.rate() / unbounded.rate()
    return [Target(f"hit rate by that of an unbounded cache ≥ 0.95: {share:.3f}", met=share >= 0.95)]


def main() -> int:
    """Measure, print, and say whether the targets were met."""
    parser = command_line("benchmarks.query_cache.zipf", __doc__)
    parser.add_argument("--requests", type=int, default=200_000)
    return conclude(measured(parser.parse_args().requests))


if __name__ == "__main__":
    sys.exit(main())
