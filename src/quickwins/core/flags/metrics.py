"""The flags' own series."""

from __future__ import annotations

from quickwins.core.metrics import Kind, Metric

FLAG = Metric(
    "quickwins_flag",
    Kind.GAUGE,
    "The share of keys a feature is on for, as this process sees it: 1 on, 0 off.",
    labels=("feature",),
    multiprocess_mode="liveall",
)
FLAG_VERSION = Metric(
    "quickwins_flag_snapshot_version",
    Kind.GAUGE,
    "How many snapshots of flags and settings this process has seen.",
    multiprocess_mode="liveall",
)
FLAG_CHANGES = Metric(
    "quickwins_flag_changes_total", Kind.COUNTER, "Changes of a feature's state seen.", labels=("feature",)
)
MISSING_KEY = Metric(
    "quickwins_flag_missing_key_total",
    Kind.COUNTER,
    "Evaluations below 100 % without a key, which are off.",
    labels=("feature",),
)
SOURCE_UP = Metric(
    "quickwins_flag_source_up",
    Kind.GAUGE,
    "1 while a source could be read and used, 0 while the last good snapshot is kept instead.",
    labels=("source",),
    multiprocess_mode="liveall",
)
SOURCE_FAILURES = Metric(
    "quickwins_flag_source_failures_total",
    Kind.COUNTER,
    "How often a source became unusable, or unusable in another way.",
    labels=("source", "reason"),
)
SUBSCRIBER_FAILURES = Metric(
    "quickwins_flag_subscriber_failures_total",
    Kind.COUNTER,
    "Changes that something in this process could not follow.",
)
AUDIT_FAILURES = Metric(
    "quickwins_audit_failures_total", Kind.COUNTER, "Lines that could not be written to the audit file."
)

METRICS = (
    FLAG,
    FLAG_VERSION,
    FLAG_CHANGES,
    MISSING_KEY,
    SOURCE_UP,
    SOURCE_FAILURES,
    SUBSCRIBER_FAILURES,
    AUDIT_FAILURES,
)
