"""Indexes built online, verified, and taken back: migrations that a DBA can run at two in the morning.

    runner = Runner(dsn, window="02:00-04:00 UTC", max_wait_seconds=600)
    plan = await runner.plan(Migration.load("migrations/090_quick_win_4_missing_indexes.sql"))
    async for progress in runner.apply(plan):
        print(progress)

Nobody who reads or writes waits for a build; one that fails leaves nothing behind, or says what, and the next run goes on
from there. Nothing is applied unless somebody asks for it; `enabled = false` or a kill in `[indexes]` turns off what a
service's own runner applies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.indexes._core.actions import Action
    from quickwins.indexes._core.preconditions import Obstacle, Precondition
    from quickwins.indexes._core.summary import Plan
    from quickwins.indexes.errors import Blocked, BuildFailed, MigrationError
    from quickwins.indexes.migration import Migration
    from quickwins.indexes.progress import Progress
    from quickwins.indexes.report import Finding, IndexState, QueryState, Status, Step, Verification, Weight
    from quickwins.indexes.runner import Runner
    from quickwins.indexes.settings import IndexesSettings

__all__ = [
    "Action",
    "Blocked",
    "BuildFailed",
    "Finding",
    "IndexState",
    "IndexesSettings",
    "Migration",
    "MigrationError",
    "Obstacle",
    "Plan",
    "Precondition",
    "Progress",
    "QueryState",
    "Runner",
    "Status",
    "Step",
    "Verification",
    "Weight",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "Action": "_core.actions",
        "Blocked": "errors",
        "BuildFailed": "errors",
        "Finding": "report",
        "IndexState": "report",
        "IndexesSettings": "settings",
        "Migration": "migration",
        "MigrationError": "errors",
        "Obstacle": "_core.preconditions",
        "Plan": "_core.summary",
        "Precondition": "_core.preconditions",
        "Progress": "progress",
        "QueryState": "report",
        "Runner": "runner",
        "Status": "report",
        "Step": "report",
        "Verification": "report",
        "Weight": "report",
    },
)
