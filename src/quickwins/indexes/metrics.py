"""The series of migrations; `name` is the runner's."""

from __future__ import annotations

from quickwins.core.metrics import Kind, Metric

PHASE = Metric(
    "quickwins_index_build_phase",
    Kind.GAUGE,
    "1 for the phase that the running build is in, as the server calls it; 0 for the others.",
    labels=("phase",),
    multiprocess_mode="livemax",
)
RATIO = Metric(
    "quickwins_index_build_progress_ratio",
    Kind.GAUGE,
    "How much of the running build is done, 0 to 1.",
    multiprocess_mode="livemax",
)
LOCKERS = Metric(
    "quickwins_index_build_lockers",
    Kind.GAUGE,
    "Sessions and prepared transactions that hold the running build up now.",
    multiprocess_mode="livemax",
)
INVALID = Metric(
    "quickwins_index_invalid",
    Kind.GAUGE,
    "Indexes that an interrupted build or drop has left on the tables that were last looked at: they cost each write.",
    multiprocess_mode="mostrecent",
)
STATE = Metric(
    "quickwins_migration_state",
    Kind.GAUGE,
    "Of each migration: 0 it is not applied, 1 it is, 2 it is being applied or taken back, 3 the last try failed.",
    labels=("migration",),
    multiprocess_mode="mostrecent",
)
METRICS = (PHASE, RATIO, LOCKERS, INVALID, STATE)
