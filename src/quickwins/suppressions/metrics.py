"""The series of the bridge."""

from __future__ import annotations

from quickwins.core.metrics import Kind, Metric

WARNINGS = Metric(
    "python_warnings_total",
    Kind.COUNTER,
    "Python warnings, unraisable exceptions and exceptions that ended a thread, hidden ones included; origin is first_party or "
    "third_party, package the third party's.",
    labels=("category", "origin", "package"),
    max_values=64,
)
FILTERS = Metric(
    "python_warning_filters_installed",
    Kind.GAUGE,
    "Filters of this process that ignore warnings, Python's own included.",
)
METRICS = (WARNINGS, FILTERS)
