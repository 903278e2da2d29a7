"""What the facade asks of every room, and nothing more: it holds a tuple of these and loops over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from quickwins.core.config import Section
    from quickwins.core.flags.snapshot import Snapshot


class Feature(Protocol):
    """One room's part in a `QuickWins`. Belongs to one event loop.

    What it makes for a service follows its section, has the service's name, and obeys the kill.

    Attributes:
        section: The name of its table in `quickwins.toml`.
        model: What that table holds.
    """

    section: str
    model: type[Section]

    def apply(self, snapshot: Snapshot) -> None:
        """Follow `snapshot`: at the start, and at each change. Must not block.

        What is raised at the start ends the start; what is raised at a change is reported and counted, and the other
        features get the change all the same.
        """
        ...

    async def close(self) -> None:
        """Close what was made, also when cancelled meanwhile; the caller cares for what is raised."""
        ...
