"""Change events of Debezium's PostgreSQL connector (JSON, with or without schemas).

Facts from Debezium's documentation of the connector and from events of version 3.6: `source.sequence` is a JSON array in a
string, the last commit's position (null before the first) and the event's own; `source.snapshot` is a string (`true`,
`first`, `last`, `incremental` ...) or, in old versions, a boolean; `transaction` is there with
`provide.transaction.metadata=true`; the envelope's `ts_ms` is the connector's clock and differs when an event is sent again.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from quickwins.core.digest import digest
from quickwins.core.errors import ConfigError
from quickwins.dedup._core.position import SourceId
from quickwins.dedup.errors import RefusedBecause, refuse
from quickwins.dedup.event import Event, Op
from quickwins.dedup.identity._base import Policy, checked_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quickwins.dedup.identity._base import Record

_BITS = 1 << 64
_SNAPSHOT_OVER = (None, False, "false")
_OPS = {"c": Op.CREATE, "u": Op.UPDATE, "d": Op.DELETE, "r": Op.READ, "t": Op.TRUNCATE, "m": Op.MESSAGE}


class _Source(msgspec.Struct, gc=False):
    connector: str = ""
    lsn: int | None = None
    sequence: str | None = None
    snapshot: str | bool | None = None
    schema: str = ""
    table: str = ""
    transaction: int | None = msgspec.field(default=None, name="txId")


class _Transaction(msgspec.Struct, gc=False):
    total_order: int | None = None


class _Envelope(msgspec.Struct, gc=False):
    op: str | None = None
    source: _Source | None = None
    before: msgspec.Raw = msgspec.Raw(b"null")
    after: msgspec.Raw = msgspec.Raw(b"null")
    message: msgspec.Raw = msgspec.Raw(b"null")
    transaction: _Transaction | None = None
    payload: msgspec.Raw = msgspec.Raw(b"")
    """All of the above, where the converter's schemas are on."""


_decode = msgspec.json.Decoder(_Envelope).decode


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
            ConfigError: An argument is none of these.
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

    def read(self, record: Record) -> Event:
        """See `Identity`."""
        value = record.value
        if value is None:
            if record.key is None:
                refuse(RefusedBecause.EMPTY, "it has neither a key nor a value")
            return Event(record, Op.TOMBSTONE, "", None)
        envelope = _envelope(value)
        source = envelope.source
        if source is None or envelope.op is None:
            refuse(
                RefusedBecause.FLATTENED,
                "its value has no `source` and `op`: take ExtractNewRecordState out of the connector, or name another identity",
            )
        op = _OPS.get(envelope.op)
        if op is None or source.connector != "postgresql":
            refuse(
                RefusedBecause.UNKNOWN_ENVELOPE,
                f"operation {envelope.op[:20]!r} of connector {source.connector[:40]!r} is none of PostgreSQL's",
            )
        table = f"{source.schema}.{source.table}" if source.table else ""
        if op is Op.READ or source.snapshot not in _SNAPSHOT_OVER:
            return Event(record, Op.READ, table, None, envelope.before, envelope.after)
        transaction = envelope.transaction
        if transaction is not None and transaction.total_order is not None:
            identity = (transaction.total_order % _BITS).to_bytes(8, "big")
        else:
            identity = _told_apart(record, op, table, envelope)
        after = envelope.message if op is Op.MESSAGE else envelope.after
        return Event(record, op, table, _source_id(source, identity), envelope.before, after)


_POLICIES = {"skip": Policy.SKIP, "quarantine": Policy.QUARANTINE}


def _envelope(value: object) -> _Envelope:
    if isinstance(value, str):
        value = value.encode()
    elif not isinstance(value, (bytes, bytearray, memoryview)):
        value = _encoded_again(value)  # a deserializer of the consumer's own has read it already
    try:
        envelope = _decode(value)
        # Kafka Connect's converter with schemas.enable=true
        return _decode(envelope.payload) if envelope.op is None and memoryview(envelope.payload) else envelope
    except msgspec.ValidationError as error:
        refuse(RefusedBecause.UNKNOWN_ENVELOPE, f"its value is no envelope of Debezium's: {error}", error)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        refuse(RefusedBecause.NOT_JSON, f"its value is not JSON: {type(error).__name__}", error)


def _encoded_again(value: object) -> bytes:
    try:
        return msgspec.json.encode(value)
    except Exception as error:  # noqa: BLE001 -- a deserializer may give anything, whose methods may raise anything; until=never
        refuse(
            RefusedBecause.UNKNOWN_ENVELOPE,
            f"the consumer's value_deserializer gave a {type(value).__name__} that is no plain JSON data",
            error,
        )


def _source_id(source: _Source, identity: bytes) -> SourceId:
    lsn, sequence = source.lsn, source.sequence
    if lsn is None or sequence is None:
        refuse(
            RefusedBecause.NO_POSITION,
            "its `source` has no `lsn` or no `sequence`, which Debezium sends since 1.7",
        )
    # `["28296464","28296568"]` or `[null,"28296568"]`; a JSON decoder takes twice as long.
    first = sequence.partition(",")[0].strip(' []"')
    try:
        commit = 0 if first == "null" else int(first)
    except ValueError:
        commit = -1
    transaction = source.transaction or 0
    if not (0 <= commit < _BITS and 0 <= lsn < _BITS and 0 <= transaction < _BITS):
        refuse(RefusedBecause.NO_POSITION, "its `source.sequence`, `lsn` or `txId` is no number of 64 bits")
    return SourceId(commit, lsn, transaction, identity)


def _told_apart(record: Record, op: Op, table: str, envelope: _Envelope) -> bytes:
    """What tells it from others at its position, without its place in its transaction."""
    key = record.key
    if key is None and op in _ROWS:
        refuse(
            RefusedBecause.NO_ORDER,
            f"{table} has no key: set provide.transaction.metadata=true at the connector, since identical rows are told "
            "apart by their place in the transaction only",
        )
    parts: list[Any] = [op.value, table]
    for part in (key, envelope.before, envelope.after, envelope.message):
        if part is None:
            parts.append(b"")
        elif isinstance(part, (bytes, str)):
            parts.append(part)
        else:
            parts.append(bytes(part) if isinstance(part, msgspec.Raw) else _encoded_again(part))
    return digest(*parts)


_ROWS = frozenset({Op.CREATE, Op.UPDATE, Op.DELETE})
