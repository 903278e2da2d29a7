"""What `Deduplicator.check` says of a record, for services that have a loop of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from quickwins.core.lazy import shows
from quickwins.dedup.decision import Decision

if TYPE_CHECKING:
    from quickwins.dedup.event import Event

__all__ = ["Checked"]
__dir__ = shows(__name__)


class Ending(Protocol):
    """Ends a claim."""

    async def done(self) -> bool:
        """The effect was made; whether the claim was still ours."""
        ...

    async def failed(self) -> None:
        """No effect was made."""
        ...


@dataclass(frozen=True, slots=True)
class Checked:
    """One record, and the claim on it. End it with `done` or `failed`, once, before its lease ends: it is not renewed.

    Attributes:
        decision: `NEW`: make its effect. `IN_PROGRESS`: come back after `wait_seconds`. All others: pass it by.
        event: The record as an event.
        fence: Above those of all checks of its partition before.
        idempotency_key: The same for an event however often it comes; for a sink that takes such a key.
        wait_seconds: For how long somebody else works on it at most.
        ending: The claim on it; `None`: there is none.
    """

    decision: Decision
    event: Event | None
    fence: int = 0
    idempotency_key: str = ""
    wait_seconds: float = 0.0
    ending: Ending | None = None

    @property
    def is_new(self) -> bool:
        """Whether its effect is to be made."""
        return self.decision is Decision.NEW

    async def done(self) -> bool:
        """Remember that the effect was made; `False`: the lease had ended, and somebody else works on it or has.

        Raises:
            Exception: What the store says; may be called again.
        """
        return True if self.ending is None else await self.ending.done()

    async def failed(self) -> None:
        """Give the record back without an effect, so that anybody may try at once.

        Raises:
            Exception: What the store says; the lease ends by itself.
        """
        if self.ending is not None:
            await self.ending.failed()
