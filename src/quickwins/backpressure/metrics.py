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
    "Permits from which on the gate refuses; the pool's size when the threshold is 1.",
)

METRICS = (EXHAUSTED, UTILIZATION, INFLIGHT, LIMIT)
