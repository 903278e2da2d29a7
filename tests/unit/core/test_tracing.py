"""When a trace that is among headers stays."""

from __future__ import annotations

import pytest

from quickwins.core.tracing import MAX_TRACEPARENT, names_span, span_named

IDS = f"{'a' * 32}-{'b' * 16}"
VALID = f"00-{IDS}-01"


@pytest.mark.parametrize(
    ("headers", "stays"),
    [
        pytest.param([], False, id="none"),
        pytest.param([("tracestate", "foo=1")], False, id="a state alone"),
        pytest.param([("traceparent", VALID)], True, id="text"),
        pytest.param([("TraceParent", VALID.encode())], True, id="bytes, and capitals"),
        pytest.param([("traceparent", f"01-{IDS}-01-more")], True, id="of a later version"),
        pytest.param([("traceparent", f"00-{IDS}-01-more")], False, id="with more than there may be"),
        pytest.param([("traceparent", VALID), ("traceparent", VALID)], False, id="two"),
        pytest.param([("traceparent", None)], False, id="without a value"),
        pytest.param([("traceparent", "old")], False, id="anything"),
    ],
)
def test_one_valid_trace_stays(headers: list[tuple[str, object]], stays: bool) -> None:
    assert names_span(headers) is stays


def test_a_header_is_taken_apart_up_to_its_flags() -> None:
    assert span_named(VALID) == ("00", "a" * 32, "b" * 16, "01")
    assert span_named(f"01-{IDS}-ff-" + "x" * (MAX_TRACEPARENT - 56)) == ("01", "a" * 32, "b" * 16, "ff")
    assert span_named(f"01-{IDS}-ff-" + "x" * (MAX_TRACEPARENT - 55)) is None
