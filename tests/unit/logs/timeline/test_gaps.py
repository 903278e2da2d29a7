"""Lines that a process numbered and that aren't there."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.logs.timeline import Gap, Log, Query
from quickwins.logs.timeline._gaps import Numbers
from tests.unit.logs.timeline.incident import START, line, log, memory, shown


def told(seq: int, instance: str = "web-1:17", service: str = "feed", after: float | None = None) -> bytes:
    """A line as the pipeline writes it, at second `seq`."""
    return line(
        seq if after is None else after, service, service__instance__id=instance, tenant="t1", seq=seq
    )


def gaps(*logs: Log, **query: Any) -> list[tuple[str, int, int]]:
    found = shown(logs, Query(**query))
    return [(gap.instance, gap.seq, gap.count) for gap in found.gaps]


def test_a_gap_is_a_loss_of_its_instance() -> None:
    lines = [
        told(1),
        told(1, "web-1:18"),
        told(2, "web-1:18"),
        told(2),
        told(5),
        told(3, "web-1:18"),
        told(6),
    ]
    assert shown([memory(*lines)]).gaps == (
        Gap("feed", "web-1:17", 3, 2, START + 2_000_000, START + 5_000_000),
    )


def test_what_is_before_the_first_line_or_after_the_last_is_no_loss() -> None:
    assert gaps(memory(*(told(number) for number in range(40, 50)))) == []


def test_a_process_that_is_started_again_under_the_same_name_begins_anew() -> None:
    again = [told(number, after=100 + number) for number in (1, 2, 4)]
    assert gaps(memory(*(told(number) for number in range(1, 9)), *again)) == [("web-1:17", 3, 1)]


def test_lines_that_come_twice_are_no_loss() -> None:
    lines = [told(number) for number in (*range(1, 9), *range(3, 6), *range(9, 12))]
    assert gaps(memory(*lines)) == []


def test_a_clock_that_is_set_back_is_no_loss() -> None:
    assert gaps(memory(told(1, after=9), told(2, after=1), told(4, after=2), told(5, after=0))) == [
        ("web-1:17", 3, 1)
    ]


@given(st.sets(st.integers(2, 40), max_size=20), st.randoms(use_true_random=False), st.integers(1, 4))
def test_whatever_logs_its_lines_are_in_the_same_is_missing(
    lost: set[int], rng: random.Random, number: int
) -> None:
    parts: list[list[bytes]] = [[] for _ in range(number)]
    for seq in range(1, 42):
        if seq not in lost:
            rng.choice(parts).append(told(seq))
    logs = [memory(*part, name=str(place)) for place, part in enumerate(parts)]
    rng.shuffle(logs)
    found = [seq for _, first, count in gaps(*logs) for seq in range(first, first + count)]
    assert found == sorted(lost)


def test_a_rotated_log_goes_on_in_the_next_in_whatever_order_they_are_named(tmp_path: Path) -> None:
    old = log(tmp_path / "feed.log.1", *(told(number) for number in range(1, 20)))
    new = log(tmp_path / "feed.log", *(told(number) for number in range(21, 30)))
    assert gaps(new, old) == gaps(old, new) == [("web-1:17", 20, 1)]


def test_only_the_services_and_the_time_that_are_asked_for_are_told_of() -> None:
    lines = [told(1), told(3), told(1, "b", "api"), told(4, "b", "api"), told(9), told(20), told(22)]
    assert gaps(memory(*lines), services=frozenset({"api"})) == [("b", 2, 2)]
    assert gaps(memory(*lines), since=START + 20_500_000) == [("web-1:17", 21, 1)]
    assert gaps(memory(*lines), until=START + 2_000_000) == [("b", 2, 2), ("web-1:17", 2, 1)]


def test_lines_that_are_not_wanted_count_too() -> None:
    lines = [told(1), line(2, service__instance__id="web-1:17", trace_id="a" * 32, seq=2), told(3), told(5)]
    assert gaps(memory(*lines), trace="a" * 32) == [("web-1:17", 4, 1)]


@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param(b'{"timestamp":"2026-11-26T01:21:49.123456Z","seq":9}', id="without an instance"),
        pytest.param(told(9).replace(b":", b": "), id="written anew by somebody else"),
        pytest.param(told(9)[:-1] + b',"more":1}', id="with something behind the number"),
        pytest.param(told(9).replace(b'"seq":9', b'"seq":-9'), id="with a number that is none"),
        pytest.param(told(9).replace(b'"seq":9', b'"seq":' + b"9" * 40), id="with an endless number"),
        pytest.param(told(9).replace(b"web-1", b"\\q\xff"), id="with a name that is none"),
        pytest.param(b'"seq":9}', id="not a line"),
    ],
)
def test_other_lines_are_neither_numbered_nor_missing(foreign: bytes) -> None:
    assert gaps(memory(told(1), foreign, told(2), foreign, told(3))) == []


def test_however_many_are_missing_memory_is_bounded() -> None:
    numbers = Numbers(max_pieces=3)
    for number in range(1, 20, 2):
        numbers.saw(told(number))
    assert [gap.seq for gap in numbers.gaps(Query())] == [2, 4]
    assert numbers.full
