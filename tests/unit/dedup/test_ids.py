"""A batch by ids is decided about as its records are, one after the other."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.dedup import DebeziumPostgres, Decision, HeaderId, Identity
from quickwins.dedup._core.ids import Answer, Progress, settle
from quickwins.dedup._core.scope import Scope
from tests.unit.dedup.records import Record, real_records
from tests.unit.dedup.streams import streams

POSITIONS = DebeziumPostgres(incarnation="pg1", tombstones="forward")


def decided(
    records: list[Record],
    step: int,
    *,
    identity: Identity = POSITIONS,
    on: bool = True,
    passed: frozenset[int] = frozenset(),
) -> tuple[list[int], Counter[Decision], list[int], int | None]:
    """All that a consumer can see of it, `step` records at a time, with a store that knows what had its effect."""
    progress, known = Progress(identity, Scope("group", "", "posts")), set[bytes]()
    events: list[int] = []
    aside: list[int] = []
    counts = Counter[Decision]()
    for at in range(0, len(records), step):
        asking = progress.ask(records[at : at + step], puts_aside=True, passed=passed)
        answers = {
            number: Answer(Decision.DUP_SOURCE) for number, one in asking.wanted.items() if one in known
        }
        settled = settle(asking, answers, on=on)
        known |= {asking.wanted[number] for number in settled.mine}
        events += [event.record.offset for event in settled.batch.events]
        aside += [one.record.offset for one in settled.batch.aside]
        counts += settled.batch.counts
        assert not settled.spare
        progress.move(settled)
    return events, counts, aside, progress.next_offset


class TestAnyStream:
    @given(streams(), st.booleans(), st.frozensets(st.integers(0, 11), max_size=1), st.integers(2, 12))
    def test_at_once_or_one_by_one(
        self, records: list[Record], on: bool, passed: frozenset[int], step: int
    ) -> None:
        assert decided(records, step, on=on, passed=passed) == decided(records, 1, on=on, passed=passed)

    @given(st.lists(st.sampled_from((b"a", b"b", b"c")), min_size=1, max_size=9), st.integers(2, 9))
    def test_ids_of_producers(self, ids: list[bytes], step: int) -> None:
        records = [
            Record(offset=offset, value=b"x", headers=(("id", one),)) for offset, one in enumerate(ids)
        ]
        events, counts, *_ = found = decided(records, step, identity=HeaderId("id"))
        assert found == decided(records, 1, identity=HeaderId("id"))
        assert [ids[offset] for offset in events] == list(dict.fromkeys(ids))
        assert counts.total() == len(ids)

    @given(streams(), st.integers(0, 12), st.integers(1, 12))
    def test_what_somebody_else_works_on_ends_a_batch_and_the_rest_is_given_back(
        self, records: list[Record], busy: int, step: int
    ) -> None:
        progress = Progress(POSITIONS, Scope("group", "", "posts"))
        asking = progress.ask(records[:step], puts_aside=True, passed=())
        answers = {
            number: Answer(Decision.IN_PROGRESS, wait_seconds=2.0)
            for number in asking.wanted
            if number == busy
        }
        settled = settle(asking, answers, on=True)
        progress.move(settled)
        assert sorted(settled.mine + settled.spare) == [number for number in asking.wanted if number != busy]
        if answers:
            assert settled.batch.held_up_seconds == 2.0
            assert settled.ended == busy
            assert progress.next_offset == (records[busy].offset if busy else None)
            assert all(number > busy for number in settled.spare)
        else:
            assert settled.ended == len(records[:step])
            assert not settled.spare


@pytest.mark.parametrize("step", [7, 1_000])
def test_real_events_in_batches_of_any_size(step: int) -> None:
    by_topic: dict[str, list[Record]] = {}
    for one in real_records():
        by_topic.setdefault(one.topic, []).append(one)
    for records in by_topic.values():
        assert decided(records, step) == decided(records, 1)
