"""Change events of Debezium's PostgreSQL connector (JSON, with or without schemas).

Facts from Debezium's documentation of the connector and from events of version 3.6: `source.sequence` is a JSON array in a
string, the last commit's position (null before the first) and the event's own; `source.snapshot` is a string (`true`,
`first`, `last`, `incremental` ...) or, in old versions, a boolean; `transaction` is there with
`provide.transaction.metadata=true`; the envelope's `ts_ms` is the connector's clock and differs when an event is sent again,
while `source.ts_ms` is the database's, at the commit, and does not.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, NoReturn, TypeVar

import msgspec

from quickwins.core.digest import digest
from quickwins.core.errors import ConfigError
from quickwins.dedup._core.position import SourceId
from quickwins.dedup.errors import EventRefused, RefusedBecause, refuse
from quickwins.dedup.event import UNREAD, Event, Op
from quickwins.dedup.identity._base import Policy, checked_name, checked_time, read_each

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from quickwins.dedup.identity._base import Record

_SNAPSHOT_OVER = ("false", None, False)
_READ, _MESSAGE = Op.READ, Op.MESSAGE
_OPS: dict[str | None, Op] = {
    "c": Op.CREATE,
    "u": Op.UPDATE,
    "d": Op.DELETE,
    "r": Op.READ,
    "t": Op.TRUNCATE,
    "m": Op.MESSAGE,
}


_Number = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class _Source(msgspec.Struct, gc=False):
    # In the order of a connector's JSON, in which they are looked for.
    connector: Literal["postgresql"] = "postgresql"
    milliseconds: _Number | None = msgspec.field(default=None, name="ts_ms")
    snapshot: str | bool | None = None
    sequence: str | None = None
    schema: str = ""
    table: str = ""
    transaction: _Number | None = msgspec.field(default=None, name="txId")
    lsn: _Number | None = None


class _Transaction(msgspec.Struct, gc=False):
    total_order: _Number | None = None


_NULL = msgspec.Raw(b"null")
_Row = TypeVar("_Row")
"""`Raw`, or a row that was decoded along."""


class _Envelope(msgspec.Struct, Generic[_Row], gc=False):
    # In the order of a connector's JSON, in which they are looked for.
    before: msgspec.Raw = _NULL
    after: _Row = _NULL  # type: ignore[assignment]  # -- what stands for none is the same for both; until=never
    source: _Source | None = None
    transaction: _Transaction | None = None
    op: str | None = None
    message: msgspec.Raw = _NULL
    payload: msgspec.Raw = _NULL
    """All of the above, where the converter's schemas are on."""

    @property
    def table(self) -> str:
        source = self.source
        return f"{source.schema}.{source.table}" if source is not None and source.table else ""


_decode = msgspec.json.Decoder(_Envelope[msgspec.Raw]).decode
_decode_with_row = msgspec.json.Decoder(_Envelope[Any]).decode
_decode_sequence = msgspec.json.Decoder(tuple[_Number, Any], strict=False).decode
"""Of `["28296464","28296568"]`, text in text: the first number."""


class DebeziumPostgres:
    """Events are told apart by their place in the database's log.

    Needs `provide.transaction.metadata=true` for tables without a primary key, whose identical rows nothing else tells apart.
    The messages must not be flattened on their way: the position would be lost.

    Attributes:
        incarnation: The history of the database that positions are of. Give a new name after a restore or a failover to a
            server that was behind; all positions known so far are void then.
        policies: What becomes of snapshots' rows, tombstones, truncations and logical messages.
    """

    __slots__ = ("incarnation", "policies")
    dated = True

    def __init__(
        self,
        *,
        incarnation: str,
        snapshots: Literal["upsert", "skip"] = "upsert",
        tombstones: Literal["skip", "forward"] = "skip",
        truncates: Literal["apply", "skip", "quarantine"] = "apply",
        messages: Literal["apply", "skip", "quarantine"] = "skip",
    ) -> None:
        """Nothing is read yet.

        Args:
            incarnation: See above; 1 to 100 characters.
            snapshots: `upsert`: the handler gets the rows that a snapshot finds, each time it finds them, and must be able
                to apply one twice; `skip`: it never sees them.
            tombstones: `forward`: the handler gets a tombstone when it got the delete before it; `skip`: never.
            truncates: What becomes of `TRUNCATE` (the connector must be told to send it).
            messages: What becomes of logical messages.

        Raises:
            ConfigError: An argument isn't one of these.
        """
        self.incarnation = checked_name("incarnation", incarnation, longest=100)
        chosen: tuple[tuple[Op, str, str, tuple[str, ...]], ...] = (
            (Op.READ, "snapshots", snapshots, ("upsert", "skip")),
            (Op.TOMBSTONE, "tombstones", tombstones, ("skip", "forward")),
            (Op.TRUNCATE, "truncates", truncates, ("apply", "skip", "quarantine")),
            (Op.MESSAGE, "messages", messages, ("apply", "skip", "quarantine")),
        )
        for _, name, value, allowed in chosen:
            if value not in allowed:
                raise ConfigError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
        self.policies: Mapping[Op, Policy] = MappingProxyType(
            {op: _POLICIES.get(value, Policy.APPLY) for op, _, value, _ in chosen}
        )

    def __repr__(self) -> str:
        return f"DebeziumPostgres(incarnation={self.incarnation!r})"

    def happened_at(self, event: Event) -> float:
        """See `Identity`. A tombstone has Kafka's own time of its record: sent again it is another one."""
        rows = event.rows
        if isinstance(rows, _Envelope) and rows.source is not None:
            milliseconds = rows.source.milliseconds
        else:
            milliseconds = getattr(event.record, "timestamp", None)
        if milliseconds is None:
            refuse(RefusedBecause.NO_TIME, "its `source` has no `ts_ms`")
        return checked_time(milliseconds / 1000)

    def read(self, record: Record) -> Event:
        """See `Identity`."""
        (reading,) = self._read_all((record,), _decode)
        if isinstance(reading, EventRefused):
            raise reading
        return reading

    def read_all(self, records: Sequence[Record], *, rows: bool) -> list[Event | EventRefused]:
        """See `ReadsMany`."""
        if type(self).read is not DebeziumPostgres.read:
            return read_each(self, records)
        return self._read_all(records, _decode_with_row if rows else _decode)

    def _read_all(  # noqa: C901 -- a call more for each record costs as much as all that it decides; until=never
        self, records: Sequence[Record], decode: Callable[[Any], _Envelope[Any]]
    ) -> list[Event | EventRefused]:
        """One loop with everything at hand: this is what each event goes through."""
        readings: list[Event | EventRefused] = []
        for record in records:
            try:
                value = record.value
                if value is None:
                    readings.append(_tombstone(record))
                    continue
                try:
                    envelope = decode(value)
                except (msgspec.DecodeError, UnicodeError, TypeError):
                    envelope = _decode_other(value)
                if envelope.op is None:
                    envelope = _decode_payload(envelope)
                source = envelope.source
                op = _OPS.get(envelope.op)
                if source is None or op is None:
                    _refuse_envelope(envelope)
                if op is _MESSAGE:
                    envelope.after = envelope.message
                if op is _READ or source.snapshot not in _SNAPSHOT_OVER:
                    readings.append(Event(record, _READ, None, envelope, UNREAD))
                    continue
                try:
                    commit, _ = _decode_sequence(source.sequence)  # type: ignore[arg-type]  # -- None is no text, and raises; until=never
                except (msgspec.DecodeError, ValueError, TypeError):
                    commit = _commit(source.sequence)
                transaction, lsn = envelope.transaction, source.lsn
                identity: int | bytes | None = None if transaction is None else transaction.total_order
                if identity is None:
                    identity = _told_apart(record, op, envelope)
                if lsn is None:
                    refuse(RefusedBecause.NO_POSITION, "its `source.lsn` or `source.sequence` is no position")
                where = SourceId(commit, lsn, source.transaction or 0, identity)
                readings.append(Event(record, op, where, envelope, UNREAD))
            except EventRefused as error:
                readings.append(error.with_traceback(None))
        return readings


_POLICIES = {"skip": Policy.SKIP, "quarantine": Policy.QUARANTINE}


def _tombstone(record: Record) -> Event:
    if record.key is None:
        refuse(RefusedBecause.EMPTY, "it has neither a key nor a value")
    return Event(record, Op.TOMBSTONE, None)


def _decode_other(value: object) -> _Envelope[Any]:
    """What is no JSON of an envelope in bytes or text: a deserializer of the consumer's own may have read it already."""
    if not isinstance(value, (bytes, str, bytearray, memoryview)):
        value = _encoded_again(value)
    try:
        return _decode(value)
    except msgspec.ValidationError as error:
        refuse(
            RefusedBecause.UNKNOWN_ENVELOPE,
            f"its value is no envelope of Debezium's for PostgreSQL: {error}",
            error,
        )
    except (msgspec.DecodeError, UnicodeError) as error:
        refuse(RefusedBecause.NOT_JSON, f"its value is not JSON: {type(error).__name__}", error)


def _decode_payload(envelope: _Envelope[Any]) -> _Envelope[Any]:
    """What is in the envelope of Kafka Connect's converter with `schemas.enable=true`."""
    payload = bytes(envelope.payload)
    return envelope if payload == b"null" else _decode_other(payload)


def _refuse_envelope(envelope: _Envelope[Any]) -> NoReturn:
    if envelope.source is None or envelope.op is None:
        refuse(
            RefusedBecause.FLATTENED,
            "its value has no `source` and `op`: take ExtractNewRecordState out of the connector, or name another identity",
        )
    refuse(RefusedBecause.UNKNOWN_ENVELOPE, f"operation {envelope.op[:20]!r} isn't one of Debezium's")


def _encoded_again(value: object) -> bytes:
    try:
        return msgspec.json.encode(value)
    except Exception as error:  # noqa: BLE001 -- a deserializer may give anything, whose methods may raise anything; until=never
        refuse(
            RefusedBecause.UNKNOWN_ENVELOPE,
            f"the consumer's value_deserializer gave a {type(value).__name__} that is no plain JSON data",
            error,
        )


def _commit(sequence: str | None) -> int:
    """The last commit of a sequence that begins with none: 0."""
    if sequence is None:
        refuse(RefusedBecause.NO_POSITION, "its `source` has no `sequence`, which Debezium sends since 1.7")
    if not sequence.startswith("[null,"):
        refuse(RefusedBecause.NO_POSITION, "its `source.sequence` has no position of the last commit")
    return 0


def _told_apart(record: Record, op: Op, envelope: _Envelope[Any]) -> bytes:
    """What tells it from others at its position, without its place in its transaction."""
    key = record.key
    if key is None and op in _ROWS:
        refuse(
            RefusedBecause.NO_ORDER,
            f"{envelope.table} has no key: set provide.transaction.metadata=true at the connector, since identical rows are told "
            "apart by their place in the transaction only",
        )
    if key is None:
        key = b""
    elif not isinstance(key, (bytes, str)):
        key = _encoded_again(key)
    if type(envelope.after) is not msgspec.Raw:
        envelope = _decode(record.value)  # by its bytes, and not by what they were read as
    return digest(op, envelope.table, key, bytes(envelope.before), bytes(envelope.after))


_ROWS = frozenset({Op.CREATE, Op.UPDATE, Op.DELETE})
