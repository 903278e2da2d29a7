"""A cursor as it is kept in a row: small, versioned, and the same on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from quickwins.dedup._core.cursor import Cursor, Tombstoned, Watermark
from quickwins.dedup.decision import Decision

if TYPE_CHECKING:
    from quickwins.dedup._core.ledger import Ledger

VERSION = 1


class _Mark(msgspec.Struct, array_like=True):
    commit: int
    lsn: int
    transaction: int
    ids: list[int | bytes]


class _Saved(msgspec.Struct, array_like=True):
    version: int
    rows: _Mark
    messages: _Mark
    deleted: tuple[bytes, str] | None
    last: tuple[int, bytes] | None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Saved).decode


def dump(cursor: Cursor) -> bytes:
    """What a row keeps of `cursor` besides its next offset and its ledger."""
    rows, messages = (
        _Mark(mark.commit, mark.lsn, mark.transaction, list(mark.ids))
        for mark in (cursor.rows, cursor.messages)
    )
    deleted = cursor.deleted and (cursor.deleted.key, cursor.deleted.decision.value)
    return _encode(_Saved(VERSION, rows, messages, deleted, cursor.last))


def load(data: bytes, ledger: Ledger, next_offset: int | None) -> Cursor:
    """The cursor that `dump` was made of.

    Raises:
        ValueError: It isn't one, or is of a newer version of this library.
    """
    saved = _decode(data)
    if saved.version != VERSION:
        raise ValueError(f"a cursor of version {saved.version}; this library reads version {VERSION}")
    rows, messages = (
        Watermark(mark.commit, mark.lsn, mark.transaction, set(mark.ids))
        for mark in (saved.rows, saved.messages)
    )
    deleted = None if saved.deleted is None else Tombstoned(saved.deleted[0], Decision(saved.deleted[1]))
    return Cursor(ledger, next_offset, rows, messages, deleted, saved.last)
