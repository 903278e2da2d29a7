"""Indexes built online, verified, and taken back: migrations that a DBA can run at two in the morning.

Nobody who reads or writes waits for a build; one that fails leaves nothing behind, or says what, and the next run goes on
from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.indexes.errors import Blocked, BuildFailed, MigrationError
    from quickwins.indexes.migration import Migration

__all__ = ["Blocked", "BuildFailed", "Migration", "MigrationError"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "Blocked": "errors",
        "BuildFailed": "errors",
        "Migration": "migration",
        "MigrationError": "errors",
    },
)
