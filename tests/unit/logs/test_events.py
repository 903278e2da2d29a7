"""The standard facts, as functions."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from quickwins.core.events import declared
from quickwins.logs import events
from tests.unit.logs.conftest import Configure, Written

CASES = [
    pytest.param("auth.failure", events.auth_failure, {"mechanism": "bearer", "reason": "expired"}, id="auth.failure"),
    pytest.param("auth.denied", events.auth_denied, {"action": "read", "resource": "feed", "reason": "role"}, id="auth.denied"),
    pytest.param("rate.limited", events.rate_limited, {"scope": "tenant", "limit": 3, "window_seconds": 1.0}, id="rate.limited"),
    pytest.param("query.slow", events.query_slow, {"summary": "SELECT posts", "duration_ms": 812.5}, id="query.slow"),
    pytest.param("cache.access", events.cache_access, {"cache": "feed", "hit": True}, id="cache.access"),
    pytest.param("pool.rejected", events.pool_rejected, {"reason": "limit", "limit": 3, "inflight": 3, "count": 2}, id="pool.rejected"),
    pytest.param("duplicate.skipped", events.duplicate_skipped, {"destination": "cdc.posts", "count": 4}, id="duplicate.skipped"),
    pytest.param("connection.switched", events.connection_switched, {"member": "feed-2", "reason": "failed"}, id="connection.switched"),
    pytest.param("python.warning", events.python_warning, {"kind": "warning", "category": "UserWarning", "file": "a.py", "line": 3, "count": 1, "hidden_by": ""}, id="python.warning"),
]  # fmt: skip
RENAMED = {"summary": "db.query.summary", "destination": "messaging.destination.name"}


@pytest.mark.parametrize(("name", "function", "arguments"), CASES)
def test_a_fact_has_its_declared_fields_in_strict_mode_too(
    configure: Configure, written: Written, name: str, function: Any, arguments: dict[str, Any]
) -> None:
    configure(strict=True)
    function(**arguments)
    line = written.last
    event = next(one for one in declared() if one.name == name)
    assert line["event.name"] == name
    assert line["severity_number"] == {20: 9, 30: 13}[event.level]
    assert {RENAMED.get(key, key): value for key, value in arguments.items()} == {
        field: line[field] for field in event.fields
    }


def test_each_function_is_tried_here() -> None:
    functions = {
        one for _, one in inspect.getmembers(events, inspect.isfunction) if one.__module__ == events.__name__
    }
    assert functions == {case.values[1] for case in CASES}
