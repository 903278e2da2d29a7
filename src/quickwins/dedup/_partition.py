"""One partition as a run has it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quickwins.dedup._lane import Lane


class State(Enum):
    """Of one assigned partition."""

    NEW = auto()
    """To be taken."""
    READY = auto()
    WAITING = auto()
    """The store is down, the handler failed, or another consumer has it: to be taken again at a certain time."""
    QUARANTINED = auto()


@dataclass(slots=True, eq=False)
class Partition:
    """One partition as this consumer has it."""

    at: Any
    state: State = State.NEW
    lane: Lane | None = None
    failures: int = 0
    retry_at: float = 0.0
    start: int | None = None
    """Where reading began, or began again; for a store that doesn't know itself where to go on."""
    first: int = 0
    """Where its log began when it was taken."""
    end: int | None = None
    """Where its log ended when that was before what had its effect."""
    is_going: bool = False
    """Whether something was read since it was taken."""
    before: int | None = None
    """The same in the assignment before, if this consumer had it then."""
    paused: bool = False
    """By this run; the service's own pauses are its own."""
    moved: bool = False
    """Since Kafka was told."""

    def behind(self, end: int | None) -> int:
        """How many records have had no effect yet, of a log that ends at `end`; 0 where that isn't known."""
        at = None if self.lane is None else self.lane.held.next_offset
        return 0 if at is None or end is None else max(0, end - at)
