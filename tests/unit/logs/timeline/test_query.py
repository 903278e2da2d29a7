"""What is asked of logs, and what answers it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.core.errors import ConfigError
from quickwins.logs.timeline import (
    MAX_TRACES,
    Parsed,
    Query,
    Severity,
    moment_of,
    severity,
    trace_of,
    written,
)
from quickwins.logs.timeline._entries import microseconds, parsed
from quickwins.logs.timeline._query import Sieve
from tests.unit.logs.timeline.incident import START, A, B, C, events, line, log, memory, shown


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
