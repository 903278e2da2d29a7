"""Which ids lines and headers have where an application has OpenTelemetry."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

from quickwins.logs import Sink, bound, get_logger
from quickwins.logs._context import CONTEXT, EMPTY, Canonical, Context, within
from quickwins.logs._span import in_span, settled
from quickwins.logs._trace.request import departing, joined
from quickwins.logs._trace.w3c import Trace
from tests.unit.logs.conftest import Configure, Written

log = get_logger()
OURS = Trace("a" * 32, "b" * 16, 3)


def span(trace_id: int = 0xC, span_id: int = 0xD, **more: Any) -> NonRecordingSpan:
    options = {"is_remote": False, "trace_flags": TraceFlags(1), **more}
    return NonRecordingSpan(SpanContext(trace_id, span_id, **options))


@contextmanager
def active(one: trace.Span) -> Iterator[None]:
    token = otel_context.attach(trace.set_span_in_context(one))
    try:
        yield
    finally:
        otel_context.detach(token)


def request() -> Context:
    return Context({"correlation_id": "order-7"}, trace=OURS, canonical=Canonical())


def test_the_active_spans_ids_are_on_lines_and_ours_without_one(
    configure: Configure, written: Written
) -> None:
    configure()
    with within(request()):
        log.info("a")
    with active(span()):
        log.info("b")
        with within(request()), bound(tenant="t1"):
            log.info("c", x=1)
            logging.getLogger("feed").warning("d")
            structlog.get_logger().info("e")
            with active(span(span_id=0xE)):
                log.info("f")
            log.info("g")
    log.info("h")
    found = [(line.get("trace_id"), line.get("span_id")) for line in written.lines]
    theirs, inner = (f"{0xC:032x}", f"{0xD:016x}"), (f"{0xC:032x}", f"{0xE:016x}")
    assert found == [OURS[:2], theirs, theirs, theirs, theirs, inner, theirs, (None, None)]
    assert written.lines[2]["correlation_id"] == "order-7"
    assert written.lines[2]["tenant"] == "t1"


def test_the_same_span_costs_one_rendering() -> None:
    context = request()
    with active(span()):
        assert in_span(context) is in_span(context)
        assert in_span(in_span(context)).trace == in_span(context).trace


@pytest.mark.parametrize(
    "nothing",
    [
        pytest.param(span(0, 0xD), id="no trace"),
        pytest.param(span(0xC, 0), id="no span"),
        pytest.param(span(1 << 128, 0xD), id="a trace that is too long"),
        pytest.param(trace.INVALID_SPAN, id="none"),
    ],
)
def test_a_span_whose_ids_are_invalid_is_none(nothing: trace.Span) -> None:
    context = request()
    with active(nothing):
        assert in_span(context) is context


def test_flags_and_state_of_the_span_go_into_headers() -> None:
    state = TraceState([("foo", "1"), ("bar", "2")])
    with active(span(trace_flags=TraceFlags(0xFE), trace_state=state, is_remote=True)):
        assert departing(in_span(request())) == [
            ("traceparent", f"00-{0xC:032x}-{0xD:016x}-02"),
            ("tracestate", "foo=1,bar=2"),
            ("x-correlation-id", "order-7"),
        ]


def test_what_is_said_of_a_request_after_its_spans_is_in_the_firsts_trace() -> None:
    context = request()
    with active(span()):
        first = in_span(context)
        with active(span(span_id=0xE)):
            in_span(context.with_({"tenant": "t1"}))
    assert in_span(context).trace == settled(context).trace == first.trace
    with active(span(0xF, 0xF)):
        assert in_span(context).trace != first.trace
        assert in_span(settled(context)).trace == first.trace


def test_outside_of_requests_no_span_is_remembered() -> None:
    with active(span()):
        assert in_span(EMPTY).trace is not None
    assert in_span(EMPTY) is EMPTY


def test_what_a_sink_says_of_itself_is_in_nobodys_trace(configure: Configure, tmp_path: Path) -> None:
    path = tmp_path / "later" / "log"
    pipeline = configure(sink=Sink.file(path, inline=True))
    with active(span()), within(request()):
        log.info("a")
        path.parent.mkdir()
        assert pipeline.flush(30)
    told = {line["event.name"]: line for line in Written(path).lines}
    assert told["a"]["trace_id"] == f"{0xC:032x}"
    assert "trace_id" not in told["log.sink_recovered"]


class Hostile(NonRecordingSpan):
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def get_span_context(self) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    "answer",
    [None, object(), ZeroDivisionError(), RecursionError()],
)
def test_a_span_that_fails_costs_no_line(configure: Configure, written: Written, answer: Any) -> None:
    configure()
    with within(request()), active(Hostile(answer)):
        log.info("a")
    assert written.last["event.name"] == "a"
    assert written.last["trace_id"] == OURS.trace_id


def test_ids_that_the_application_adds_itself_are_not_said_twice(
    configure: Configure, written: Written
) -> None:
    def add_ids(logger: Any, method: str, event: Any) -> Any:
        there = trace.get_current_span().get_span_context()
        event["trace_id"], event["span_id"] = f"{there.trace_id:032x}", f"{there.span_id:016x}"
        return event

    class Filter(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            record.otelTraceID, record.otelSpanID = f"{0xC:032x}", f"{0xD:016x}"
            record.otelServiceName, record.otelTraceSampled = "feed", True
            return True

    configure()
    structlog.configure(processors=[add_ids, structlog.processors.JSONRenderer()])
    logger = logging.getLogger("feed.otel")
    logger.addFilter(Filter())
    with active(span()):
        structlog.get_logger().info("a")
        logger.warning("b")
        log.info("c", trace_id="mine", span_id=f"{0xD:016x}")
    assert [line["span_id"] for line in written.lines] == [f"{0xD:016x}"] * 3
    assert [line.get("attributes") for line in written.lines] == [None, None, {"trace_id": "mine"}]
    assert not [name for line in written.lines for name in line if name.startswith("otel")]
    structlog.reset_defaults()


def test_it_may_be_imported_after_logging_was_configured() -> None:
    script = """
import json, sys
from quickwins.core.clock import FakeClock
from quickwins.logs import Sink, configure_logging, get_logger
clock = FakeClock(wall_now=1_700_000_000)
configure_logging(sink=Sink.stdout(inline=True), clock=clock)
get_logger().info("a")
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
from opentelemetry import context, trace
context.attach(trace.set_span_in_context(trace.NonRecordingSpan(trace.SpanContext(12, 13, False))))
clock.jump(1)
get_logger().info("b")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, timeout=60, text=True
    )
    first, second = done.stdout.splitlines()
    assert "trace_id" not in first
    assert f'"trace_id":"{12:032x}","span_id":"{13:016x}"' in second


VALID = "00-" + "c" * 32 + "-" + "d" * 16 + "-01"
SENT = [("traceparent", OURS.traceparent), ("tracestate", "foo=1"), ("x-correlation-id", "order-7")]


@pytest.mark.parametrize(
    ("there", "kept", "added"),
    [
        pytest.param([("a", "1")], [("a", "1")], SENT, id="nothing of ours"),
        pytest.param(
            [("Traceparent", VALID), ("tracestate", "bar=1"), ("x-correlation-id", "old")],
            [("Traceparent", VALID), ("tracestate", "bar=1")],
            SENT[2:],
            id="a whole trace",
        ),
        pytest.param([("traceparent", VALID)], [("traceparent", VALID)], SENT[2:], id="without a state"),
        pytest.param(
            [("traceparent", VALID.encode())], [("traceparent", VALID.encode())], SENT[2:], id="bytes"
        ),
        pytest.param([("traceparent", "old"), ("a", "1")], [("a", "1")], SENT, id="an invalid one"),
        pytest.param([("traceparent", None), ("a", "1")], [("a", "1")], SENT, id="one without a value"),
        pytest.param([("tracestate", "bar=1")], [], SENT, id="a state alone"),
        pytest.param(
            [("traceparent", VALID), ("traceparent", VALID)], [], SENT, id="two, which mean nothing"
        ),
    ],
)
def test_a_trace_that_is_there_is_never_overwritten(there: Any, kept: Any, added: Any) -> None:
    assert joined(there, list(SENT)) == (kept, added)


def test_nothing_of_opentelemetrys_context_is_changed() -> None:
    before = otel_context.get_current()
    with within(request()):
        log.info("a")
        in_span(CONTEXT.get())
    assert otel_context.get_current() is before
