"""Reading the next records while the batch before them waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from quickwins.dedup import DebeziumPostgres
from quickwins.dedup._ahead import SLICE, ReadAhead
from quickwins.dedup.errors import EventRefused
from tests.unit.dedup.records import Record, record

if TYPE_CHECKING:
    from quickwins.dedup import Event


class Counting(DebeziumPostgres):
    """Counts what it reads."""

    reads = 0

    def read(self, record: Any) -> Event:
        self.reads += 1
        return super().read(record)


@pytest.mark.asyncio
async def test_what_was_read_ahead_is_not_read_again() -> None:
    identity = Counting(incarnation="pg1")
    reader = ReadAhead(identity)
    records = [record(lsn=100 + offset, offset=offset) for offset in range(3)]
    await reader.ahead(records)
    assert identity.reads == 3
    assert [reader.read(one).record for one in records] == records
    assert identity.reads == 3


@pytest.mark.asyncio
async def test_the_batch_in_progress_keeps_what_was_read_for_it() -> None:
    identity = Counting(incarnation="pg1")
    reader = ReadAhead(identity)
    first, second, third = (record(lsn=100 + offset, offset=offset) for offset in range(3))
    for one in (first, second):
        await reader.ahead([one])
    assert reader.read(first).record is first
    assert identity.reads == 2
    await reader.ahead([third])
    await reader.ahead([])
    reader.read(second)
    assert identity.reads == 4  # two calls later it is forgotten, and read anew


@pytest.mark.asyncio
async def test_another_record_at_its_offset_is_read_itself() -> None:
    reader = ReadAhead(DebeziumPostgres(incarnation="pg1"))
    await reader.ahead([record(lsn=100, offset=7)])
    anew = record(lsn=200, offset=7)
    assert reader.read(anew).record is anew


@pytest.mark.asyncio
async def test_what_cannot_be_read_is_refused_in_its_turn() -> None:
    reader = ReadAhead(DebeziumPostgres(incarnation="pg1"))
    broken = Record(offset=1, value=b"no JSON")
    await reader.ahead([broken])
    with pytest.raises(EventRefused, match="not JSON"):
        reader.read(broken)


@pytest.mark.asyncio
async def test_others_get_their_turn_meanwhile() -> None:
    reader = ReadAhead(DebeziumPostgres(incarnation="pg1"))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(count())
    await reader.ahead([record(lsn=100 + offset, offset=offset) for offset in range(10 * SLICE)])
    other.cancel()
    assert turns >= 9
