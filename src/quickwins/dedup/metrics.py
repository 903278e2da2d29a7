"""The series of deduplication; `name` is the consumer group's."""

from __future__ import annotations

from quickwins.core.metrics import Kind, Metric

PROCESSED = Metric(
    "kafka_events_processed_total",
    Kind.COUNTER,
    "Records that were decided about, and whose decision has taken effect.",
    labels=("group", "topic", "decision"),
)
DEDUPLICATED = Metric(
    "kafka_event_deduplicated_total",
    Kind.COUNTER,
    "Records that had no second effect: `dup_offset` came from Kafka again, `dup_source` from its source.",
    labels=("group", "topic", "reason"),
)
QUARANTINED = Metric(
    "kafka_dedup_quarantined_total",
    Kind.COUNTER,
    "Partitions that stopped, because what of them had its effect cannot be told any more.",
    labels=("group", "topic"),
)
ALTERED = Metric(
    "kafka_dedup_altered_total",
    Kind.COUNTER,
    "Records whose id had its effect with another payload: two events share an id, or one was changed on its way.",
    labels=("group", "topic"),
)
DEAD_LETTERS = Metric(
    "kafka_dead_letters_total",
    Kind.COUNTER,
    "Records put aside: no events, or ones that the handler failed with each time.",
    labels=("group", "topic"),
)
STORE_SECONDS = Metric(
    "kafka_dedup_store_seconds",
    Kind.HISTOGRAM,
    "A batch from its first decision to its commit, the handler included.",
    labels=("group",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
CURSOR_LAG = Metric(
    "kafka_dedup_cursor_lag",
    Kind.GAUGE,
    "Records of all partitions that this consumer has which had no effect yet.",
    labels=("group",),
)
WINDOW_ENTRIES = Metric(
    "kafka_dedup_window_entries", Kind.GAUGE, "Ids that a window in memory knows.", labels=("group",)
)
WINDOW_BYTES = Metric(
    "kafka_dedup_window_bytes", Kind.GAUGE, "The size of the tables of a window in memory.", labels=("group",)
)

METRICS = (
    PROCESSED,
    DEDUPLICATED,
    QUARANTINED,
    ALTERED,
    DEAD_LETTERS,
    STORE_SECONDS,
    CURSOR_LAG,
    WINDOW_ENTRIES,
    WINDOW_BYTES,
)
