"""What can go wrong with a migration, by who has to act on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.errors import ConfigError, QuickWinsError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from enum import StrEnum


class MigrationError(ConfigError):
    """The file says what is refused: where, what, and what is allowed. Nothing has run."""


class Blocked(QuickWinsError):
    """Something is in the way: `reason` says what, and the message who, as far as the server tells.

    Attributes:
        reason: The precondition that is not met (`indexes.Precondition`).
    """

    def __init__(self, message: str, *, reason: StrEnum | None = None) -> None:
        super().__init__(message, reason=reason)


class BuildFailed(QuickWinsError):
    """A statement failed, or was stopped.

    Attributes:
        debris: What is left behind on the server, each with the command that removes it; empty: nothing is.
    """

    def __init__(self, message: str, *, debris: Sequence[str] = ()) -> None:
        super().__init__("\n".join([message, *debris]))
        self.debris = tuple(debris)
