"""How the audit lines of many processes become one row for each switch."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.core.flags.history import FOLD_SECONDS, fold

OFF, ON = "0% (disabled)", "100% (on)"


def line(at: float, pid: int, new: str, **more: object) -> dict[str, Any]:
    old = OFF if new == ON else ON
    event = "flag.written" if "changes" in more else "flag.changed"
    found = {"at": at, "event": event, "service": "feed", "pid": pid, "feature": "backpressure"}
    return {**found, "old": old, "new": new, "source": "file", "version": 2, "digest": f"d-{new}", **more}


def test_what_several_processes_saw_is_one_row() -> None:
    (row,) = fold([line(10.0, 1, ON), line(10.25, 2, ON), line(10.5, 3, ON)])

    assert (row.at, row.processes, row.spread_seconds) == (10.0, 3, 0.5)
    assert (row.old, row.new, row.source, row.written) == (OFF, ON, "file", None)


@pytest.mark.parametrize("written_first", [True, False])
def test_the_write_is_in_the_row_but_is_no_process_that_saw_it(written_first: bool) -> None:
    write, seen = line(10.0, 9, ON, changes={"enabled": True}), line(10.5, 1, ON)

    (row,) = fold([write, seen] if written_first else [seen, write])

    assert (row.at, row.processes, row.spread_seconds) == (10.0, 1, 0.5)
    assert row.written == {"enabled": True}


def test_a_return_to_an_earlier_state_is_a_row_of_its_own() -> None:
    lines = [line(at, pid, new) for at, new in ((10, ON), (11, OFF), (12, ON)) for pid in (1, 2)]

    assert [(row.at, row.new, row.processes) for row in fold(lines)] == [
        (10, ON, 2),
        (11, OFF, 2),
        (12, ON, 2),
    ]


def test_a_return_by_writes_that_no_process_saw_is_a_row_of_its_own() -> None:
    lines = [line(at, at, new, changes={}) for at, new in ((10, ON), (11, OFF), (12, ON))]

    assert [row.at for row in fold(lines)] == [10, 11, 12]


def test_a_write_after_a_switch_by_hand_is_a_row_of_its_own() -> None:
    lines = [line(10, 1, ON), line(11, 1, OFF), line(12, 9, ON, changes={}), line(12.5, 1, ON)]

    assert [(row.at, row.processes) for row in fold(lines)] == [(10, 1), (11, 1), (12, 1)]


def test_a_write_that_changed_no_state_is_a_row_of_its_own() -> None:
    lines = [line(10, 1, ON), line(11, 9, ON, changes={"threshold": 0.9}, old=ON)]

    assert [(row.old, row.new) for row in fold(lines)] == [(OFF, ON), (ON, ON)]


def test_processes_that_came_much_later_saw_another_switch() -> None:
    lines = [line(10, 1, ON), line(10 + FOLD_SECONDS, 2, ON), line(11 + FOLD_SECONDS, 3, ON)]

    assert [row.processes for row in fold(lines)] == [2, 1]


def test_features_with_the_same_digest_are_apart() -> None:
    assert len(fold([line(10, 1, ON), line(10, 1, ON, feature="dedup")])) == 2


@pytest.mark.parametrize(
    "foreign",
    [
        {},
        {"event": "rollout.advanced"},
        {**line(1, 1, ON), "digest": None},
        {**line(1, 1, ON), "at": "noon"},
        {**line(1, 1, ON), "pid": "1"},
    ],
)
def test_foreign_lines_are_passed_over(foreign: dict[str, object]) -> None:
    assert len(fold([foreign, line(10, 1, ON)])) == 1


def test_changes_that_are_no_object_are_none() -> None:
    assert fold([line(10, 1, ON, changes="percent")])[0].written == {}


@given(
    st.lists(
        st.tuples(st.floats(0, 300), st.integers(1, 3), st.sampled_from([ON, OFF]), st.booleans()),
        max_size=30,
    )
)
def test_every_line_is_in_exactly_one_row(drawn: list[tuple[float, int, str, bool]]) -> None:
    lines = [
        line(at, pid, new, **({"changes": {}} if written else {})) for at, pid, new, written in sorted(drawn)
    ]

    rows = fold(lines)

    assert sum(row.processes for row in rows) <= sum(1 for one in drawn if not one[3])
    assert sum(row.written is not None for row in rows) == sum(1 for one in drawn if one[3])
    assert all(0 <= row.spread_seconds <= FOLD_SECONDS for row in rows)
    assert [row.at for row in rows] == sorted(row.at for row in rows)
