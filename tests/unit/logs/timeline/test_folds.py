"""What is made of the lines that are wanted, whatever their order."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from quickwins.logs.timeline import (
    Entry,
    FirstErrors,
    Parsed,
    Query,
    earliest,
    first_errors,
    read,
)
from quickwins.logs.timeline._entries import parsed
from tests.unit.logs.timeline.incident import START, line, log


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
