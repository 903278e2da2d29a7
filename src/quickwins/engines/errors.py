"""What can go wrong with a server or a child process."""

from __future__ import annotations

from enum import StrEnum

from quickwins.core.errors import QuickWinsError


class EngineFailure(StrEnum):
    """Why a server or child process is not running."""

    NO_BINARY = "no_binary"
    """The installed package has no server for this platform, or one that cannot be executed."""
    NO_ACCOUNT = "no_account"
    """Root must run PostgreSQL as an ordinary account, and there is none, or it cannot enter the folder."""
    EXITED = "exited"
    """The process could not be started, or ended before it answered."""
    NOT_READY = "not_ready"
    """The process is running, but gave no correct answer in time."""
    LOST = "lost"
    """The supervisor was killed from outside, or this object has been stopped."""


class EngineError(QuickWinsError):
    """A server or child process did not do what was asked; the message ends with the tail of its log.

    Attributes:
        reason: What went wrong.
    """

    reason: EngineFailure | None
