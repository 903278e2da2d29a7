"""Reading the next records while the batch before them waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from quickwins.dedup import DebeziumPostgres
from quickwins.dedup._ahead import SLICE, read_ahead
from quickwins.dedup._core.reading import Reader
from quickwins.dedup.errors import EventRefused
from quickwins.dedup.event import Event
from tests.unit.dedup.records import Record, record

if TYPE_CHECKING:
    from collections.abc import Sequence


class Counting(DebeziumPostgres):
    """Counts what it reads."""

    reads = 0

    def read(self, record: Any) -> Event:
        self.reads += 1
        return super().read(record)


class Broken(Counting):
    """Is of the service's own, and has a bug."""

    def read(self, record: Any) -> Event:
        super().read(record)
        raise ZeroDivisionError


def read(reader: Reader, records: Sequence[Record]) -> list[Record]:
    """The records of the events that they are."""
    return [event.record for event in reader.read_all(records) if isinstance(event, Event)]


def some(count: int) -> list[Record]:
    return [record(lsn=100 + offset, offset=offset) for offset in range(count)]


@pytest.mark.asyncio
async def test_what_was_read_ahead_is_not_read_again() -> None:
    identity = Counting(incarnation="pg1")
    reader, records = Reader(identity), some(3)
    await read_ahead(reader, records)
    assert identity.reads == 3
    assert read(reader, records) == records
    assert identity.reads == 3


@pytest.mark.asyncio
async def test_it_may_be_asked_for_in_parts() -> None:
    identity = Counting(incarnation="pg1")
    reader, records = Reader(identity), some(3)
    await read_ahead(reader, records)
    assert [one.offset for part in (records[:2], records[2:]) for one in read(reader, part)] == [0, 1, 2]
    assert identity.reads == 3


@pytest.mark.asyncio
async def test_the_batch_in_progress_keeps_what_was_read_for_it() -> None:
    identity = Counting(incarnation="pg1")
    reader = Reader(identity)
    first, second, third = some(3)
    for one in (first, second):
        await read_ahead(reader, [one])
    assert read(reader, [first])[0] is first
    assert identity.reads == 2
    await read_ahead(reader, [third])
    await read_ahead(reader, [])
    assert read(reader, [second])[0] is second
    assert identity.reads == 4  # two calls later it is forgotten, and read anew


@pytest.mark.asyncio
async def test_another_record_at_its_offset_is_read_itself() -> None:
    reader = Reader(DebeziumPostgres(incarnation="pg1"))
    await read_ahead(reader, [record(lsn=100, offset=7)])
    anew = record(lsn=200, offset=7)
    assert read(reader, [anew])[0] is anew


@pytest.mark.asyncio
async def test_what_cannot_be_read_is_refused_in_its_place() -> None:
    reader = Reader(DebeziumPostgres(incarnation="pg1"))
    records = [record(offset=0), Record(offset=1, value=b"no JSON"), record(offset=2)]
    await read_ahead(reader, records)
    before, refused, behind = reader.read_all(records)
    assert isinstance(before, Event)
    assert isinstance(refused, EventRefused)
    assert "not JSON" in str(refused)
    assert isinstance(behind, Event)


@pytest.mark.asyncio
async def test_what_an_identity_raises_by_itself_comes_in_its_turn() -> None:
    identity = Broken(incarnation="pg1")
    reader, records = Reader(identity), some(2)
    await read_ahead(reader, records)
    with pytest.raises(ZeroDivisionError):
        reader.read_all(records)
    assert identity.reads == 2


@pytest.mark.asyncio
async def test_others_get_their_turn_meanwhile() -> None:
    reader = Reader(DebeziumPostgres(incarnation="pg1"))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(count())
    await read_ahead(reader, some(10 * SLICE))
    other.cancel()
    assert turns >= 9
