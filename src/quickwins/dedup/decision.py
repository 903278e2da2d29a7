"""What deduplication says of a record, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from quickwins.core.lazy import shows

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Decision", "Explanation"]
__dir__ = shows(__name__)


class Decision(StrEnum):
    """What becomes of a record."""

    NEW = "new"
    """It has had no effect yet: the handler gets it."""
    DUP_OFFSET = "dup_offset"
    """Kafka delivered it again: the same record of the same partition, after a crash or a rebalance."""
    DUP_SOURCE = "dup_source"
    """Its source sent it again, as another record: what it tells has had its effect."""
    SKIPPED = "skipped"
    """A policy leaves records of its kind out; the handler never gets it."""
    IN_PROGRESS = "in_progress"
    """Somebody else works on it right now, and holds a lease."""
    QUARANTINE = "quarantine"
    """It cannot be told whether it had its effect: nothing is guessed, and nothing is lost."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision for people.

    Attributes:
        decision: What becomes of the record.
        reason: Why, in one sentence. Holds positions and counts, never a row's content.
        evidence: The numbers behind it, by name.
    """

    decision: Decision
    reason: str
    evidence: Mapping[str, str | int | None] = field(default_factory=dict)
