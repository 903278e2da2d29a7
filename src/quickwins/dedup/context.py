"""What a handler gets beside its events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quickwins.core.digest import digest
from quickwins.core.lazy import shows

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
    """

    topic: str
    partition: int
    fence: int
    group: str
    tx: Any = None

    def idempotency_key(self, event: Event) -> str:
        """The same for an event however often it comes, in 32 hexadecimal digits, for a sink that takes such a key."""
        identity = event.identity
        if identity is None:
            parts: tuple[str | bytes, ...] = (b"%d:%d" % (self.partition, event.record.offset),)
        elif isinstance(identity, bytes):
            parts = (identity,)
        else:
            last = identity.id if isinstance(identity.id, bytes) else b"%d" % identity.id
            parts = (b"%d:%d:%d" % (identity.commit, identity.lsn, identity.transaction), last)
        return digest(self.group, self.topic, event.op.value, event.table, *parts).hex()
