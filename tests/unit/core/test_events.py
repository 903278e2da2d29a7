"""Events carry what they declare, and hot paths stay quiet."""

from __future__ import annotations

import logging

import pytest

from quickwins.core.clock import FakeClock
from quickwins.core.errors import ConfigError
from quickwins.core.events import FLAG_SOURCE_RECOVERED, POOL_REJECTED, Reporter


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
