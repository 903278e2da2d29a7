"""Reading the next records of a partition while the batch before them waits for its store."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quickwins.dedup.event import Event
    from quickwins.dedup.identity import Identity, Record

SLICE = 50
"""After how many records a batch in progress gets its turn: a tenth of a millisecond, as long as a server takes to answer."""


class ReadAhead:
    """An identity as one partition uses it. Reads as the one it is made of, and knows what `ahead` has read.

    Attributes:
        incarnation: See `Identity`.
        policies: See `Identity`.
        dated: See `Identity`.
    """

    __slots__ = ("_before", "_events", "_identity", "dated", "incarnation", "policies")

    def __init__(self, identity: Identity) -> None:
        self.incarnation = identity.incarnation
        self.policies = identity.policies
        self.dated = identity.dated
        self._identity = identity
        self._events: dict[int, Event] = {}
        self._before: dict[int, Event] = {}

    def __repr__(self) -> str:
        return repr(self._identity)

    def happened_at(self, event: Event) -> float:
        """See `Identity`."""
        return self._identity.happened_at(event)

    async def ahead(self, records: Sequence[Record]) -> None:
        """Read `records` now, of which `read` will be asked next. What was read two calls ago is forgotten."""
        self._before, self._events = self._events, {}
        for start in range(0, len(records), SLICE):
            # What cannot be read is refused in its turn; what is behind it in its slice is read then, too.
            with suppress(Exception):
                for record in records[start : start + SLICE]:
                    self._events[record.offset] = self._identity.read(record)
            await asyncio.sleep(0)

    def read(self, record: Record) -> Event:
        """See `Identity`."""
        event = self._before.pop(record.offset, None) or self._events.pop(record.offset, None)
        if event is not None and event.record is record:
            return event
        return self._identity.read(record)
