"""Rows that are decoded along with their records, because the handler reads them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import Raw

from quickwins.dedup import DebeziumPostgres, HeaderId
from quickwins.dedup._core.reading import Reader
from quickwins.dedup.errors import EventRefused
from quickwins.dedup.event import Event
from tests.unit.dedup.records import Record, envelope, real_records, record

if TYPE_CHECKING:
    from collections.abc import Sequence

IDENTITY = DebeziumPostgres(incarnation="pg1", messages="apply")


def facts(reading: Event | EventRefused) -> Any:
    """All that can be asked of it."""
    if isinstance(reading, EventRefused):
        return reading.reason
    return reading.op, reading.identity, reading.table, reading.key, reading.before, reading.after


def strange() -> list[Record]:
    """Records of every shape, one of them behind each that is refused."""
    plain = envelope(after={"id": 1, "body": "a"}, before={"id": 1})
    values = [
        plain,
        {"payload": plain, "schema": {}},
        envelope(order=None, after={"id": 1, "likes": 1e300}),
        envelope(op="d", before={"id": 1}),
        envelope(op="r", after={"id": 2}),
        {**envelope(op="m"), "message": {"prefix": "p", "content": "aGk="}},
        envelope(lsn=None, commit=1),
        {"id": 1},
        envelope(after=[1, 2]),
        envelope(after={"id": 1 << 80}),
    ]
    found = [Record(offset=number, value=json.dumps(value).encode()) for number, value in enumerate(values)]
    whole = json.dumps(plain)
    others: list[Any] = [None, b"no JSON", whole.encode() + b"}", whole, plain, whole.replace("a", "\udcff")]
    return found + [Record(offset=100 + number, value=value) for number, value in enumerate(others)]


@pytest.mark.parametrize("records", [strange(), real_records()], ids=["strange", "real"])
def test_they_make_no_difference_to_what_is_read(records: Sequence[Record]) -> None:
    along = IDENTITY.read_all(records, rows=True)
    assert [facts(one) for one in along] == [facts(one) for one in IDENTITY.read_all(records, rows=False)]
    alone = []
    for one in records:
        try:
            alone.append(facts(IDENTITY.read(one)))
        except EventRefused as error:
            alone.append(error.reason)
    assert [facts(one) for one in along] == alone


def batch(reader: Reader, start: int, *, reads: bool) -> bool:
    """Whether the rows of a batch were decoded along, of which a handler reads all or none."""
    records = [record(offset=start + number, after={"id": number}) for number in range(4)]
    reader.keep(records, reader.read_now(records))
    events = [one for one in reader.read_all(records) if isinstance(one, Event)]
    along = [one.rows is not None and type(one.rows.after) is not Raw for one in events]
    if reads:
        assert [one.after for one in events] == [{"id": number} for number in range(4)]
    reader.handled(events)
    assert along in ([True] * 4, [False] * 4)
    return along[0]


def test_they_are_once_a_handler_reads_them() -> None:
    reader = Reader(IDENTITY)
    assert [batch(reader, 4 * number, reads=True) for number in range(3)] == [False, True, True]


def test_they_are_not_when_no_handler_reads_them() -> None:
    reader = Reader(IDENTITY)
    assert not any(batch(reader, 4 * number, reads=False) for number in range(40))


def test_they_are_not_any_more_soon_after_a_handler_reads_them_no_more() -> None:
    reader = Reader(IDENTITY)
    assert [batch(reader, 4 * number, reads=True) for number in range(2)] == [False, True]
    assert not [batch(reader, 4 * number, reads=False) for number in range(2, 40)][-1]


def test_an_identity_of_the_services_own_reads_each_itself() -> None:
    class Own(DebeziumPostgres):
        def read(self, record: Any) -> Event:
            return super().read(Record(offset=record.offset, value=record.value["cdc"]))

    wrapped = Record(offset=7, value={"cdc": json.dumps(envelope(after={"id": 1})).encode()})
    (event,) = Reader(Own(incarnation="pg1")).read_all([wrapped])
    assert isinstance(event, Event)
    assert event.after == {"id": 1}


def test_an_identity_that_reads_one_at_a_time_is_never_asked_for_rows() -> None:
    reader = Reader(HeaderId("id"))
    one = Record(value=b'{"id":1}', headers=[("id", b"a")])
    for _ in range(2):
        (event,) = reader.read_all([one])
        assert isinstance(event, Event)
        assert event.after == b'{"id":1}'
        reader.handled([event])
