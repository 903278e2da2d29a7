"""Ids in the order of their positions against a plain set of them: in any order, in several partitions, whatever fails."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from quickwins.core.clock import FakeClock
from quickwins.dedup import DebeziumPostgres, Decision, MemoryWindow
from quickwins.dedup._core.ordered import Columns
from quickwins.dedup._core.position import SourceId
from quickwins.dedup.stores._base import Place
from tests.unit.dedup.records import Record, envelope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quickwins.dedup.stores.memory_window import Held

IDENTITY = DebeziumPostgres(incarnation="pg1")
FAR = 1 << 40


class Row(NamedTuple):
    """What a change is told by; without an order, by its key."""

    commit: int
    lsn: int
    transaction: int
    order: int | None = 1
    key: int = 0


def record(row: Row, offset: int, partition: int = 0) -> Record:
    change = envelope(
        lsn=row.lsn,
        commit=row.commit,
        transaction=row.transaction,
        order=row.order,
        after={"id": row.key},
    )
    return Record("posts", partition, offset, b"%d" % row.key, json.dumps(change).encode())


def rows(*commits: int) -> list[Row]:
    return [Row(commit, commit + 1, commit) for commit in commits]


@dataclass
class Batch:
    """What a partition is given, and what becomes of it."""

    partition: int
    rows: list[Row]
    fails: bool
    undone: int
    during: bool


numbers = st.integers(1, 6)
few = st.builds(
    Row,
    commit=numbers | st.just(FAR),
    lsn=numbers | st.just(FAR + 1),
    transaction=st.integers(1, 2) | st.just(FAR),
    order=st.integers(1, 3) | st.none() | st.just(FAR),
    key=st.integers(1, 2),
)
in_order = st.lists(numbers, min_size=1, max_size=6, unique=True).map(lambda found: rows(*sorted(found)))
batches = st.builds(
    Batch,
    partition=st.integers(0, 2),
    rows=in_order | st.lists(few, min_size=1, max_size=8),
    fails=st.sampled_from([False, False, False, True]),
    undone=st.sampled_from([0, 0, 0, 1, 2]),
    during=st.sampled_from([False, False, True]),
)


class Model:
    """A store, and what it must know. A batch is in progress while those behind it that come `during` it are."""

    def __init__(self) -> None:
        self.store = MemoryWindow(ttl_seconds=60, max_entries=100_000, clock=FakeClock())
        self.marked: set[Row] = set()
        self.busy: set[Row] = set()
        self.offsets = [0, 0, 0]
        self.open: set[int] = set()
        self.held: dict[int, Held] = {}

    async def take(self, partition: int) -> Held:
        if partition not in self.held:
            self.held[partition] = await self.store.take(Place("g", "", "posts", partition), IDENTITY, 3)
        return self.held[partition]

    def expected(self, asked: Sequence[Row]) -> list[int]:
        """The numbers of those that are new."""
        new: dict[Row, int] = {}
        for number, row in enumerate(asked):
            if row in self.busy and row not in self.marked:
                break
            if row not in self.marked:
                new.setdefault(row, number)
        return [*new.values()]

    async def run(self, plan: list[Batch]) -> None:
        """Do all of it."""
        while plan:
            await self.step(plan)

    async def step(self, plan: list[Batch]) -> None:
        """Do the first, and amid it what comes during it."""
        one = plan.pop(0)
        if one.partition in self.open:
            return
        held, start = await self.take(one.partition), self.offsets[one.partition]
        asked = [_named(row) for row in one.rows]
        self.offsets[one.partition] += len(asked)
        records = [record(row, start + number, one.partition) for number, row in enumerate(one.rows)]
        new = self.expected(asked)
        try:
            async with held.batch(records, on=True, puts_aside=False, passed={}) as work:
                assert [event.record.offset - start for event in work.batch.events] == new
                mine = {asked[number] for number in new}
                self.busy |= mine
                self.open.add(one.partition)
                try:
                    while plan and plan[0].during:
                        await self.step(plan)
                    undone = new[: one.undone]
                    work.batch.undone |= {start + number for number in undone}
                    if one.fails:
                        raise LookupError
                finally:
                    self.busy -= mine
                    self.open.discard(one.partition)
            self.marked |= mine - {asked[number] for number in undone}
        except LookupError:
            pass
        assert self.store.entries == len(self.marked)


def _named(row: Row) -> Row:
    """It, as far as it is told apart: with an order the key says nothing."""
    return row if row.order is None else row._replace(key=0)


@given(plan=st.lists(batches, min_size=1, max_size=12))
def test_it_knows_what_a_set_would_know(plan: list[Batch]) -> None:
    asyncio.run(Model().run(plan))


async def handled(held: Held, some: Sequence[Row], start: int) -> list[int]:
    """The numbers of those that the handler gets."""
    records = [record(row, start + number, held.place.partition) for number, row in enumerate(some)]
    async with held.batch(records, on=True, puts_aside=False, passed={}) as work:
        return [event.record.offset - start for event in work.batch.events]


def test_one_checked_by_itself_is_known_to_lanes_and_waited_for() -> None:
    async def check() -> None:
        store = MemoryWindow(ttl_seconds=60, max_entries=1_000)
        place = Place("g", "", "posts", 0)
        held = await store.take(place, IDENTITY, 1)
        one, two, three = rows(10, 20, 30)
        checked = await store.check_one(place, IDENTITY, record(two, 50), on=True)
        assert checked.is_new
        assert await handled(held, [one, two, three], 0) == [0]
        await checked.done()
        assert await handled(held, [one, two, three], 1) == [2]
        for known in (one, two, three):
            again = await store.check_one(place, IDENTITY, record(known, 60), on=True)
            assert again.decision is Decision.DUP_SOURCE

    asyncio.run(check())


def test_to_explain_a_record_makes_nothing_known() -> None:
    async def check() -> None:
        store = MemoryWindow(ttl_seconds=60, max_entries=1_000)
        held = await store.take(Place("g", "", "posts", 0), IDENTITY, 1)
        (far,) = rows(FAR)
        assert (await held.explain(record(far, 9))).decision is Decision.NEW
        assert await handled(held, rows(1, 2), 0) == [0, 1]
        assert (await held.explain(record(rows(2)[0], 9))).decision is Decision.DUP_SOURCE
        assert store.entries == 2

    asyncio.run(check())


def test_another_incarnation_or_topic_knows_nothing_of_it() -> None:
    async def check() -> None:
        store = MemoryWindow(ttl_seconds=60, max_entries=1_000)
        for place, identity in (
            (Place("g", "", "posts", 0), IDENTITY),
            (Place("g", "", "likes", 0), IDENTITY),
            (Place("g", "", "posts", 0), DebeziumPostgres(incarnation="pg2")),
        ):
            assert await handled(await store.take(place, identity, 1), rows(1, 2), 0) == [0, 1]

    asyncio.run(check())


def test_they_are_known_for_their_time_and_forgotten_after_twice_that() -> None:
    async def check() -> None:
        clock = FakeClock()
        store = MemoryWindow(ttl_seconds=60, max_entries=1_000, clock=clock)
        held = await store.take(Place("g", "", "posts", 0), IDENTITY, 1)
        assert await handled(held, rows(1, 2), 0) == [0, 1]
        await clock.advance(59)
        assert await handled(held, rows(1, 2, 3), 2) == [2]
        await clock.advance(59)
        assert await handled(held, rows(1, 2, 3), 5) == []
        await clock.advance(62)
        assert await handled(held, rows(1, 2, 3), 8) == [0, 1, 2]

    asyncio.run(check())


def test_both_kinds_together_are_no_more_than_fit() -> None:
    async def check() -> None:
        store = MemoryWindow(ttl_seconds=60, max_entries=1_000)
        held = await store.take(Place("g", "", "posts", 0), IDENTITY, 1)
        offset = 0
        for turn in range(30):
            some = [*rows(*range(100 * turn + 1, 100 * turn + 60)), Row(turn, turn, turn, None, turn)]
            assert len(await handled(held, some, offset)) == 60
            offset += 60
            assert store.entries <= 1_000
            assert await handled(held, some, offset) == []
            offset += 60
        assert await handled(held, rows(1, 2), offset) == [0, 1]

    asyncio.run(check())


def test_a_lane_far_wider_than_another_finds_what_the_other_has() -> None:
    async def check() -> None:
        store = MemoryWindow(ttl_seconds=60, max_entries=10_000)
        wide = await store.take(Place("g", "", "posts", 0), IDENTITY, 2)
        sparse = await store.take(Place("g", "", "posts", 1), IDENTITY, 2)
        assert len(await handled(wide, rows(*range(10, 1_010, 2)), 0)) == 500
        assert await handled(sparse, rows(11, 500, 1_009), 0) == [0, 2]
        assert await handled(sparse, rows(1_011, 1_013), 3) == [0, 1]
        assert await handled(wide, rows(1_009, 1_011, 1_012), 500) == [2]

    asyncio.run(check())


def test_columns_are_given_back_in_steps() -> None:
    columns = Columns()
    columns.add([SourceId(number, number + 1, number, 1) for number in range(70_000)])
    assert columns.bytes == 70_000 * 20
    assert not columns.give_back()
    assert 0 < len(columns) < 70_000
    assert columns.give_back()


async def _kept(stack: AsyncExitStack, held: Held, some: Sequence[Row]) -> list[int]:
    records = [record(row, number, held.place.partition) for number, row in enumerate(some)]
    work = await stack.enter_async_context(held.batch(records, on=True, puts_aside=False, passed={}))
    return [event.record.offset for event in work.batch.events]


def test_what_another_lane_has_in_progress_is_waited_for() -> None:
    async def check() -> None:
        store = MemoryWindow(ttl_seconds=60, max_entries=1_000)
        here, there = [await store.take(Place("g", "", "posts", number), IDENTITY, 2) for number in (0, 1)]
        async with AsyncExitStack() as stack:
            assert await _kept(stack, here, rows(5, 7)) == [0, 1]
            assert await _kept(stack, there, rows(6, 7, 8)) == [0]
        assert there.next_offset == 1
        assert await handled(there, rows(7, 8), 1) == [1]

    asyncio.run(check())


def test_two_transactions_at_one_place_are_two_changes() -> None:
    async def check() -> None:
        store = MemoryWindow(ttl_seconds=60, max_entries=1_000)
        here, there = [await store.take(Place("g", "", "posts", number), IDENTITY, 2) for number in (0, 1)]
        async with AsyncExitStack() as stack:
            assert await _kept(stack, here, [Row(5, 6, 1), Row(5, 6, 2)]) == [0, 1]
            assert await _kept(stack, there, [Row(5, 6, 3), Row(5, 6, 1)]) == [0]
        assert await handled(here, [Row(5, 6, transaction) for transaction in (1, 2, 3, 4)], 2) == [3]

    asyncio.run(check())


def test_a_lane_with_a_batch_in_progress_takes_no_other() -> None:
    async def check() -> None:
        store = MemoryWindow(ttl_seconds=60, max_entries=1_000)
        place = Place("g", "", "posts", 0)
        before, behind = [await store.take(place, IDENTITY, 1) for _ in range(2)]
        async with AsyncExitStack() as stack:
            assert await _kept(stack, before, rows(5, 7)) == [0, 1]
            assert await handled(behind, rows(6, 9), 10) == [0, 1]
            assert await handled(behind, rows(5), 12) == []
        assert await handled(behind, rows(5, 6, 7, 8, 9, 10), 13) == [3, 5]

    asyncio.run(check())
