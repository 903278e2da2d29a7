"""Where in the source's history an event stands."""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class Position(NamedTuple):
    """A place in PostgreSQL's write-ahead log, as Debezium tells it.

    Transactions are sent in the order of their commits while their rows' own positions interleave, so that a row's own
    position orders nothing by itself: the last commit before its transaction comes first. One position is shared by all
    rows of a COPY's page, and by the delete and the insert that a changed primary key becomes.

    Attributes:
        commit: The last commit before the event's transaction (`sequence[0]`); 0 when there was none yet.
        lsn: The event's own position (`source.lsn`).
    """

    commit: int
    lsn: int

    def __str__(self) -> str:
        return f"{lsn(self.commit)}, {lsn(self.lsn)}"


def lsn(number: int) -> str:
    """A position as PostgreSQL writes it: `16/B374D848`."""
    return f"{number >> 32:X}/{number & 0xFFFFFFFF:X}"


class SourceId(msgspec.Struct, frozen=True, gc=False):
    """What tells a change from all others of its source.

    Attributes:
        commit: See `Position`.
        lsn: See `Position`.
        transaction: The source's transaction id.
        id: What tells it from others at the same position: its place in its transaction, or a digest of the row.
    """

    commit: int
    lsn: int
    transaction: int
    id: int | bytes

    @property
    def position(self) -> Position:
        """Where it stands."""
        return Position(self.commit, self.lsn)
