"""What a cache counts, in plain numbers; Prometheus and `stats()` read them when somebody asks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from quickwins.core.metrics import Reading, Tally
from quickwins.query_cache import metrics
from quickwins.query_cache._store import BreakerState
from quickwins.query_cache.stats import CacheStats, PolicyStats

if TYPE_CHECKING:
    from collections.abc import Callable

    from quickwins.query_cache._core.memory import Memory


class Counts:
    """The numbers of one cache.

    Attributes:
        hits: By policy and layer.
        misses: By policy and reason.
        invalidated: By kind.
        refused: Fills whose fence was over, by layer.
        fills: How long executions took.
        memory: What is kept.
        flights: Tells how many executions may be joined.
        joined: Tells how many requests have joined one.
        breaker: Tells whether the shared store is asked; `None`: there is none.
    """

    __slots__ = (
        "__weakref__", "breaker", "fills", "flights", "hits", "invalidated", "joined", "memory", "misses", "refused",
    )  # fmt: skip

    def __init__(
        self,
        memory: Memory,
        *,
        flights: Callable[[], int],
        joined: Callable[[], int],
        breaker: Callable[[], BreakerState | None],
    ) -> None:
        self.hits: Counter[tuple[str, str]] = Counter()
        self.misses: Counter[tuple[str, str]] = Counter()
        self.invalidated: Counter[str] = Counter()
        self.refused = {"l1": 0, "l2": 0}
        self.fills = Tally(metrics.FILL_SECONDS)
        self.memory = memory
        self.flights = flights
        self.joined = joined
        self.breaker = breaker

    def stats(self) -> CacheStats:
        """All of them."""
        hits, misses = Counter[str](), Counter[str]()
        for (policy, _), count in self.hits.items():
            hits[policy] += count
        for (policy, _), count in self.misses.items():
            misses[policy] += count
        layers, reasons = Counter[str](), Counter[str]()
        for (_, layer), count in self.hits.items():
            layers[layer] += count
        for (_, reason), count in self.misses.items():
            reasons[reason] += count
        return CacheStats(
            policies={name: PolicyStats(hits[name], misses[name]) for name in sorted({*hits, *misses})},
            hits=layers,
            misses=reasons,
            evictions=dict(self.memory.evicted),
            entries=len(self.memory),
            size_bytes=self.memory.size_bytes,
            flights=self.flights(),
            coalesced=self.joined(),
            fence_refusals=sum(self.refused.values()),
        )


def _breaker(counts: Counts) -> dict[tuple[str, ...], int]:
    now = counts.breaker()
    return {} if now is None else {(state,): int(state is now) for state in BreakerState}


READINGS = (
    Reading(metrics.HITS, lambda counts: dict(counts.hits)),
    Reading(metrics.MISSES, lambda counts: dict(counts.misses)),
    Reading(metrics.EVICTIONS, lambda counts: {(reason,): n for reason, n in counts.memory.evicted.items()}),
    Reading(
        metrics.INVALIDATIONS, lambda counts: {(kind,): n for kind, n in dict(counts.invalidated).items()}
    ),
    Reading(metrics.BYTES, lambda counts: {(): counts.memory.size_bytes}),
    Reading(metrics.ENTRIES, lambda counts: {(): len(counts.memory)}),
    Reading(metrics.FILL_SECONDS, lambda counts: {(): counts.fills}),
    Reading(metrics.COALESCED, lambda counts: {(): counts.joined()}),
    Reading(metrics.FENCE_REFUSALS, lambda counts: {(layer,): n for layer, n in counts.refused.items()}),
    Reading(metrics.BREAKER, _breaker),
)
"""How the series are read."""
