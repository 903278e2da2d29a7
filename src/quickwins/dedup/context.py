"""What a handler gets beside its events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quickwins.core.lazy import shows
from quickwins.dedup._core.scope import Scope

if TYPE_CHECKING:
    from quickwins.dedup.event import Event

__all__ = ["Context"]
__dir__ = shows(__name__)


@dataclass(frozen=True, slots=True)
class Context:
    """One batch of one partition.

    Attributes:
        topic: Where the events come from.
        partition: Its number.
        fence: Grows each time the partition changes hands. A sink that keeps the highest one it has seen, and refuses what
            comes with a lower one, is safe from a consumer that was stopped and wakes up.
        group: The consumer group.
        tx: The asyncpg connection, in the transaction that also moves the cursor; `None` where the store has none.
        incarnation: Of the source; positions of another one are other events.
    """

    topic: str
    partition: int
    fence: int
    group: str
    tx: Any = None
    incarnation: str = ""

    def idempotency_key(self, event: Event) -> str:
        """The same for an event however often it comes, in 32 hexadecimal digits, for a sink that takes such a key."""
        return Scope(self.group, self.incarnation, self.topic).id_of(event).hex()
