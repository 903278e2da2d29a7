"""Why a source of flags could not be used, and what it kills all the same."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from quickwins.core.errors import ConfigError
from quickwins.core.given import guess

if TYPE_CHECKING:
    from collections.abc import Iterable


class SourceReason(StrEnum):
    """Why a source could not be used."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    EMPTY = "empty"
    TRUNCATED = "truncated"
    INVALID = "invalid"


class SourceError(ConfigError):
    """A source has nothing usable to say now: a good snapshot that is there stays.

    Attributes:
        source: Its name.
        kills: The features that it kills all the same: whatever is wrong with the rest, turning off is safe.
    """

    reason: SourceReason

    def __init__(
        self, message: str, *, source: str, reason: SourceReason, kills: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(message, reason=reason)
        self.source = source
        self.kills = kills


def no_flag(feature: str, known: Iterable[str]) -> ConfigError:
    """What to raise where nothing called `feature` is a flag."""
    names = sorted(known)
    return ConfigError(f"no flag {feature!r}{guess(feature, names)}; known: {', '.join(names)}")
