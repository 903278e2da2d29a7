"""The series of gated pools; `name` is the pool's."""

from __future__ import annotations

from quickwins.core.metrics import Kind, Metric

EXHAUSTED = Metric(
    "db_pool_exhausted_total", Kind.COUNTER, "Acquisitions refused by the gate.", labels=("reason",)
)
UTILIZATION = Metric(
    "db_pool_utilization_ratio", Kind.GAUGE, "Permits in use by the pool's size.", multiprocess_mode="liveall"
)
INFLIGHT = Metric("db_pool_permits_inflight", Kind.GAUGE, "Permits in use, ungated users included.")
LIMIT = Metric(
    "db_pool_limit",
    Kind.GAUGE,
    "Permits from which on the gate admits nobody; the pool's size when the threshold is 1.",
)

WAITING = Metric("db_pool_waiting", Kind.GAUGE, "Callers in the gate's line.")
QUEUE_DELAY = Metric(
    "db_pool_queue_delay_seconds",
    Kind.HISTOGRAM,
    "How long callers were in the gate's line, however that ended; who found a permit at once is not in it.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)

METRICS = (EXHAUSTED, UTILIZATION, INFLIGHT, LIMIT, WAITING, QUEUE_DELAY)
