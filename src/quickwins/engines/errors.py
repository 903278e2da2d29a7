"""What can go wrong with a server or a child process."""

from __future__ import annotations

from enum import StrEnum

from quickwins.core.errors import QuickWinsError


class EngineFailure(StrEnum):
    """Why a server or child process is not there."""

    NO_BINARY = "no_binary"
    """The installed package has no server for this platform, or it cannot be executed."""
    NO_ACCOUNT = "no_account"
    """Root must hand PostgreSQL to an ordinary account, and there is none, or it cannot reach the folder."""
    EXITED = "exited"
    """The process could not be started, or ended before it answered."""
    NOT_READY = "not_ready"
    """The process runs and gave no right answer in time."""
    LOST = "lost"
    """The supervisor was killed from outside, or this object was stopped already."""


class EngineError(QuickWinsError):
    """A server or child process did not do what was asked; the message ends with the tail of its log.

    Attributes:
        reason: What went wrong.
    """

    reason: EngineFailure | None
