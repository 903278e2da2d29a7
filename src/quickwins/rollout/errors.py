"""What a controller refuses to do."""

from __future__ import annotations

from enum import StrEnum

from quickwins.core.errors import QuickWinsError


class RolloutReason(StrEnum):
    """Why nothing was done."""

    RUNNING = "running"
    GROUP = "group"
    KILLED = "killed"
    NOT_RUNNING = "not_running"
    BUSY = "busy"


class RolloutBlocked(QuickWinsError):
    """Something else is in the way; nothing was changed. `reason` says what."""

    reason: RolloutReason | None
