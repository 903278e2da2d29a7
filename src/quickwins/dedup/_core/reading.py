"""A partition's records as events: many at a time, and some of them before they are asked for."""

from __future__ import annotations

from operator import is_
from typing import TYPE_CHECKING

from quickwins.dedup.errors import EventRefused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from quickwins.dedup.event import Event
    from quickwins.dedup.identity import Identity, Record

    Reading: TypeAlias = Event | EventRefused
    """A record as an event, or why it is none."""

_RUNS = 2
"""The batch in progress, and the one behind it."""


class Reader:
    """An identity as one partition uses it. Reads as the one it is made of, and knows what it was told to `keep`.

    Attributes:
        identity: That one.
        incarnation: See `Identity`.
        policies: See `Identity`.
        dated: See `Identity`.
    """

    __slots__ = ("_runs", "dated", "identity", "incarnation", "policies")

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.incarnation = identity.incarnation
        self.policies = identity.policies
        self.dated = identity.dated
        self._runs: list[tuple[list[Record], list[Reading]]] = []

    def __repr__(self) -> str:
        return repr(self.identity)

    def happened_at(self, event: Event) -> float:
        """See `Identity`."""
        return self.identity.happened_at(event)

    def read(self, record: Record) -> Event:
        """See `Identity`."""
        return self.identity.read(record)

    def keep(self, records: Sequence[Record], readings: Sequence[Reading]) -> None:
        """Know what `records` are: they are asked for next, in their order. What was kept two calls ago is forgotten."""
        self._runs = [*self._runs[1 - _RUNS :], (list(records), list(readings))]

    def read_all(self, records: Sequence[Record]) -> list[Reading]:
        """See the function of this name. What is given is kept no longer."""
        count = len(records)
        for ahead, readings in self._runs:
            if len(ahead) >= count and all(map(is_, ahead, records)):
                taken = readings[:count]
                del ahead[:count], readings[:count]
                return taken
        return read_all(self.identity, records)


def read_all(identity: Identity, records: Sequence[Record]) -> list[Reading]:
    """Each of `records` as an event, or why it is none.

    Raises:
        Exception: What an identity of the service's own raises besides `EventRefused`.
    """
    if isinstance(identity, Reader):
        return identity.read_all(records)
    read = identity.read
    readings: list[Reading] = []
    for record in records:
        try:
            readings.append(read(record))
        except EventRefused as error:
            readings.append(error.with_traceback(None))
    return readings
