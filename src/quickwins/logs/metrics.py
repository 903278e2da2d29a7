"""The series of a process's logging; `name` is empty."""

from __future__ import annotations

from quickwins.core.metrics import Kind, Metric

RECORDS = Metric("log_records_total", Kind.COUNTER, "Records made, dropped ones included.", labels=("level",))
DROPPED = Metric(
    "log_dropped_total", Kind.COUNTER, "Records that were not written, and why.", labels=("reason",)
)
REDACTIONS = Metric(
    "log_redactions_total",
    Kind.COUNTER,
    "Values that were not shown, by the rule that found them; what is bound counts once for all its lines.",
    labels=("rule",),
)
SINK_ERRORS = Metric("log_sink_errors_total", Kind.COUNTER, "Writes that failed.")
SECONDS = Metric(
    "log_seconds_total",
    Kind.COUNTER,
    "Time spent in log calls, estimated from one call in 64; the writer's thread is not in it.",
)

METRICS = (RECORDS, DROPPED, REDACTIONS, SINK_ERRORS, SECONDS)
