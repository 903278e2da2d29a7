"""The series of reports that failed, whatever they were of."""

from __future__ import annotations

from quickwins.core.metrics import Kind, Metric

REPORT_FAILURES = Metric(
    "quickwins_report_failures_total",
    Kind.COUNTER,
    "Events that a logging handler or filter failed on; what they tell of is counted elsewhere all the same.",
    labels=("event",),
)
METRICS = (REPORT_FAILURES,)
