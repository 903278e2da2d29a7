"""What takes a trace along on our channels."""

from __future__ import annotations

from quickwins.logs import bound
from quickwins.logs.grpc import trace_metadata
from quickwins.logs.kafka import extract
from tests.unit.logs.conftest import Configure

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_outside_a_trace_there_is_nothing_to_take_along() -> None:
    assert trace_metadata("/feed.v1.Feed/Get") == []
    with bound(tenant="t1"):
        assert trace_metadata("/feed.v1.Feed/Get") == []


def test_a_trace_goes_along_with_every_method(configure: Configure) -> None:
    configure()
    with extract([("traceparent", PARENT.encode())], topic="posts"):
        one, other = (dict(trace_metadata(f"/feed.v1.Feed/{name}")) for name in ("Get", "Put"))
    assert one["traceparent"].startswith("00-")
    assert one == other
