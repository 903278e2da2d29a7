"""What a run works on: the deduplicator, as it sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quickwins.dedup._lane import Lane
    from quickwins.dedup._reports import Reports
    from quickwins.dedup.dead_letters import DeadLetterTable


@dataclass(frozen=True, slots=True)
class Work:
    """What a run asks, and whom it tells.

    Attributes:
        group: The consumer group.
        max_records: How many events a handler gets at most.
        poison: Where records go that cannot be applied; `None`: nowhere.
        take: Takes over one of a topic's so many partitions; whatever it raises, the partition waits.
        is_on: Whether duplicates of a partition are told from events now.
        reports: Hears of all that becomes of records.
    """

    group: str
    max_records: int
    poison: DeadLetterTable | None
    take: Callable[[str, int, int], Awaitable[Lane]]
    is_on: Callable[[str, int], bool]
    reports: Reports
