"""The window as a store: ids are marked once their effects were made, and never before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from quickwins.core.clock import FakeClock
from quickwins.core.errors import ConfigError
from quickwins.dedup import (
    DebeziumPostgres,
    Decision,
    Deduplicator,
    Event,
    EventRefused,
    HeaderId,
    MemoryWindow,
)
from quickwins.dedup.stores._base import Place
from tests.unit.dedup.records import Record, record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quickwins.dedup.stores.memory_window import Held

pytestmark = pytest.mark.asyncio
IDENTITY = DebeziumPostgres(incarnation="pg1", tombstones="forward")


def row(number: int, offset: int, op: str = "c") -> Record:
    about = {"after" if op == "c" else "before": {"id": number}}
    made = record(
        op, offset=offset, key=b"%d" % number, lsn=number, commit=number, transaction=number, **about
    )
    return replace(made, topic="posts")


async def held(store: MemoryWindow, partition: int = 0) -> Held:
    return await store.take(Place("group", "", "posts", partition), IDENTITY, 2)


async def handled(one: Held, records: Sequence[Record], *, on: bool = True) -> list[int]:
    """The offsets that a handler gets."""
    async with one.batch(records, on=on, puts_aside=False, passed={}) as work:
        return [event.record.offset for event in work.batch.events]


async def fails(one: Held, records: Sequence[Record]) -> None:
    async with one.batch(records, on=True, puts_aside=False, passed={}):
        raise LookupError


async def test_an_event_is_handled_once_in_whatever_partition_it_comes() -> None:
    store = MemoryWindow(ttl_seconds=60, max_entries=1_000)
    here, there = await held(store), await held(store, 1)
    assert await handled(here, [row(1, 0), row(2, 1), row(1, 2)]) == [0, 1]
    assert await handled(there, [row(2, 0), row(3, 1)]) == [1]
    assert await handled(here, [row(2, 1), row(3, 3)]) == []
    assert (here.next_offset, there.next_offset, store.entries) == (4, 2, 3)


async def test_what_failed_is_new_again() -> None:
    one = await held(MemoryWindow(ttl_seconds=60, max_entries=1_000))
    with pytest.raises(LookupError):
        await fails(one, [row(1, 0)])
    assert one.seek_to is None
    async with one.batch([row(1, 0), row(2, 1)], on=True, puts_aside=False, passed={}) as work:
        work.batch.undone.add(1)
    assert one.next_offset == 1
    assert await handled(one, [row(1, 0), row(2, 1), row(1, 2)]) == [1]


async def test_what_another_partition_works_on_is_waited_for() -> None:
    store = MemoryWindow(ttl_seconds=60, max_entries=1_000)
    here, there = await held(store), await held(store, 1)
    async with here.batch([row(1, 0)], on=True, puts_aside=False, passed={}):
        async with there.batch(
            [row(7, 0), row(1, 1), row(8, 2)], on=True, puts_aside=False, passed={}
        ) as work:
            assert [event.record.offset for event in work.batch.events] == [0]
            assert work.batch.held_up_seconds
        assert there.next_offset == 1
    assert await handled(there, [row(1, 1), row(8, 2)]) == [2]


async def test_an_id_is_forgotten_when_its_time_is_over() -> None:
    clock = FakeClock()
    one = await held(MemoryWindow(ttl_seconds=60, max_entries=1_000, clock=clock))
    assert await handled(one, [row(1, 0)]) == [0]
    await clock.advance(59)
    assert await handled(one, [row(1, 1)]) == []
    await clock.advance(61)
    assert await handled(one, [row(1, 2)]) == [2]


async def test_turned_off_everything_is_handled_and_marked() -> None:
    one = await held(MemoryWindow(ttl_seconds=60, max_entries=1_000))
    assert await handled(one, [row(1, 0), row(1, 1)], on=False) == [0, 1]
    assert await handled(one, [row(1, 2)]) == []


async def test_a_tombstone_goes_the_way_of_its_delete_across_batches() -> None:
    one = await held(MemoryWindow(ttl_seconds=60, max_entries=1_000))
    tombstone = Record("posts", 0, 1, b"1")
    assert await handled(one, [row(1, 0, "d")]) == [0]
    assert await handled(one, [tombstone]) == [1]
    assert await handled(one, [row(1, 2, "d")]) == []
    assert await handled(one, [replace(tombstone, offset=3)]) == []
    assert await handled(one, [replace(tombstone, offset=4)]) == [4]


async def test_explains_what_it_knows() -> None:
    one = await held(MemoryWindow(ttl_seconds=60, max_entries=1_000))
    await handled(one, [row(1, 0)])
    assert (await one.explain(row(1, 7))).decision is Decision.DUP_SOURCE
    assert (await one.explain(row(1, 0))).decision is Decision.DUP_OFFSET
    assert (await one.explain(row(2, 7))).decision is Decision.NEW
    assert (await one.explain(Record("posts", 0, 8, b"1", b"no json"))).decision is Decision.QUARANTINE


async def test_a_loop_of_ones_own_checks_a_record_and_says_when_it_is_done() -> None:
    dedup = Deduplicator(
        group="g", identity=HeaderId("id"), store=MemoryWindow(ttl_seconds=60, max_entries=1_000)
    )
    one = Record(value=b"x", headers=(("id", b"7"),))
    first = await dedup.check(one)
    assert first.is_new
    assert isinstance(first.event, Event)
    assert (await dedup.check(one)).decision is Decision.IN_PROGRESS
    await first.failed()
    again = await dedup.check(one)
    assert again.is_new
    assert await again.done()
    assert (await dedup.check(one)).decision is Decision.DUP_SOURCE
    with pytest.raises(EventRefused):
        await dedup.check(Record(value=b"x"))


@pytest.mark.parametrize(
    ("ttl", "entries", "said"),
    [(0.5, 1_000, "ttl_seconds"), (60, 10, "max_entries=10 is not allowed: 1,000 to")],
)
async def test_an_argument_out_of_bounds_is_refused(ttl: float, entries: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        MemoryWindow(ttl_seconds=ttl, max_entries=entries)
