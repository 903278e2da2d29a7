"""A batch is judged as its records are, one after the other: the way that is quick for many of a kind changes nothing."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.dedup import DebeziumPostgres, Decision
from quickwins.dedup._core.batch import sort
from quickwins.dedup._core.cursor import Cursor
from quickwins.dedup._core.ledger import Ledger
from quickwins.dedup.stores import _saved
from tests.unit.dedup.records import Record, real_records
from tests.unit.dedup.streams import streams

NEVER = 1_000_000
"""An offset that does not come: while one is given up, each record is judged by itself."""
IDENTITY = DebeziumPostgres(incarnation="pg1", tombstones="forward")


def judged(
    records: list[Record],
    step: int,
    *,
    on: bool = True,
    passed: tuple[int, ...] = (),
    start: int | None = None,
) -> tuple[list[int], Counter[Decision], list[int], int | None, bytes, bytes, int | None]:
    """All that a consumer can see of it, `step` records at a time."""
    cursor, counts = Cursor(Ledger(100), start), Counter[Decision]()
    events: list[int] = []
    aside: list[int] = []
    stopped = None
    for at in range(0, len(records), step):
        batch = sort(cursor, IDENTITY, records[at : at + step], on=on, puts_aside=True, passed=passed)
        events += [event.record.offset for event in batch.events]
        aside += [one.record.offset for one in batch.aside]
        counts += batch.counts
        if batch.stopped is not None:
            stopped = batch.stopped.record.offset
            break
    return events, counts, aside, stopped, _saved.dump(cursor), cursor.ledger.dump(), cursor.next_offset


class TestAnyStream:
    @given(streams(), st.booleans(), st.sets(st.integers(0, 11), max_size=1), st.integers(0, 3))
    def test_at_once_or_one_by_one(
        self, records: list[Record], on: bool, passed: set[int], start: int
    ) -> None:
        given_up = tuple(passed)
        at_once = judged(records, len(records), on=on, passed=given_up, start=start)
        assert at_once == judged(records, 1, on=on, passed=(*given_up, NEVER), start=start)


@pytest.mark.parametrize("step", [7, 1_000])
def test_real_events_in_batches_of_any_size(step: int) -> None:
    by_topic: dict[str, list[Record]] = {}
    for one in real_records():
        by_topic.setdefault(one.topic, []).append(one)
    for records in by_topic.values():
        assert judged(records, step) == judged(records, 1, passed=(NEVER,))
