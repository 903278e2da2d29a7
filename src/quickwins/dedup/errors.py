"""The failures of deduplication."""

from __future__ import annotations

from enum import StrEnum
from typing import NoReturn

from quickwins.core.errors import QuickWinsError
from quickwins.core.lazy import shows

__all__ = ["ErrorSwallowed", "EventRefused", "Fenced", "PartitionQuarantined", "RefusedBecause", "StoreDown"]
__dir__ = shows(__name__)


class RefusedBecause(StrEnum):
    """Why a record is no event that could be told from its duplicates."""

    EMPTY = "empty"
    """It has neither a key nor a value."""
    NOT_JSON = "not_json"
    """Its value is not JSON, or not UTF-8."""
    UNKNOWN_ENVELOPE = "unknown_envelope"
    """Its value is JSON, but not an envelope that the identity knows."""
    FLATTENED = "flattened"
    """It was flattened on its way (`ExtractNewRecordState`): where it comes from is not in it any more."""
    NO_POSITION = "no_position"
    """Its source has no position, or none that can be read."""
    NO_ORDER = "no_order"
    """It has no key, and its place in its transaction is not in it: identical rows cannot be told apart."""
    NO_ID = "no_id"
    """The header or the field that is its identity is missing or empty."""
    OVERSIZED_ID = "oversized_id"
    """Its identity is longer than an identity may be."""
    NO_TIME = "no_time"
    """When it happened at its source is not in it, or is no time."""
    TOO_OLD = "too_old"
    """It happened before the oldest of what is still remembered: whether it had its effect is not known any more."""


class EventRefused(QuickWinsError):
    """A record that is no event with an identity. It goes to the dead letters or stops its partition, never away."""


class ErrorSwallowed(QuickWinsError):
    """A handler has caught an error of its database's, after which the transaction that it was given can do nothing more."""


class Fenced(QuickWinsError):
    """Another consumer has taken the partition over: what this one did in its transaction was rolled back."""


class StoreDown(QuickWinsError):
    """What is remembered cannot be read or written now. Nothing is lost: the partition waits until it can."""


class PartitionQuarantined(QuickWinsError):
    """It cannot be told any more what of a partition had its effect; the message has the evidence and the way on."""


def refuse(reason: RefusedBecause, why: str, cause: BaseException | None = None) -> NoReturn:
    """Say that a record is no event with an identity.

    Raises:
        EventRefused: Always.
    """
    raise EventRefused(
        f"a record is no event that can be told from its duplicates: {why}", reason=reason
    ) from cause
