"""The series of query caches; `name` is the cache's. While its flag is off nothing is counted."""

from __future__ import annotations

from quickwins.core.metrics import Kind, Metric

HITS = Metric(
    "graphql_query_cache_hit_total",
    Kind.COUNTER,
    "Answers that were not executed: from this process (`l1`), from the shared store (`l2`), past their time (`stale`), or "
    "from the execution of another request that was under way (`flight`).",
    labels=("policy", "layer"),
)
MISSES = Metric(
    "graphql_query_cache_miss_total",
    Kind.COUNTER,
    "Answers that were executed, and why: `absent` ones were stored, the others were not.",
    labels=("policy", "reason"),
)
EVICTIONS = Metric(
    "graphql_query_cache_eviction_total",
    Kind.COUNTER,
    "Answers that have left this process: past their time, for others, invalidated, or replaced by a newer one.",
    labels=("reason",),
)
INVALIDATIONS = Metric(
    "graphql_query_cache_invalidation_total",
    Kind.COUNTER,
    "Invalidations by what they named, once for each kind.",
    labels=("kind",),
)
BYTES = Metric(
    "graphql_query_cache_bytes",
    Kind.GAUGE,
    "What the answers in this process take, with all that belongs to them.",
)
ENTRIES = Metric("graphql_query_cache_entries", Kind.GAUGE, "Answers in this process.")
FILL_SECONDS = Metric(
    "graphql_query_cache_fill_seconds",
    Kind.HISTOGRAM,
    "How long the executions of answers took that were not found.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
COALESCED = Metric(
    "graphql_query_cache_coalesced_total",
    Kind.COUNTER,
    "Requests that waited for the execution of another one.",
)
FENCE_REFUSALS = Metric(
    "graphql_query_cache_fence_refused_total",
    Kind.COUNTER,
    "Answers that were not stored, because what they were made of was invalidated meanwhile.",
    labels=("layer",),
)
BREAKER = Metric(
    "graphql_query_cache_breaker",
    Kind.GAUGE,
    "1 for whether the shared store is asked now: it is (`closed`), one request tries (`half_open`), or it is not (`open`).",
    labels=("state",),
    multiprocess_mode="livesum",
)

METRICS = (
    HITS,
    MISSES,
    EVICTIONS,
    INVALIDATIONS,
    BYTES,
    ENTRIES,
    FILL_SECONDS,
    COALESCED,
    FENCE_REFUSALS,
    BREAKER,
)
