"""Events carry what they declare, and hot paths stay quiet."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.core.clock import FakeClock
from quickwins.core.errors import ConfigError
from quickwins.core.events import FLAG_SOURCE_RECOVERED, POOL_REJECTED, Reporter, Seldom


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


@pytest.mark.asyncio
async def test_a_hot_event_is_written_once_a_second_for_each_reason_with_its_count(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = FakeClock()
    reporter = Reporter(clock=clock)
    for _ in range(100):
        reporter.report_seldom(POOL_REJECTED, "threshold", limit=9, inflight=9)
    reporter.report_seldom(POOL_REJECTED, "closed", limit=9, inflight=0)
    await clock.advance(1)
    reporter.report_seldom(POOL_REJECTED, "threshold", limit=9, inflight=9)
    assert [(one["reason"], one["count"]) for one in records(caplog)] == [
        ("threshold", 1),
        ("closed", 1),
        ("threshold", 100),
    ]


def test_a_level_that_nobody_listens_to_costs_no_record(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "quickwins")
    Reporter().report(FLAG_SOURCE_RECOVERED, source="file")
    assert caplog.records == []


def test_what_happens_often_is_due_once_a_second_for_each_reason_with_its_count() -> None:
    seldom = Seldom()
    assert [seldom.due("threshold", 5.0 + step / 100) for step in range(100)] == [1] + [0] * 99
    assert seldom.due("closed", 5.5) == 1
    assert seldom.due("threshold", 6.0) == 100
    assert seldom.due("threshold", 6.5) == 0
    assert seldom.due("threshold", 60.0) == 2
    assert seldom.due("closed", 60.0) == 1


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(min_value=0, max_value=10)), max_size=50))
def test_nothing_is_reported_twice_and_at_most_the_last_second_is_missing(
    steps: list[tuple[str, float]],
) -> None:
    seldom, now, seen = Seldom(), 0.0, {"a": 0, "b": 0}
    reports: dict[str, list[float]] = {"a": [], "b": []}
    for reason, seconds in steps:
        now += seconds
        count = seldom.due(reason, now)
        seen[reason] += 1 - count
        assert seen[reason] >= 0
        if count:
            assert seen[reason] == 0
            assert all(now >= at + 1 for at in reports[reason])
            reports[reason].append(now)
        else:
            assert now < reports[reason][-1] + 1
