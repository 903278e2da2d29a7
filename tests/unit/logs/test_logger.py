"""What is bound to a logger, and taken off it again."""

from __future__ import annotations

import pytest

from quickwins.logs import get_logger
from quickwins.logs.testing import recording


def test_what_is_unbound_is_on_no_later_line_and_the_logger_it_came_from_keeps_it() -> None:
    log = get_logger("app").bind(tenant="t1", user=7)
    with recording() as lines:
        log.unbind("user").info("one")
        log.try_unbind("user", "nobody").info("two")
        log.new(region="eu").info("three")
        log.info("four")
    assert [line.fields for line in lines] == [
        {"tenant": "t1"},
        {"tenant": "t1"},
        {"region": "eu"},
        {"tenant": "t1", "user": 7},
    ]


def test_what_is_not_bound_can_only_be_unbound_by_try() -> None:
    log = get_logger("app").bind(tenant="t1")
    with pytest.raises(KeyError, match="user"):
        log.unbind("tenant", "user")
    assert repr(log.try_unbind("user")) == repr(log)
