"""The series of the bridge."""

from __future__ import annotations

from quickwins.core.metrics import Kind, Metric

WARNINGS = Metric(
    "python_warnings_total",
    Kind.COUNTER,
    "Python warnings, unraisable exceptions and exceptions that ended a thread, including hidden ones; origin is first_party or "
    "third_party, package is that of the third party.",
    labels=("category", "origin", "package"),
    max_values=64,
)
FILTERS = Metric(
    "python_warning_filters_installed",
    Kind.GAUGE,
    "Warning filters of this process that ignore something, including Python's own.",
)
METRICS = (WARNINGS, FILTERS)
