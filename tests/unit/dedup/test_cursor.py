"""What becomes of a partition's next record: real events, made-up histories, and the cases that everybody gets wrong."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.dedup._core.cursor import MAX_IDS, Cursor
from quickwins.dedup._core.ledger import Ledger
from quickwins.dedup._core.position import SourceId
from quickwins.dedup.decision import Decision
from quickwins.dedup.event import Op
from quickwins.dedup.identity import DebeziumPostgres
from tests.unit.dedup.records import real_records, real_truth

NEW, DUP, QUARANTINE = Decision.NEW, Decision.DUP_SOURCE, Decision.QUARANTINE


def cursor(remembered: int = 1_000) -> Cursor:
    return Cursor(Ledger(remembered))


def at(commit: int, lsn: int, *, transaction: int = 1, order: int = 1) -> SourceId:
    return SourceId(commit, lsn, transaction, order)


def judge_all(one: Cursor, *events: SourceId) -> list[Decision]:
    first = one.next_offset or 0
    return [one.judge(first + place, event) for place, event in enumerate(events)]


class TestRealEvents:
    def test_applying_what_is_new_ends_in_the_state_of_the_database(self) -> None:
        identity = DebeziumPostgres(incarnation="pg1")
        cursors: dict[str, Cursor] = {}
        posts: dict[int, list[Any]] = {}
        keyless: Counter[tuple[Any, Any]] = Counter()
        decisions: Counter[Decision] = Counter()
        for record in real_records():
            event = identity.read(record)
            one = cursors.setdefault(record.topic, cursor())
            if event.identity is None:
                one.pass_by(record.offset)
                decision = NEW
            else:
                assert isinstance(event.identity, SourceId)
                decision = one.judge(record.offset, event.identity)
                decisions[decision] += 1
            if decision is not NEW or event.op is Op.TOMBSTONE:
                continue
            if event.table == "public.events_keyless":
                keyless[event.after["kind"], event.after["n"]] += 1
            elif event.op is Op.DELETE:
                del posts[event.before["id"]]
            else:
                row = event.after
                posts[row["id"]] = [row["id"], row["user_id"], row["body"], row["likes"]]
        truth = real_truth()
        assert sorted(posts.values()) == truth["posts"]
        assert sorted([*kind, count] for kind, count in keyless.items()) == truth["events_keyless"]
        assert decisions == {NEW: 956, DUP: 631}

    def test_a_watermark_of_the_rows_own_position_would_lose_events(self) -> None:
        """The control: what everybody writes first fails on the same stream."""
        identity = DebeziumPostgres(incarnation="pg1")
        highest: dict[str, int] = {}
        applied = 0
        for record in real_records():
            event = identity.read(record)
            if isinstance(event.identity, SourceId) and event.identity.lsn > highest.get(record.topic, -1):
                highest[record.topic] = event.identity.lsn
                applied += 1
        assert applied < 956


class TestWatermark:
    def test_rows_of_one_page_share_a_position(self) -> None:
        one = cursor()
        page = [at(10, 20, order=order) for order in range(1, 300)]
        assert set(judge_all(one, *page)) == {NEW}
        assert set(judge_all(one, *page)) == {DUP}

    def test_transactions_interleave_in_the_log_and_come_by_their_commits(self) -> None:
        one = cursor()
        assert judge_all(one, at(100, 90, transaction=1), at(110, 80, transaction=2)) == [NEW, NEW]

    def test_a_transaction_begins_where_the_one_before_was_committed(self) -> None:
        one = cursor()
        assert judge_all(
            one, at(100, 100, transaction=1), at(100, 116, transaction=1), at(140, 140, transaction=2)
        ) == [NEW, NEW, NEW]

    def test_before_the_first_commit_there_is_no_commit_position(self) -> None:
        one = cursor()
        events = at(0, 50, transaction=1), at(60, 60, transaction=2)
        assert judge_all(one, *events, *events) == [NEW, NEW, DUP, DUP]

    def test_an_event_of_a_transaction_never_seen_below_the_watermark_is_not_guessed(self) -> None:
        one = cursor()
        judge_all(one, at(100, 100, transaction=1), at(200, 200, transaction=2))
        before = one.mark()
        assert one.judge(2, at(100, 100, transaction=9)) is QUARANTINE
        assert one.mark() == before

    def test_a_transaction_id_that_a_restored_server_gave_again_is_not_the_same_transaction(self) -> None:
        one = cursor()
        judge_all(one, at(100, 100, transaction=1), at(200, 200, transaction=2))
        assert one.judge(2, at(150, 150, transaction=2)) is QUARANTINE

    def test_the_same_position_in_another_transaction_is_not_guessed(self) -> None:
        one = cursor()
        judge_all(one, at(100, 100, transaction=1))
        assert one.judge(1, at(100, 100, transaction=2, order=2)) is QUARANTINE

    def test_a_connector_that_lost_its_offsets_begins_without_a_commit_position(self) -> None:
        one = cursor()
        judge_all(one, at(100, 100, transaction=1))
        assert one.judge(1, at(0, 130, transaction=2)) is QUARANTINE

    def test_what_is_older_than_the_transactions_remembered_is_not_guessed(self) -> None:
        one = cursor(remembered=8)
        events = [at(commit, commit, transaction=commit) for commit in range(1, 100)]
        judge_all(one, *events)
        one.ledger.trim()
        assert one.judge(99, events[0]) is QUARANTINE
        assert one.judge(99, events[-8]) is DUP

    def test_more_events_at_one_position_than_a_page_can_hold_is_no_page(self) -> None:
        one = cursor()
        judge_all(one, *(at(1, 1, order=order) for order in range(MAX_IDS)))
        assert one.judge(MAX_IDS, at(1, 1, order=MAX_IDS)) is QUARANTINE

    def test_logical_messages_have_positions_that_run_ahead_and_hide_no_row(self) -> None:
        one = cursor()
        message = at(100, 500, transaction=1)
        assert one.judge(0, message, message=True) is NEW
        assert one.judge(1, at(100, 120, transaction=1)) is NEW
        assert one.judge(2, message, message=True) is DUP

    def test_what_has_no_position_moves_the_offset_alone(self) -> None:
        one = cursor()
        judge_all(one, at(100, 100))
        one.pass_by(7)
        assert one.next_offset == 8
        assert one.rows.commit == 100

    def test_a_record_that_kafka_delivers_again_is_known_by_its_offset(self) -> None:
        one = cursor()
        assert not one.delivered(0)
        judge_all(one, at(100, 100))
        assert one.delivered(0)
        assert not one.delivered(1)


class TestGoingBack:
    @given(st.data())
    def test_a_batch_that_fails_leaves_nothing(self, data: st.DataObject) -> None:
        one, twin = cursor(), cursor()
        history = data.draw(histories())
        split = data.draw(st.integers(0, len(history)))
        judge_all(one, *history[:split])
        judge_all(twin, *history[:split])
        mark = one.mark()
        judge_all(one, *history[split:])
        one.back(mark)
        assert one.mark() == twin.mark()
        assert one.ledger.dump() == twin.ledger.dump()


@st.composite
def histories(draw: st.DrawFn, *, start: int = 0, first_transaction: int = 1) -> list[SourceId]:
    """The row events of a source that one partition gets, in the order of their commits."""
    events, commit = [], start
    for transaction in range(first_transaction, first_transaction + draw(st.integers(1, 12))):
        begin = commit + draw(st.integers(0, 5))
        lsn = begin
        for order in range(1, draw(st.integers(1, 6)) + 1):
            events.append(at(commit, lsn, transaction=transaction, order=order))
            lsn += draw(st.sampled_from((0, 0, 1, 7)))
        commit = max(commit + 1, lsn + draw(st.integers(1, 5)))
    return events


class TestAnyHistory:
    @given(st.data())
    def test_each_event_has_its_effect_once_however_often_the_connector_starts_again(
        self, data: st.DataObject
    ) -> None:
        history = data.draw(histories())
        stream: list[SourceId] = []
        sent = 0
        while sent < len(history):  # each start sends from somewhere already sent on
            begin = data.draw(st.integers(0, sent))
            end = data.draw(st.integers(sent + 1, len(history)))
            stream += history[begin:end]
            sent = end
        one = cursor()
        applied: list[SourceId] = []
        for offset, event in enumerate(stream):
            decision = one.judge(offset, event)
            assert decision in (NEW, DUP)
            if decision is NEW:
                applied.append(event)
        assert applied == history

    @given(st.data())
    def test_nothing_of_another_history_is_ever_taken_for_a_duplicate(self, data: st.DataObject) -> None:
        """Restored to some point, the source goes on from there and gives positions and transaction ids again."""
        history = data.draw(histories())
        restored_to = data.draw(st.integers(0, len(history) - 1))
        last = history[restored_to]
        other = data.draw(histories(start=last.lsn + 1, first_transaction=last.transaction + 1))
        one = cursor()
        judge_all(one, *history)
        offset = len(history)
        for event in other:
            if event in history:
                continue  # no position tells them apart
            decision = one.judge(offset, event)
            known = {(seen.commit, seen.transaction) for seen in history}
            assert decision is not DUP or (event.commit, event.transaction) in known
            if decision is QUARANTINE:
                return
            offset += 1


class TestExplaining:
    @pytest.mark.parametrize(
        ("event", "decision", "says"),
        [
            pytest.param(at(300, 300, transaction=3), NEW, "is above (0/C8, 0/C8)", id="above"),
            pytest.param(
                at(200, 200, transaction=2, order=2), NEW, "another event at (0/C8, 0/C8)", id="beside"
            ),
            pytest.param(at(200, 200, transaction=2), DUP, "one of the 1 seen at", id="same"),
            pytest.param(at(100, 100, transaction=1), DUP, "its transaction 1 was seen", id="below"),
            pytest.param(
                at(100, 100, transaction=9), QUARANTINE, "as after a restore or a failover", id="unknown"
            ),
        ],
    )
    def test_says_why_with_the_positions_and_changes_nothing(
        self, event: SourceId, decision: Decision, says: str
    ) -> None:
        one = cursor()
        judge_all(one, at(100, 100, transaction=1), at(200, 200, transaction=2))
        before = one.mark()
        explained = one.explain(2, event)
        assert explained.decision is decision
        assert says in explained.reason
        assert explained.evidence["watermark"] == "0/C8, 0/C8"
        assert one.mark() == before

    def test_says_that_kafka_delivered_a_record_again(self) -> None:
        one = cursor()
        judge_all(one, at(100, 100))
        assert one.explain(0, at(100, 100)).decision is Decision.DUP_OFFSET

    def test_says_that_a_record_has_no_position(self) -> None:
        assert cursor().explain(0, None).decision is NEW


class TestLedger:
    @given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 3))))
    def test_knows_what_was_added_and_keeps_it_through_a_dump(self, added: list[tuple[int, int]]) -> None:
        ledger = Ledger(1_000)
        for commit, transaction in sorted(added):
            ledger.add(commit, transaction)
        other = Ledger(1_000)
        other.load(ledger.dump())
        for commit in range(51):
            for transaction in range(4):
                known = (commit, transaction) in added
                assert ledger.knows(commit, transaction) is known
                assert other.knows(commit, transaction) is known

    def test_a_dump_that_is_cut_off_is_refused(self) -> None:
        with pytest.raises(ValueError, match="half a transaction"):
            Ledger(10).load(b"\0" * 8)

    def test_forgets_the_oldest(self) -> None:
        ledger = Ledger(10)
        for commit in range(100):
            ledger.add(commit, commit)
            ledger.trim()
        assert 10 <= len(ledger) <= 12
        assert ledger.knows(99, 99)
        assert not ledger.knows(50, 50)
