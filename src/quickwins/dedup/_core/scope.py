"""What an event is known by in a store without a cursor: sixteen bytes that are the same however often it comes."""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct
from typing import TYPE_CHECKING, cast

from quickwins.core.digest import digest, framed
from quickwins.dedup._core.position import SourceId
from quickwins.dedup.event import Event, Op

if TYPE_CHECKING:
    from collections.abc import Iterable

ID_BYTES = 16
PAYLOAD_BYTES = 8
NOT_COMPARED = bytes(PAYLOAD_BYTES)
_packed = Struct(">cQQQQ").pack


class Scope:
    """Where ids count: a topic as one group reads it, of one incarnation of its source. Immutable; any thread."""

    __slots__ = ("_start",)

    def __init__(self, group: str, incarnation: str, topic: str, *, key: bytes = b"") -> None:
        prefix = b"".join(map(framed, (group, incarnation, topic)))
        self._start = blake2b(prefix, digest_size=ID_BYTES, key=key)

    def id_of(self, event: Event) -> bytes:
        """What tells an event from all others, the same however often it comes; 16 bytes."""
        (one,) = self.ids_of((event,))
        return one

    def ids_of(self, events: Iterable[Event]) -> list[bytes]:
        """As `id_of`, of each."""
        begin, ids = self._start.copy, list[bytes]()
        for event in events:
            state, source = begin(), event.identity
            if type(source) is SourceId and type(source.id) is int:
                name = _packed(b"p", source.commit, source.lsn, source.transaction, source.id)
            else:
                name = _name_of(event)
            state.update(name)
            ids.append(state.digest())
        return ids


def _name_of(event: Event) -> bytes:
    """What tells an event from all others of its topic, where it is no place in a transaction; its first byte says by what."""
    source = event.identity
    if isinstance(source, SourceId):
        return _packed(b"d", source.commit, source.lsn, source.transaction, 0) + cast("bytes", source.id)
    if isinstance(source, bytes):
        return (b"t" if event.op is Op.TOMBSTONE else b"#") + source
    return b"@%d:%d" % (event.record.partition, event.record.offset)


def payload_of(event: Event) -> bytes:
    """By which an id that was given to two different events is noticed. A position's content differs each time it is sent."""
    if not isinstance(event.identity, bytes):
        return NOT_COMPARED
    value = event.record.value
    whole = b"" if value is None else value if isinstance(value, (bytes, str)) else repr(value)
    return digest(whole, size_bytes=PAYLOAD_BYTES)
