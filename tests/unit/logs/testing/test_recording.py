"""What loggers say, kept for a test."""

from __future__ import annotations

import logging

import pytest

from quickwins import ConfigError
from quickwins.logs import bound, get_logger
from quickwins.logs.testing import Line, recording
from tests.unit.logs.conftest import Configure, Written


def test_lines_are_kept_as_they_were_said_and_written_nowhere(configure: Configure, written: Written) -> None:
    configure()
    with recording() as lines, bound(tenant="t1"):
        get_logger().bind(shard=1).info("order.placed", items=[3], password="hunter2")
        get_logger().warning("%d of %s", 2, "many", event="x")
    assert lines == [
        Line("info", "order.placed", {"shard": 1, "items": [3], "password": "hunter2"}, {"tenant": "t1"}),
        Line("warning", "2 of many", {"event": "x"}, {"tenant": "t1"}),
    ]
    assert written.raw == b""
    get_logger().info("after it")
    assert written.last["event.name"] == "after it"


def test_nothing_needs_to_be_configured_and_nothing_is_afterwards() -> None:
    with recording() as lines:
        get_logger("x").debug("a")
    get_logger("x").debug("b")
    assert [line.event for line in lines] == ["a"]


def test_only_what_has_the_level_is_kept() -> None:
    with recording("warning") as lines:
        log = get_logger()
        log.info("a")
        log.error("b")
        assert not log.is_enabled_for(logging.INFO)
    assert [(line.level, line.event) for line in lines] == [("error", "b")]


def test_one_within_another_has_the_lines() -> None:
    with recording() as outer:
        with recording() as inner:
            get_logger().info("a")
        get_logger().info("b")
    assert ([line.event for line in inner], [line.event for line in outer]) == (["a"], ["b"])


def test_logging_that_is_configured_inside_stays(configure: Configure, written: Written) -> None:
    with recording() as lines:
        configure()
        get_logger().info("a")
    get_logger().info("b")
    assert lines == []
    assert [line["event.name"] for line in written.lines] == ["a", "b"]


def test_a_level_that_is_none_is_refused() -> None:
    with (
        pytest.raises(ConfigError, match="level='loud' is not allowed: one of debug, info"),
        recording("loud"),
    ):
        raise AssertionError
