"""Events carry what they declare, and hot paths stay quiet."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.core.errors import ConfigError
from quickwins.core.events import FLAG_SOURCE_RECOVERED, Reporter, Seldom


def records(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [{"event": record.__dict__["event"], **record.__dict__["fields"]} for record in caplog.records]


def test_a_record_has_the_name_and_the_fields(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "quickwins")
    Reporter(service="feed", name="main").report(FLAG_SOURCE_RECOVERED, source="file")
    assert records(caplog) == [
        {"event": "flag.source_recovered", "service": "feed", "name": "main", "source": "file"}
    ]
    assert caplog.messages == ["flag.source_recovered source=file"]


@pytest.mark.parametrize("fields", [{}, {"source": "file", "more": 1}, {"sourc": "file"}])
def test_undeclared_or_missing_fields_are_an_error(fields: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"takes the fields \['source'\]"):
        Reporter().report(FLAG_SOURCE_RECOVERED, **fields)


def test_a_level_that_nobody_listens_to_costs_no_record(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "quickwins")
    Reporter().report(FLAG_SOURCE_RECOVERED, source="file")
    assert caplog.records == []


def test_what_happens_often_is_reported_once_a_second_for_each_reason_with_its_count() -> None:
    counts, reports = {"threshold": 0, "closed": 0}, list[tuple[str, int]]()
    later: list[bool] = []
    seldom = Seldom(counts, lambda reason, count: reports.append((reason, count)), lambda: later.append(True))
    for step in range(100):
        seldom.note("threshold", 5.0 + step / 100)
    seldom.note("closed", 5.5)
    assert reports == [("threshold", 1), ("closed", 1)]
    seldom.note("threshold", 6.0)
    seldom.note("threshold", 6.5)
    seldom.note("threshold", 60.0)
    assert reports[2:] == [("threshold", 100), ("threshold", 2)]
    assert counts == {"threshold": 103, "closed": 1}
    assert later == [True], "it is said once that something is left"
    seldom.rest(61.0)
    assert reports[4:] == [], "all had been reported"
    seldom.note("threshold", 62.0)
    seldom.note("threshold", 62.1)
    seldom.note("closed", 62.2)
    assert later == [True, True]
    seldom.rest(63.0)
    assert reports[4:] == [("threshold", 1), ("closed", 1), ("threshold", 1)]
    seldom.note("threshold", 63.5)
    assert later == [True, True, True], "what comes soon after the rest waits again"


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(min_value=0, max_value=10)), max_size=50))
def test_nothing_is_reported_twice_and_at_most_the_last_second_is_missing(
    steps: list[tuple[str, float]],
) -> None:
    now = 0.0
    counts, told = {"a": 0, "b": 0}, {"a": 0, "b": 0}
    times: dict[str, list[float]] = {"a": [], "b": []}

    def report(reason: str, count: int) -> None:
        told[reason] += count
        assert told[reason] == counts[reason]
        assert all(now >= at + 1 for at in times[reason])
        times[reason].append(now)

    seldom = Seldom(counts, report, lambda: None)
    for reason, seconds in steps:
        now += seconds
        seldom.note(reason, now)
        assert now < times[reason][-1] + 1
