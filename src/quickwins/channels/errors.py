"""What a channel refuses; the failures of calls are gRPC's own."""

from __future__ import annotations

from enum import StrEnum

from quickwins.core.errors import ConfigError, QuickWinsError


class MisuseReason(StrEnum):
    """Why a channel cannot be used here."""

    LOOP = "loop"
    NO_LOOP = "no_loop"
    FORK = "fork"


class ChannelMisuse(QuickWinsError):
    """The channel belongs to another event loop or to the process before a fork: make one where it is used."""

    reason: MisuseReason | None


class ChannelConflict(ConfigError):
    """Two settings contradict each other, or gRPC would not do what one of them asks for; the message says which."""


class RotationFailed(QuickWinsError):
    """No new connection could be made in time. The old ones are still in use; try again later."""
