"""A partition's records as events: many at a time, and some of them before they are asked for."""

from __future__ import annotations

from operator import is_
from typing import TYPE_CHECKING

from msgspec import Raw

from quickwins.dedup.identity._base import ReadsMany, read_each

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from quickwins.dedup.errors import EventRefused
    from quickwins.dedup.event import Event
    from quickwins.dedup.identity import Identity, Record

    Reading: TypeAlias = Event | EventRefused
    """A record as an event, or why it isn't one."""

_RUNS = 2
"""The batch in progress, and the one behind it."""
_LOOK_EVERY = 16
"""After how many batches it is looked at again whether a handler reads rows."""


class Reader:
    """An identity as one partition uses it. Reads as the one it is made of, and knows what it was told to `keep`.

    Attributes:
        identity: That one.
        incarnation: See `Identity`.
        policies: See `Identity`.
        dated: See `Identity`.
    """

    __slots__ = (
        "_kept",
        "_many",
        "_rows",
        "_runs",
        "_with_rows",
        "dated",
        "identity",
        "incarnation",
        "policies",
    )

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.incarnation = identity.incarnation
        self.policies = identity.policies
        self.dated = identity.dated
        self._many = identity if isinstance(identity, ReadsMany) else None
        self._rows = False  # whether to decode rows along
        self._with_rows = False  # whether it was done for the batch in progress
        self._kept = 0
        self._runs: list[tuple[list[Record], list[Reading], bool]] = []

    def __repr__(self) -> str:
        return repr(self.identity)

    def happened_at(self, event: Event) -> float:
        """See `Identity`."""
        return self.identity.happened_at(event)

    def read(self, record: Record) -> Event:
        """See `Identity`."""
        return self.identity.read(record)

    def read_now(self, records: Sequence[Record]) -> list[Reading]:
        """Read `records`, which may be a part of what is then told to `keep`.

        Raises:
            Exception: What an identity of the service's own raises besides `EventRefused`.
        """
        if self._many is None:
            return read_each(self.identity, records)
        return self._many.read_all(records, rows=self._rows)

    def keep(self, records: Sequence[Record], readings: Sequence[Reading]) -> None:
        """Know what `records` are: they are asked for next, in their order. What was kept two calls ago is forgotten."""
        self._runs = [*self._runs[1 - _RUNS :], (list(records), list(readings), self._rows)]
        self._kept += 1
        if self._kept % _LOOK_EVERY == 0:
            self._rows = False

    def read_all(self, records: Sequence[Record]) -> list[Reading]:
        """As `read_now`, of the next ones in progress. What is given is kept no longer."""
        count = len(records)
        for ahead, readings, with_rows in self._runs:
            if len(ahead) >= count and all(map(is_, ahead, records)):
                taken = readings[:count]
                del ahead[:count], readings[:count]
                self._with_rows = with_rows
                return taken
        self._with_rows = self._rows
        return self.read_now(records)

    def handled(self, events: Sequence[Event]) -> None:
        """Notice of events in progress, the handler of which is done, whether it reads rows: then they are decoded along."""
        if self._many is None or self._with_rows:
            return
        read = sum(1 for event in events if event.rows is not None and type(event.rows.after) is not Raw)
        self._rows = 2 * read > len(events)


def read_all(identity: Identity, records: Sequence[Record]) -> list[Reading]:
    """Each of `records` as an event, or why it isn't one.

    Raises:
        Exception: What an identity of the service's own raises besides `EventRefused`.
    """
    return identity.read_all(records) if isinstance(identity, Reader) else read_each(identity, records)
