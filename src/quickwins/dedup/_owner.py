"""What a run asks and tells: the deduplicator, as it sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from quickwins.dedup._core.batch import Batch
    from quickwins.dedup._lane import Lane
    from quickwins.dedup.dead_letters import DeadLetterTable


class Owner(Protocol):
    """What a run asks and tells: `Deduplicator`."""

    poison: DeadLetterTable | None
    max_records: int
    group: str

    async def take(self, topic: str, partition: int, partitions: int) -> Lane:
        """Take a partition over; whatever it raises, the partition waits."""
        ...

    def on(self, topic: str, partition: int) -> bool:
        """Whether duplicates of that partition are told from events now."""
        ...

    def applied(self, at: Any, batch: Batch, seconds: float) -> None:
        """A batch has taken effect."""
        ...

    def quarantined(self, at: Any, why: str) -> None:
        """A partition has stopped until somebody looks at it."""
        ...

    def waits(self, at: Any, error: BaseException) -> None:
        """A partition waits."""
        ...

    def goes_on(self, at: Any) -> None:
        """A partition is read, or read again."""
        ...

    def behind(self, records: int) -> None:
        """So many records of all partitions had no effect yet."""
        ...

    def commit_failed(self, error: BaseException) -> None:
        """Kafka was not told where to go on."""
        ...
