"""What is a line of a log, and what is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.logs.timeline import (
    MAX_LINE_BYTES,
    Flaw,
    Log,
    Parsed,
    Query,
    Severity,
    first_errors,
    read,
    written,
)
from quickwins.logs.timeline._entries import parsed
from tests.unit.logs.timeline.incident import START, A, events, line, log, memory, shown

MALFORMED = [
    pytest.param(b"Traceback (most recent call last):", Flaw.NOT_JSON, id="text"),
    pytest.param(line()[:-20], Flaw.NOT_JSON, id="cut short"),
    pytest.param(line() + line(), Flaw.NOT_JSON, id="two in one"),
    pytest.param(line() + b"\0\0", Flaw.NOT_JSON, id="NULs behind"),
    pytest.param(b"\0" * 4096, Flaw.NOT_JSON, id="NULs, as a crash leaves them"),
    pytest.param(b'{"timestamp":"2026-11-26T01:21:49Z","x":"a\x1bb"}', Flaw.NOT_JSON, id="raw escape"),
    pytest.param(b'{"timestamp":"2026-11-26T01:21:49Z","x":NaN}', Flaw.NOT_JSON, id="NaN"),
    pytest.param(
        b'{"timestamp":"2026-11-26T01:21:49Z","x":' + b"9" * 9999 + b"}", Flaw.NOT_JSON, id="number"
    ),
    pytest.param(b'{"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}", Flaw.NOT_JSON, id="deep"),
    pytest.param(b"\xff\xfe{}", Flaw.NOT_UTF8, id="UTF-16"),
    pytest.param(b'{"timestamp":"2026-11-26T01:21:49Z","x":"\xc3("}', Flaw.NOT_UTF8, id="bad UTF-8"),
    pytest.param(b'["timestamp"]', Flaw.NOT_AN_OBJECT, id="list"),
    pytest.param(b"17", Flaw.NOT_AN_OBJECT, id="number alone"),
    pytest.param(b"null", Flaw.NOT_AN_OBJECT, id="null"),
    pytest.param(b"{}", Flaw.NO_TIME, id="empty object"),
    pytest.param(b'{"timestamp":null}', Flaw.NO_TIME, id="null time"),
    pytest.param(b'{"timestamp":1795656109}', Flaw.NO_TIME, id="number as time"),
    pytest.param(b'{"timestamp":"2026-11-26T01:21:49"}', Flaw.NO_TIME, id="no offset"),
    pytest.param(b'{"timestamp":"yesterday"}', Flaw.NO_TIME, id="words as time"),
    pytest.param(b'{"timestamp":"2026-02-30T01:21:49Z"}', Flaw.NO_TIME, id="no such day"),
    pytest.param(b'{"timestamp":"0001-01-01T00:00:00+14:00"}', Flaw.NO_TIME, id="before the calendar"),
    pytest.param(b'{"timestamp":"2026-11-26T01:21:49\\ud800"}', Flaw.NO_TIME, id="surrogate in time"),
    pytest.param(b'{"x":"' + b"x" * MAX_LINE_BYTES + b'"}', Flaw.TOO_LONG, id="too long"),
]


@pytest.mark.parametrize(("bad", "flaw"), MALFORMED)
def test_a_malformed_line_is_counted_and_passed_over(tmp_path: Path, bad: bytes, flaw: Flaw) -> None:
    reading = shown([log(tmp_path / "a", line(0, event__name="one"), bad, line(1, event__name="two"), bad)])

    assert events(reading) == ["one", "two"]
    (book,) = reading.books
    assert (book.lines, book.malformed, book.first_malformed, book.flaw) == (4, 2, 2, flaw)


@pytest.mark.parametrize(
    "bad", [b"Traceback (most recent call last):", line()[:-20], b"\0" * 4096, b"\xff\xfe{}", b'["x"]', b"17"]
)
def test_a_search_that_parses_little_still_counts_what_is_no_object(tmp_path: Path, bad: bytes) -> None:
    content = (line(), bad, line(trace_id=A))

    for query in (
        Query(trace=A),
        Query(since=START, until=START + 1),
        Query(severity=Severity.FATAL),
    ):
        assert [book.malformed for book in shown([log(tmp_path / "a", *content)], query).books] == [1]


def test_well_formed_lines_are_not_counted(tmp_path: Path) -> None:
    content = (line(), b"", b"  \r", line(1) + b"\r", b" " + line(2) + b"  ", line(3, x="\u2028\x85é\0"))

    for query in (Query(), Query(trace=A), Query(severity=Severity.FATAL)):
        (book,) = shown([log(tmp_path / "a", *content)], query).books
        assert (book.lines, book.malformed, book.first_malformed, book.flaw) == (6, 0, 0, None)


def test_a_last_line_without_its_end_is_read_if_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(line(0) + b"\n" + line(1))
    assert len(shown([Log.file(path)]).result.entries) == 2

    path.write_bytes(line(0) + b"\n" + line(1)[:-1])
    reading = shown([Log.file(path)])
    assert len(reading.result.entries) == 1
    assert [(book.malformed, book.first_malformed) for book in reading.books] == [(1, 2)]


@given(st.binary(max_size=60))
def test_whatever_a_line_holds_reading_it_raises_nothing(raw: bytes) -> None:
    assert isinstance(parsed(raw), Flaw | Parsed)


@given(
    st.dictionaries(
        st.sampled_from(["timestamp", "service.name", "seq", "severity_number", "severity_text", "trace_id"]),
        st.none() | st.booleans() | st.integers() | st.text() | st.just(written(START)) | st.lists(st.text()),
    )
)
def test_fields_of_the_wrong_kind_raise_nothing(document: dict[str, object]) -> None:
    raw = json.dumps(document).encode()
    source = memory(line(trace_id=A), raw)

    reading = read([source], Query(severity=5, trace=A, services=frozenset({"feed"})), first_errors)

    assert reading.books[0].lines == 2
