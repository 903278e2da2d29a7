"""The series of gated pools; `name` is the pool's."""

from __future__ import annotations

from quickwins.core.metrics import Kind, Metric

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

EXHAUSTED = Metric(
    "db_pool_exhausted_total", Kind.COUNTER, "Acquisitions refused by the gate.", labels=("reason",)
)
SHADOW_REJECTED = Metric(
    "db_pool_shadow_rejected_total",
    Kind.COUNTER,
    "Acquisitions that a gate in shadow mode would have refused; they went on.",
    labels=("reason",),
)
NESTED = Metric(
    "db_pool_nested_total",
    Kind.COUNTER,
    "Acquisitions by a task that held a permit already, refused or not: each of them is one step from a deadlock.",
)
UTILIZATION = Metric(
    "db_pool_utilization_ratio", Kind.GAUGE, "Permits in use by the pool's size.", multiprocess_mode="liveall"
)
INFLIGHT = Metric(
    "db_pool_permits_inflight",
    Kind.GAUGE,
    "Permits in use, ungated users included.",
    labels=("priority",),
)
LIMIT = Metric(
    "db_pool_limit",
    Kind.GAUGE,
    "Permits from which on the gate admits nobody of normal priority; the pool's size when the threshold is 1.",
)
WAITING = Metric("db_pool_waiting", Kind.GAUGE, "Callers in the gate's line.")
QUEUE_DELAY = Metric(
    "db_pool_queue_delay_seconds",
    Kind.HISTOGRAM,
    "How long callers were in the gate's line, however that ended; those that found a permit at once are not in it.",
    buckets=_SECONDS,
)
ACQUIRE_DURATION = Metric(
    "db_pool_acquire_duration_seconds",
    Kind.HISTOGRAM,
    "From asking until there was a connection, or none: the line, and connecting.",
    labels=("outcome",),
    buckets=_SECONDS,
)
HELD = Metric(
    "db_pool_held_seconds",
    Kind.HISTOGRAM,
    "How long connections were held, their reset included: the number that explains the others.",
    buckets=_SECONDS,
)

METRICS = (
    EXHAUSTED,
    SHADOW_REJECTED,
    NESTED,
    UTILIZATION,
    INFLIGHT,
    LIMIT,
    WAITING,
    QUEUE_DELAY,
    ACQUIRE_DURATION,
    HELD,
)
