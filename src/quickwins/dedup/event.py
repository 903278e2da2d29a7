"""A change event, as handlers get it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec import Raw
from msgspec.structs import force_setattr

from quickwins.core.lazy import shows

if TYPE_CHECKING:
    from quickwins.dedup._core.position import SourceId

__all__ = ["Event", "Op"]
__dir__ = shows(__name__)


class Op(StrEnum):
    """What happened. The letters are Debezium's, but for its own `t` and `m`, which have their names here."""

    CREATE = "c"
    UPDATE = "u"
    DELETE = "d"
    READ = "r"
    """A row as a snapshot found it: not a change."""
    TOMBSTONE = "t"
    """A record without a value, which tells Kafka to compact its key away: not Debezium's `t`."""
    TRUNCATE = "truncate"
    """All rows of a table went at once."""
    MESSAGE = "message"
    """Somebody wrote it into the log with `pg_logical_emit_message`; `after` is its prefix and content."""


UNREAD: Any = object()
"""For a key that nobody has asked for yet."""


class Rows(Protocol):
    """Where an event's rows are: an identity's own reading of the record.

    Attributes:
        before: Decoded, or `msgspec.Raw`, which what it holds is put in place of when it is first asked for.
        after: The same of the row after the change.
    """

    before: Any
    after: Any

    @property
    def table(self) -> str:
        """`schema.table`; empty where the source does not say."""
        ...


class Event(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One event with its identity. Frozen; a key or a row is decoded when it is first asked for.

    Attributes:
        record: The consumer's record, untouched.
        op: What happened.
        identity: What tells it from all others: a position for `DebeziumPostgres`, bytes for the others; `None` for a
            snapshot's rows and for tombstones.
    """

    record: Any
    op: Op
    identity: SourceId | bytes | None
    _rows: Rows | None = None
    _key: Any = UNREAD

    def __repr__(self) -> str:
        # No row and no key: they are people's data, and a repr ends up in logs.
        at = f"{self.record.topic}:{self.record.partition}:{self.record.offset}"
        return f"<Event {self.op.value} {self.table or '?'} at {at}>"

    @property
    def rows(self) -> Rows | None:
        """The identity's own reading of the record, for the identity."""
        return self._rows

    @property
    def key(self) -> Any:
        """The record's key: decoded where it is JSON, otherwise as it is; `None` for a table without one."""
        if self._key is UNREAD:
            force_setattr(self, "_key", _key(self.record.key))
        return self._key

    @property
    def table(self) -> str:
        """`schema.table`; empty where the source does not say."""
        return "" if self._rows is None else self._rows.table

    @property
    def before(self) -> Any:
        """The row before the change, `None` where the source did not send it (see `REPLICA IDENTITY`)."""
        rows = self._rows
        if rows is None:
            return None
        row = rows.before
        if type(row) is Raw:
            row = rows.before = _decode(row)
        return row

    @property
    def after(self) -> Any:
        """The row after the change, `None` for a delete; where an event is no change of a row, what it holds."""
        rows = self._rows
        if rows is None:
            return None
        row = rows.after
        if type(row) is Raw:
            row = rows.after = _decode(row)
        return row


_decode = msgspec.json.Decoder().decode


def _key(key: object) -> object:
    if not isinstance(key, bytes):
        return key
    try:
        decoded = _decode(key)
    except (msgspec.DecodeError, UnicodeError):
        return key
    # With the converter's schemas on, Debezium puts it into an envelope of its own.
    return (
        decoded["payload"]
        if isinstance(decoded, dict) and decoded.keys() == {"schema", "payload"}
        else decoded
    )
