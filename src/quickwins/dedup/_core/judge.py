"""What becomes of a partition's records, one after the other: offsets, identities and policies together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from quickwins.core.digest import digest
from quickwins.dedup._core.cursor import Tombstoned
from quickwins.dedup._core.position import SourceId
from quickwins.dedup.decision import Decision
from quickwins.dedup.errors import EventRefused
from quickwins.dedup.event import Event, Op
from quickwins.dedup.identity._base import Policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quickwins.dedup._core.cursor import Cursor
    from quickwins.dedup._core.reading import Reading
    from quickwins.dedup.identity import Record


# An enumeration looks its members up; not for each record.
_NEW, _QUARANTINE, _APPLY = Decision.NEW, Decision.QUARANTINE, Policy.APPLY
_DELETE, _MESSAGE, _TOMBSTONE = Op.DELETE, Op.MESSAGE, Op.TOMBSTONE


class Judged(msgspec.Struct, frozen=True, gc=False):
    """One record and what becomes of it.

    Attributes:
        record: The consumer's record.
        decision: What becomes of it.
        event: It as an event; `None` when it was delivered again, or isn't one.
        refused: Why it is no event, or a kind that a policy has quarantined.
    """

    record: Any
    decision: Decision
    event: Event | None = None
    refused: EventRefused | None = None


def judge(
    cursor: Cursor, record: Record, reading: Reading, policies: Mapping[Op, Policy], *, on: bool = True
) -> Event | Judged:
    """What becomes of `record`, the next one or one delivered again: its event, when that is new. The cursor moves on behind it.

    A decision of `QUARANTINE` leaves the cursor where it is: with `refused`, the shell may put the record aside and pass it
    by; without, what the partition knows of its source holds no more.

    Args:
        cursor: Of its partition.
        record: The record.
        reading: It as an event, or why it isn't one.
        policies: See `Identity`.
        on: Whether duplicates are told from events. If not, each event is new, and the cursor follows all the same.
    """
    offset = record.offset
    if cursor.delivered(offset):
        return Judged(record, Decision.DUP_OFFSET)
    if isinstance(reading, EventRefused):
        return Judged(record, _QUARANTINE, refused=reading)
    event, op = reading, reading.op
    policy = policies.get(op, _APPLY)
    if policy is Policy.QUARANTINE:
        refused = EventRefused(f"a policy has each {op.name} put aside")
        return Judged(record, _QUARANTINE, event, refused)
    source = event.identity
    if type(source) is SourceId:
        message = op is _MESSAGE
        decision = cursor.judge(offset, source, message=message)
        if not on and decision is not _NEW:
            if decision is _QUARANTINE:
                cursor.follow(offset, source, message=message)
            decision = _NEW
        if op is _DELETE and decision is not _QUARANTINE:
            cursor.deleted = deleted_by(event, decision)
    else:
        deleted = cursor.deleted
        cursor.pass_by(offset)
        decision = _NEW
        if op is _TOMBSTONE and on and deleted is not None and deleted.key == _digest(record.key):
            decision = deleted.decision  # it goes the way of its delete
    if decision is _NEW and policy is _APPLY:
        return event
    return Judged(record, Decision.SKIPPED if decision is _NEW else decision, event)


def deleted_by(event: Event, decision: Decision) -> Tombstoned:
    """What the tombstone behind a delete is known by."""
    return Tombstoned(_digest(event.record.key), decision)


def _digest(key: object) -> bytes:
    return digest(key) if isinstance(key, (bytes, str)) else digest(repr(key))
