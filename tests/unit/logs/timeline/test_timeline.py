"""Logs of several services, read as one story: nothing that a file holds stops it, and every order of lines is right."""

from __future__ import annotations

import gzip
import io
import json
import random
import tracemalloc
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.core.errors import ConfigError, QuickWinsError
from quickwins.logs.timeline import (
    MAX_LINE_BYTES,
    MAX_TRACES,
    Earliest,
    Entry,
    FirstErrors,
    Flaw,
    Found,
    Log,
    Parsed,
    Query,
    Severity,
    earliest,
    first_errors,
    moment_of,
    read,
    severity,
    trace_of,
    written,
)
from quickwins.logs.timeline._entries import microseconds, parsed
from quickwins.logs.timeline._files import lines
from quickwins.logs.timeline._query import Sieve

START = 1_795_656_109_123_456
A, B, C = "a" * 32, "b" * 32, "c" * 32


def line(after: float = 0.0, service: str = "feed", level: str = "INFO", **fields: object) -> bytes:
    """A line as the pipeline writes it, so many seconds after the start; `__` in a name stands for a dot."""
    document = {
        "timestamp": written(START + round(after * 1e6)),
        "severity_text": level,
        "severity_number": int(Severity[level]),
        "event.name": "x",
        "service.name": service,
        **{name.replace("__", "."): value for name, value in fields.items()},
    }
    return json.dumps(document, separators=(",", ":")).encode()


def log(path: Path, *content: bytes) -> Log:
    path.write_bytes(b"".join(one + b"\n" for one in content))
    return Log.file(path)


def memory(*content: bytes, name: str = "memory") -> Log:
    """A stream that can be opened once."""
    stream = io.BufferedReader(io.BytesIO(b"".join(one + b"\n" for one in content)))
    return Log(name, lambda: stream, again=False)


def shown(sources: Sequence[Log], query: Query | None = None, limit: int = 1_000) -> Found[Earliest]:
    return read(sources, query or Query(), partial(earliest, limit=limit))


def events(reading: Found[Earliest]) -> list[object]:
    return [entry.fields()["event.name"] for entry in reading.result.entries]


# Lines out of pieces.


@given(
    st.lists(st.binary(max_size=12).map(lambda one: one.replace(b"\n", b""))),
    st.binary(max_size=12).map(lambda one: one.replace(b"\n", b"")),
    st.lists(st.integers(min_value=0, max_value=200)),
)
def test_lines_are_the_same_however_the_text_is_cut_into_pieces(
    whole: list[bytes], last: bytes, cuts: list[int]
) -> None:
    text = b"".join(one + b"\n" for one in whole) + last
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in pairwise(places)]

    expected = [one if len(one) <= 8 else None for one in (*whole, *([last] if last else []))]
    assert list(lines(pieces, max_bytes=8)) == expected


def test_a_line_that_never_ends_is_not_held() -> None:
    tracemalloc.start()
    try:
        assert list(lines((b"%01000d" % n for n in range(10_000)), max_bytes=10_000)) == [None]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 1_000_000, "of ten million bytes"


# The order.


@given(
    st.lists(
        st.lists(
            st.tuples(
                st.integers(min_value=0, max_value=30),
                st.sampled_from(["feed", "gateway"]),
                st.integers(min_value=0, max_value=5),
            )
        ),
        max_size=4,
    ),
    st.randoms(use_true_random=False),
    st.integers(min_value=1, max_value=40),
)
def test_nearly_sorted_files_become_what_sorting_everything_gives(
    files: list[list[tuple[int, str, int]]], rng: random.Random, limit: int
) -> None:
    sources, everything = [], []
    for file, content in enumerate(files):
        nearly = sorted(content, key=lambda one: one[0] + rng.uniform(-5, 5))
        sources.append(
            memory(*(line(micros / 1e6, service, seq=seq) for micros, service, seq in nearly), name=str(file))
        )
        everything += [(START + micros, service, seq) for micros, service, seq in nearly]

    reading = shown(sources, limit=limit)

    found = [(entry.micros, entry.service, entry.seq) for entry in reading.result.entries]
    assert found == sorted(everything)[:limit]
    assert reading.result.matched == len(everything)


def entries_of(sizes: Iterable[tuple[int, int]]) -> list[tuple[Entry, Parsed]]:
    return [
        (Entry(micros, "feed", -1, 0, number, b"x" * size), Parsed(micros, {}))
        for number, (micros, size) in enumerate(sizes)
    ]


@given(
    st.lists(st.tuples(st.integers(min_value=0, max_value=50), st.integers(min_value=0, max_value=9))),
    st.integers(min_value=1, max_value=10),
    st.integers(min_value=0, max_value=40),
)
def test_what_is_kept_is_a_beginning_that_fits(
    sizes: list[tuple[int, int]], limit: int, max_bytes: int
) -> None:
    found = entries_of(sizes)

    result = earliest(iter(found), limit=limit, max_bytes=max_bytes)

    ordered = sorted(entry for entry, _ in found)
    kept = list(result.entries)
    assert kept == ordered[: len(kept)]
    assert len(kept) <= limit
    assert sum(len(entry.line) for entry in kept) <= max_bytes
    following = ordered[len(kept) : len(kept) + 1]
    assert (
        not following or len(kept) == limit or sum(len(entry.line) for entry in kept + following) > max_bytes
    )


def test_the_same_moment_in_two_offsets_is_the_same_moment(tmp_path: Path) -> None:
    elsewhere = datetime.fromtimestamp(START / 1e6, timezone(timedelta(hours=5, minutes=30)))
    foreign = json.dumps({"timestamp": elsewhere.isoformat(), "service.name": "b"}).encode()

    reading = shown([log(tmp_path / "a", line(0.001, "a"), line(-0.001, "a")), log(tmp_path / "b", foreign)])

    assert [entry.service for entry in reading.result.entries] == ["a", "b", "a"]


# Lines that are none.

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


# Files.


def test_gzip_is_known_by_its_content(tmp_path: Path) -> None:
    zipped, plain = tmp_path / "a.log", tmp_path / "b.gz"
    zipped.write_bytes(gzip.compress(line(1, "a") + b"\n") + gzip.compress(line(3, "a") + b"\n"))
    plain.write_bytes(line(2, "b"))

    reading = shown([Log.file(zipped), Log.file(plain)])

    assert [entry.service for entry in reading.result.entries] == ["a", "b", "a"]
    assert [book.failure for book in reading.books] == ["", ""]


def packed() -> bytes:
    rng = random.Random(1)
    return gzip.compress(b"".join(line(n, noise=rng.getrandbits(200)) + b"\n" for n in range(5_000)))


@pytest.mark.parametrize("query", [Query(), Query(trace=A)], ids=["all", "trace"])
def test_of_a_truncated_gzip_the_beginning_is_kept(tmp_path: Path, query: Query) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(packed()[:-20_000])

    reading = shown([Log.file(path), log(tmp_path / "b", line(trace_id=A))], query)

    broken, whole = reading.books
    assert "ends early" in broken.failure
    assert 1_000 < broken.lines < 5_000
    assert (whole.failure, reading.result.matched > 0) == ("", True)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(packed()[:-8] + bytes(8), id="wrong sum"),
        pytest.param(packed() + packed()[:10] + b"\x07" * 100, id="no such kind of block"),
    ],
)
def test_of_a_corrupt_gzip_the_beginning_is_kept(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(data)

    reading = shown([Log.file(path), log(tmp_path / "b", line())], limit=9_999)

    assert "corrupt" in reading.books[0].failure
    assert len(reading.result.entries) == 5_001


def test_rubbish_behind_a_gzip_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(line() + b"\n") + b"rubbish")

    reading = shown([Log.file(path)])

    assert len(reading.result.entries) == 1
    assert "corrupt" in reading.books[0].failure


def test_a_file_that_goes_away_is_said_and_not_fatal(tmp_path: Path) -> None:
    gone, there = log(tmp_path / "gone", line()), log(tmp_path / "there", line())
    (tmp_path / "gone").unlink()

    reading = shown([gone, there])

    assert len(reading.result.entries) == 1
    assert [book.failure for book in reading.books] == ["No such file or directory", ""]


def test_what_cannot_be_opened_is_named_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="nowhere: No such file"):
        Log.file(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="a folder"):
        Log.file(tmp_path)
    log(tmp_path / "a")
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(ConfigError, match="may not read"):
        Log.file(tmp_path / "a")


def test_a_book_says_from_when_to_when(tmp_path: Path) -> None:
    content = (b"?", line(0), *(line(n) for n in range(1, 9)), line(9), b"", line(10)[:-9])

    for query in (Query(), Query(trace=A), Query(severity=Severity.FATAL)):
        (book,) = shown([log(tmp_path / "a", *content)], query).books
        assert (book.begins, book.ends) == (START, START + 9_000_000)


# What is asked.


def test_a_trace_is_its_lines_and_nothing_else(tmp_path: Path) -> None:
    source = log(
        tmp_path / "a",
        line(0, trace_id=A, event__name="mine"),
        line(1, trace_id=B, event__name="another's"),
        line(2, trace_id=B, event__name="quotes mine", body=f"see {A}"),
        line(3, trace_id=B, event__name="nests mine", attributes={"trace_id": A}),
        line(4, event__name="without"),
        line(5, trace_id=A, event__name="mine too"),
    )

    reading = shown([source], Query(trace=A))

    assert events(reading) == ["mine", "mine too"]
    assert reading.traces == (A,)


LINKED = (
    line(0, "gateway", trace_id=A, event__name="a begins"),
    line(1, "feed", trace_id=B, event__name="b begins"),
    line(2, "feed", trace_id=B, link__trace_id=A, event__name="b tells its link"),
    line(3, "worker", trace_id=C, event__name="c begins"),
    line(4, "worker", trace_id=C, link__trace_id=B, event__name="c tells its link"),
    line(5, "worker", trace_id="d" * 32, event__name="stranger"),
)


@pytest.mark.parametrize("asked", [A, B, C])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("kind", ["files", "streams"])
def test_links_are_followed_in_both_directions_wherever_they_stand(
    tmp_path: Path, asked: str, backwards: bool, kind: str
) -> None:
    content = LINKED[::-1] if backwards else LINKED
    sources = (
        [log(tmp_path / str(n), one) for n, one in enumerate(content)]
        if kind == "files"
        else [memory(*content)]
    )

    reading = shown(sources, Query(trace=asked))

    assert events(reading) == [
        "a begins",
        "b begins",
        "b tells its link",
        "c begins",
        "c tells its link",
    ]
    assert (reading.traces[0], set(reading.traces)) == (asked, {A, B, C})
    assert sum(book.lines for book in reading.books) == len(LINKED), "of the last pass only"


def test_links_are_followed_from_lines_that_are_not_shown(tmp_path: Path) -> None:
    source = log(tmp_path / "a", *LINKED, line(6, "worker", "ERROR", trace_id=C, event__name="why"))

    reading = shown([source], Query(trace=A, severity=Severity.ERROR, services=frozenset({"worker"})))

    assert events(reading) == ["why"]


def test_a_correlation_id_finds_the_traces_that_carry_it(tmp_path: Path) -> None:
    source = log(
        tmp_path / "a",
        line(0, trace_id=A, event__name="one"),
        line(1, trace_id=A, correlation_id="order 7/\u00e9", event__name="two"),
        line(2, trace_id=B, correlation_id="order 7", event__name="other"),
        line(3, correlation_id="order 7/\u00e9", event__name="three"),
    )

    assert events(shown([source], Query(trace="order 7/\u00e9"))) == ["one", "two", "three"]


def test_links_that_somebody_made_up_are_followed_up_to_a_bound(tmp_path: Path) -> None:
    many = [line(n, trace_id=f"{n + 1:032x}", link__trace_id=A) for n in range(3 * MAX_TRACES)]
    odd = [line(0, trace_id=A, link__trace_id=one) for one in ("", "{", "0" * 32, "x" * 999, 7)]

    reading = shown([log(tmp_path / "a", *odd, *many)], Query(trace=A))

    assert len(reading.traces) == MAX_TRACES + 1
    assert reading.left_out > 0
    assert reading.result.matched == len(odd) + len(many), "all tell the link themselves"


@pytest.mark.parametrize("foreign", [False, True], ids=["ours", "foreign"])
def test_a_window_includes_both_its_ends(tmp_path: Path, foreign: bool) -> None:
    content = [line(micros / 1e6, event__name=str(micros)) for micros in range(-4, 5)]
    if foreign:  # the same, written in a way that must be parsed
        content = [json.dumps(dict(reversed(json.loads(one).items()))).encode() for one in content]

    query = Query(since=START - 2, until=START + 2)

    assert events(shown([log(tmp_path / "a", *content)], query)) == ["-2", "-1", "0", "1", "2"]
    assert len(shown([memory(*content)], Query(since=START)).result.entries) == 5
    assert len(shown([memory(*content)], Query(until=START)).result.entries) == 5


def test_a_window_may_reach_beyond_the_calendar(tmp_path: Path) -> None:
    source = log(tmp_path / "a", line())

    assert len(shown([source], Query(since=-(10**30), until=10**30)).result.entries) == 1


@given(
    st.sampled_from(list(Severity)),
    st.sampled_from([0, *Severity]),
    st.integers(min_value=-3, max_value=3),
    st.integers(min_value=-3, max_value=3),
)
def test_what_the_beginning_of_a_line_tells_is_what_the_whole_tells(
    level: Severity, asked: int, since: int, until: int
) -> None:
    query = Query(since=START + since, until=START + until, severity=asked)
    raw = line(0, level=level.name)
    one = parsed(raw)
    assert isinstance(one, Parsed)

    assert Sieve(query).may_want(raw) == query.wants(one)


@pytest.mark.parametrize(
    ("fields", "number"),
    [
        ({"severity_number": 18}, 18),
        ({"severity_number": 18, "severity_text": "INFO"}, 18),
        ({"severity_text": "warning"}, 13),
        ({"severity_text": "Critical"}, 21),
        ({"severity_text": "NOTICE"}, 0),
        ({"severity_number": "17", "severity_text": ["ERROR"]}, 0),
        ({"severity_number": True}, 0),
        ({}, 0),
    ],
)
def test_severities_of_others_are_understood_as_far_as_they_go(
    fields: dict[str, object], number: int
) -> None:
    assert severity(fields) == number


# First errors.


def test_each_error_is_told_once_in_the_order_in_which_they_began(tmp_path: Path) -> None:
    late = log(
        tmp_path / "a",
        line(5, "feed", "ERROR", event__name="query", exception__type="TimeoutError"),
        line(9, "feed", "ERROR", event__name="query", exception__type="TimeoutError"),
        line(7, "feed", "ERROR", event__name="query", exception__type="ValueError"),
        line(0, "feed", "WARN", event__name="slow"),
        line(8, "feed", "FATAL", event__name="query", exception__type="TimeoutError"),
    )
    early = log(
        tmp_path / "b",
        line(6, "db", "ERROR", event__name="disk", exception__stack_hash="1"),
        line(4, "db", "ERROR", event__name="disk", exception__stack_hash="2"),
        line(3, "feed", "ERROR", event__name="query", exception__type="TimeoutError"),
    )

    result = read([late, early], Query(), first_errors).result

    seconds = [
        (
            (one.entry.micros - START) // 1_000_000,
            one.entry.service,
            one.count,
            (one.last_micros - START) // 1_000_000,
        )
        for one in result.errors
    ]
    assert seconds == [(3, "feed", 4, 9), (4, "db", 1, 4), (6, "db", 1, 6), (7, "feed", 1, 7)]
    assert (result.matched, result.left_out) == (7, 0)


ERROR_LINES = st.lists(
    st.tuples(
        st.integers(min_value=0, max_value=20),
        st.sampled_from(["feed", "db"]),
        st.sampled_from(["INFO", "ERROR", "FATAL"]),
        st.sampled_from(["x", "y"]),
    )
)


def found_in(content: Iterable[tuple[int, str, str, str]]) -> list[tuple[Entry, Parsed]]:
    found = []
    for number, (second, service, level, event) in enumerate(content):
        raw = line(second, service, level, event__name=event)
        one = parsed(raw)
        assert isinstance(one, Parsed)
        found.append((one.entry(0, number, raw), one))
    return found


@given(ERROR_LINES, st.randoms(use_true_random=False))
def test_first_errors_are_the_same_for_every_order_of_lines(
    content: list[tuple[int, str, str, str]], rng: random.Random
) -> None:
    found = found_in(content)
    before = first_errors(iter(found))
    rng.shuffle(found)

    assert first_errors(iter(found)) == before
    assert sum(one.count for one in before.errors) == before.matched
    assert before.matched == sum(level != "INFO" for _, _, level, _ in content)


def test_kinds_of_errors_are_bounded_in_number_and_in_size() -> None:
    found = found_in((n, "feed", "ERROR", str(n % 30)) for n in range(90))

    few = first_errors(iter(found), max_groups=10)
    small = first_errors(iter(found), max_bytes=10 * len(found[0][0].line) + 20)

    for result in (few, small):
        assert (len(result.errors), result.matched, result.left_out) == (10, 90, 60)
        assert [one.count for one in result.errors] == [3] * 10
    assert FirstErrors((), 0, 0) == first_errors(iter(()))


# What people type.


@pytest.mark.parametrize(
    "given",
    [
        "2026-11-26T01:21:49.123456Z",
        "2026-11-26 01:21:49.123456+00:00",
        "2026-11-26T03:21:49.123456+02:00",
        "20261126T012149.123456Z",
        " 1795656109.123456 ",
    ],
)
def test_a_moment_is_understood(given: str) -> None:
    assert moment_of(given) == START


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("2026-11-26T01:21:49", "add Z for UTC"),
        ("2026-11-26T01:21", "add Z for UTC"),
        ("2026-11-26", "allowed: "),
        ("01:21:49Z", "allowed: "),
        ("yesterday", "allowed: "),
        ("", "allowed: "),
        ("nan", "allowed: "),
        ("inf", "allowed: "),
        ("1795656109123", "not milliseconds"),
    ],
)
def test_a_moment_that_is_none_says_what_is_allowed(given: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        moment_of(given)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (A, A),
        (f" {A.upper()}\n", A),
        (f"00-{A}-{'1' * 16}-01", A),
        ("Order-7", "Order-7"),
        ("0" * 32, "0" * 32),
    ],
)
def test_an_id_is_found_in_what_was_pasted(given: str, found: str) -> None:
    assert trace_of(given) == found


def test_an_empty_id_is_refused() -> None:
    with pytest.raises(ConfigError, match="empty"):
        trace_of("  ")


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_moment_is_written_as_it_is_read(moment: datetime) -> None:
    micros = microseconds(moment.isoformat())
    assert micros is not None
    assert microseconds(written(micros)) == micros


# Streams.


def test_a_stream_is_copied_only_when_a_second_look_may_be_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    assert len(shown([memory(line())]).result.entries) == 1
    assert len(shown([log(tmp_path / "a", line(trace_id=A))], Query(trace=A)).result.entries) == 1
    with pytest.raises(QuickWinsError, match="memory cannot be kept for a second look: No space left"):
        shown([memory(line())], Query(trace=A))
