"""Events of Debezium's PostgreSQL connector: what tells them apart, and what is refused."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.core.errors import ConfigError
from quickwins.dedup._core.position import SourceId
from quickwins.dedup.errors import EventRefused, RefusedBecause
from quickwins.dedup.event import Event, Op
from quickwins.dedup.identity import DebeziumPostgres, Policy
from tests.unit.dedup.records import Record, envelope, record

READER = DebeziumPostgres(incarnation="pg1")


def read(one: Record) -> Event:
    return READER.read(one)


def refused(one: Record) -> RefusedBecause:
    with pytest.raises(EventRefused) as raised:
        READER.read(one)
    assert isinstance(raised.value.reason, RefusedBecause)
    return raised.value.reason


class TestReading:
    @pytest.mark.parametrize(
        ("letter", "op"),
        [
            ("c", Op.CREATE),
            ("u", Op.UPDATE),
            ("d", Op.DELETE),
            ("r", Op.READ),
            ("t", Op.TRUNCATE),
            ("m", Op.MESSAGE),
        ],
    )
    def test_each_operation(self, letter: str, op: Op) -> None:
        assert read(record(letter)).op is op

    def test_rows_key_table_and_position(self) -> None:
        event = read(record("u", before={"id": 1, "n": 1}, after={"id": 1, "n": 2}, lsn=300, commit=250))
        assert (event.key, event.before, event.after) == ({"id": 1}, {"id": 1, "n": 1}, {"id": 1, "n": 2})
        assert event.table == "public.posts"
        assert event.identity == SourceId(250, 300, 7, 1)

    def test_before_the_first_commit(self) -> None:
        identity = read(record(commit=None)).identity
        assert isinstance(identity, SourceId)
        assert identity.commit == 0

    def test_the_converters_schemas_are_taken_off(self) -> None:
        value = {"schema": {"type": "struct"}, "payload": envelope(after={"id": 1})}
        key = {"schema": {"type": "struct"}, "payload": {"id": 1}}
        event = read(Record(key=json.dumps(key).encode(), value=json.dumps(value).encode()))
        assert (event.op, event.key, event.after) == (Op.CREATE, {"id": 1}, {"id": 1})

    @pytest.mark.parametrize("shape", [str, dict, bytearray], ids=lambda shape: shape.__name__)
    def test_what_a_deserializer_of_the_consumers_made_of_it(self, shape: Any) -> None:
        plain = envelope(after={"id": 1})
        text = json.dumps(plain)
        value = {str: text, dict: plain, bytearray: bytearray(text.encode())}[shape]
        event = read(Record(key={"id": 1}, value=value))
        assert event.identity == read(record(after={"id": 1})).identity
        assert (event.key, event.after) == ({"id": 1}, {"id": 1})

    @pytest.mark.parametrize(
        "snapshot", ["true", "first", "last", "first_in_data_collection", "incremental", True]
    )
    def test_a_row_of_a_snapshot_has_no_position(self, snapshot: Any) -> None:
        event = read(record("c", snapshot=snapshot, after={"id": 1}))
        assert (event.op, event.identity, event.after) == (Op.READ, None, {"id": 1})

    def test_a_tombstone_has_neither_source_nor_position(self) -> None:
        event = read(Record(value=None))
        assert (event.op, event.identity, event.before, event.after) == (Op.TOMBSTONE, None, None, None)

    def test_an_event_is_frozen_and_shows_no_row(self) -> None:
        event = read(record(after={"id": 1, "body": "private"}, offset=3))
        with pytest.raises(AttributeError):
            event.op = Op.DELETE  # type: ignore[misc]  # -- that it must not be is what is tried; until=never
        assert repr(event) == "<Event c public.posts at feed.public.posts:0:3>"


class TestTellingApart:
    def test_the_envelopes_own_time_is_no_part_of_it(self) -> None:
        again = envelope(order=None, after={"id": 1})
        again["ts_ms"] += 60_000
        assert (
            read(record(order=None, after={"id": 1})).identity
            == read(Record(value=json.dumps(again).encode())).identity
        )

    def test_the_two_halves_of_a_changed_primary_key_share_a_position_only(self) -> None:
        old = read(record("d", order=None, key=b'{"id":1}', before={"id": 1})).identity
        new = read(record("c", order=None, key=b'{"id":2}', after={"id": 2})).identity
        assert isinstance(old, SourceId)
        assert isinstance(new, SourceId)
        assert old.position == new.position
        assert old.id != new.id

    def test_rows_whose_key_is_not_theirs_alone_differ_by_their_content(self) -> None:
        one, other = (read(record(order=None, after={"n": n})).identity for n in (1, 2))
        assert one != other

    def test_identical_rows_without_a_key_differ_by_their_place_in_the_transaction(self) -> None:
        one, other = (read(record(key=None, order=order, after={"n": 1})).identity for order in (1, 2))
        assert one != other


class TestRefusing:
    @pytest.mark.parametrize(
        ("one", "reason"),
        [
            pytest.param(Record(key=None, value=None), RefusedBecause.EMPTY, id="nothing"),
            pytest.param(Record(value=b""), RefusedBecause.NOT_JSON, id="empty value"),
            pytest.param(Record(value=b"\xff\xfe"), RefusedBecause.NOT_JSON, id="no text"),
            pytest.param(Record(value=b'{"op":'), RefusedBecause.NOT_JSON, id="cut off"),
            pytest.param(Record(value=b"\x00\x00\x00\x00\x01avro"), RefusedBecause.NOT_JSON, id="avro"),
            pytest.param(Record(value=b"[1]"), RefusedBecause.UNKNOWN_ENVELOPE, id="array"),
            pytest.param(Record(value=b"null"), RefusedBecause.UNKNOWN_ENVELOPE, id="json null"),
            pytest.param(Record(value=b'{"op":1}'), RefusedBecause.UNKNOWN_ENVELOPE, id="op of another type"),
            pytest.param(
                Record(value=object()), RefusedBecause.UNKNOWN_ENVELOPE, id="an object of somebody's"
            ),
            pytest.param(Record(value=b'{"id":1,"n":2}'), RefusedBecause.FLATTENED, id="flattened"),
            pytest.param(
                Record(value=b'{"id":1,"__op":"c","__lsn":7}'),
                RefusedBecause.FLATTENED,
                id="flattened with fields",
            ),
            pytest.param(record("z"), RefusedBecause.UNKNOWN_ENVELOPE, id="unknown operation"),
            pytest.param(record(connector="mysql"), RefusedBecause.UNKNOWN_ENVELOPE, id="another database"),
            pytest.param(record(lsn=None), RefusedBecause.NO_POSITION, id="no lsn"),
            pytest.param(record(sequence=None), RefusedBecause.NO_POSITION, id="before Debezium 1.7"),
            pytest.param(record(sequence="nonsense"), RefusedBecause.NO_POSITION, id="unreadable sequence"),
            pytest.param(record(sequence='["-5","7"]'), RefusedBecause.NO_POSITION, id="negative"),
            pytest.param(record(lsn=1 << 64), RefusedBecause.UNKNOWN_ENVELOPE, id="too large"),
            pytest.param(record(key=None, order=None), RefusedBecause.NO_ORDER, id="no key and no order"),
        ],
    )
    def test_what_has_no_identity(self, one: Record, reason: RefusedBecause) -> None:
        assert refused(one) is reason

    def test_what_says_how_to_mend_it(self) -> None:
        with pytest.raises(EventRefused, match=r"provide\.transaction\.metadata=true"):
            read(record(key=None, order=None))
        with pytest.raises(EventRefused, match="ExtractNewRecordState"):
            read(Record(value=b'{"id":1}'))

    @given(st.one_of(st.binary(max_size=64), st.text(max_size=64), st.none(), st.integers(), st.floats()))
    def test_whatever_comes_is_read_or_refused_by_name(self, value: Any) -> None:
        with suppress(EventRefused):
            assert isinstance(read(Record(value=value)).op, Op)

    def test_no_row_is_in_the_message(self) -> None:
        with pytest.raises(EventRefused) as raised:
            read(Record(value=b'{"op":{"secret":"hunter2"}}'))
        assert "hunter2" not in str(raised.value)


class TestPolicies:
    def test_by_default(self) -> None:
        assert READER.policies == {
            Op.READ: Policy.APPLY,
            Op.TOMBSTONE: Policy.SKIP,
            Op.TRUNCATE: Policy.APPLY,
            Op.MESSAGE: Policy.SKIP,
        }

    @pytest.mark.parametrize("name", ["snapshots", "tombstones", "truncates", "messages"])
    def test_what_is_none_is_refused(self, name: str) -> None:
        with pytest.raises(ConfigError, match=f"{name} must be one of"):
            DebeziumPostgres(incarnation="pg1", **{name: "ignore"})  # type: ignore[arg-type]  # -- what is tried; until=never

    @pytest.mark.parametrize("incarnation", ["", "x" * 101, 7])
    def test_an_incarnation_has_a_name(self, incarnation: Any) -> None:
        with pytest.raises(ConfigError, match="incarnation"):
            DebeziumPostgres(incarnation=incarnation)
