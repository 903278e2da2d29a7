"""A batch of one partition: what of it goes to the handler, what is put aside, and where it must stop."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, cast

from quickwins.core.digest import digest
from quickwins.dedup._core.judge import deleted_by, judge
from quickwins.dedup._core.position import SourceId
from quickwins.dedup._core.reading import read_all
from quickwins.dedup.decision import Decision
from quickwins.dedup.event import Event, Op

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from quickwins.dedup._core.cursor import Cursor
    from quickwins.dedup._core.judge import Judged
    from quickwins.dedup._core.reading import Reading
    from quickwins.dedup.identity import Identity, Record

_NEW = Decision.NEW
_CHANGES = (Op.CREATE, Op.UPDATE, Op.DELETE)


@dataclass(slots=True)
class Batch:
    """What a partition's next records are.

    Attributes:
        events: For the handler, in order.
        aside: To be put aside: no events, or of a kind that a policy puts aside.
        stopped: The record behind which nothing was looked at, because its partition must stop there.
        counts: How many there were of each decision; as many as are put aside, given up or no events, are `QUARANTINE`.
        altered: How many had their effect under the same id with another payload.
        held_up_seconds: For how long somebody else works on the record behind them at most; `None`: nobody does.
        undone: Offsets of `events` that had no effect, for the handler failed with them; filled by its caller, where
            there is no transaction to roll the others back with. What is not undone is remembered.
        singly: Whether `undone` is true at each moment, because events are handled one by one.
        failure: Why, of the first of them.
    """

    events: list[Event] = field(default_factory=list)
    aside: list[Judged] = field(default_factory=list)
    stopped: Judged | None = None
    counts: Counter[Decision] = field(default_factory=Counter)
    altered: int = 0
    held_up_seconds: float | None = None
    undone: set[int] = field(default_factory=set)
    singly: bool = False
    failure: BaseException | None = None


def sort(
    cursor: Cursor,
    identity: Identity,
    records: Sequence[Record],
    *,
    on: bool,
    puts_aside: bool,
    passed: Collection[int] = (),
) -> Batch:
    """Judge `records`, and move the cursor on behind the last one that was judged.

    Args:
        cursor: Of their partition.
        identity: Reads them.
        records: In the order of their offsets.
        on: See `judge`.
        puts_aside: Whether there is somewhere to put a record aside. If not, the batch stops at such a one.
        passed: Offsets whose handler has failed for the last time: passed by, for the caller puts them aside.
    """
    batch = Batch()
    events, counts = batch.events, batch.counts
    readings, policies = read_all(identity, records), identity.policies
    plain = () if passed or not on else tuple(op for op in _CHANGES if op not in policies)
    at = 0
    while at < len(records):
        if plain and not cursor.delivered(records[at].offset):
            at += _judge_changes(cursor, readings, at, plain, batch)
            if at == len(records):
                break
        record, reading = records[at], readings[at]
        at += 1
        if passed and record.offset in passed:
            cursor.pass_by(record.offset)
            counts[Decision.QUARANTINE] += 1
            continue
        judged = judge(cursor, record, reading, policies, on=on)
        if isinstance(judged, Event):
            events.append(judged)
            continue
        if judged.decision is Decision.QUARANTINE:
            if judged.refused is None or not puts_aside:
                batch.stopped = judged
                break
            cursor.pass_by(record.offset)
            batch.aside.append(judged)
        counts[judged.decision] += 1
    counts[_NEW] += len(events)
    cursor.last = _last(cursor, records)
    return batch


def _judge_changes(
    cursor: Cursor, readings: Sequence[Reading], start: int, plain: Collection[Op], batch: Batch
) -> int:
    """Judge the changes of rows from number `start` on, up to whatever else comes; how many they were.

    The same as `judge` of one after the other, without what cannot be the case: nearly all records are such changes.
    """
    sources: list[SourceId] = []
    for reading in islice(readings, start, None):
        if type(reading) is not Event or reading.op not in plain:
            break
        source = reading.identity
        if type(source) is not SourceId:
            break
        sources.append(source)
    others = cursor.judge_all(sources)
    judged = len(sources)
    if others and others[at := next(reversed(others))] is Decision.QUARANTINE:
        del others[at]  # it is judged by itself, with what is to be said of it
        judged = at
    if not judged:
        return 0
    changes = cast("Sequence[Event]", readings[start : start + judged])
    done = 0
    for at in others:
        batch.events += changes[done:at]
        done = at + 1
    batch.events += changes[done:]
    batch.counts[Decision.DUP_SOURCE] += len(others)
    last = changes[-1]
    cursor.pass_by(last.record.offset)
    if last.op is Op.DELETE:
        cursor.deleted = deleted_by(last, others.get(judged - 1, _NEW))
    return judged


def _last(cursor: Cursor, records: Sequence[Record]) -> tuple[int, bytes] | None:
    """The last record that the cursor is behind, by offset and digest."""
    for record in reversed(records):
        if cursor.next_offset is not None and record.offset < cursor.next_offset:
            if cursor.last is not None and record.offset < cursor.last[0]:
                break
            return record.offset, fingerprint(record)
    return cursor.last


def fingerprint(record: Record) -> bytes:
    """By which the record at an offset is known again, and a topic that was created again is noticed."""
    return digest(
        *(
            b"" if part is None else part if isinstance(part, (bytes, str)) else repr(part)
            for part in (record.key, record.value)
        ),
        size_bytes=8,
    )
