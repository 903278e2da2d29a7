"""Beside OpenTelemetry's SDK and its instrumentations: one trace, on every line, whoever stands outside of whom."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.responses import JSONResponse
from opentelemetry import context as otel_context
from opentelemetry import propagate
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.instrumentation import grpc as otel_grpc
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, Tracer
from prometheus_client import CollectorRegistry, generate_latest
from starlette.requests import Request

from quickwins.channels import rotating_channel
from quickwins.core.events import POOL_REJECTED, Reporter
from quickwins.logs import Sink, configure_logging, get_logger, in_context
from quickwins.logs.asgi import LogMiddleware
from quickwins.logs.grpc import LogClientInterceptor, LogServerInterceptor, trace_metadata
from quickwins.logs.kafka import extract, inject
from tests import grpc_service
from tests.eventually import eventually
from tests.integration.logs.serving import serving

pytestmark = pytest.mark.asyncio

CALLER = f"00-{'a' * 32}-{'b' * 16}-01"
_grpc: Any = otel_grpc  # which has no types
log = get_logger()


class Telemetry:
    """A provider of its own, what it recorded, and what was logged meanwhile."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(**options)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer: Tracer = self.provider.get_tracer("test")
        self._path = path
        self._begins = 0

    def begin(self) -> None:
        """Forget the spans and lines so far."""
        self.exporter.clear()
        self._begins = self._path.stat().st_size

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._path.read_bytes()[self._begins :].splitlines()]

    def line(self, event: str) -> dict[str, Any]:
        (found,) = [line for line in self.lines if line["event.name"] == event]
        return found

    async def until(self, *events: str) -> None:
        """Wait for lines of these events: a server may write them after its client has the answer."""
        await eventually(lambda: set(events) <= {line["event.name"] for line in self.lines})

    async def served(self, number: int = 1, kind: SpanKind = SpanKind.SERVER) -> None:
        """Wait for spans, which may end after the client has the answer, and after our lines."""
        await eventually(
            lambda: [one.kind for one in self.exporter.get_finished_spans()].count(kind) == number
        )

    def span(self, kind: SpanKind, name: str = "") -> ReadableSpan:
        found = [one for one in self.exporter.get_finished_spans() if one.kind is kind and name in one.name]
        assert len(found) == 1, [(one.kind, one.name) for one in self.exporter.get_finished_spans()]
        return found[0]


def ids(span: ReadableSpan) -> tuple[str, str]:
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"


def on(line: dict[str, Any]) -> tuple[str, str]:
    return line["trace_id"], line["span_id"]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Telemetry]]:
    path = tmp_path / "log"
    with configure_logging(sink=Sink.file(path, inline=True), level="debug", registry=CollectorRegistry()):
        log.info("begin")
        yield partial(Telemetry, path)


@pytest.fixture
def otel(make: Callable[..., Telemetry]) -> Telemetry:
    return make()


# Over HTTP.


async def inside(app: FastAPI, otel: Telemetry, **options: Any) -> AsyncIterator[Any]:
    app.add_middleware(LogMiddleware, **options)
    FastAPIInstrumentor.instrument_app(app, tracer_provider=otel.provider)
    yield app
    FastAPIInstrumentor.uninstrument_app(app)


async def outside(app: FastAPI, otel: Telemetry, **options: Any) -> AsyncIterator[Any]:
    FastAPIInstrumentor.instrument_app(app, tracer_provider=otel.provider)
    yield LogMiddleware(app, **options)
    FastAPIInstrumentor.uninstrument_app(app)


async def inside_plain(app: FastAPI, otel: Telemetry, **options: Any) -> AsyncIterator[Any]:
    yield OpenTelemetryMiddleware(LogMiddleware(app, **options), tracer_provider=otel.provider)


async def outside_plain(app: FastAPI, otel: Telemetry, **options: Any) -> AsyncIterator[Any]:
    yield LogMiddleware(OpenTelemetryMiddleware(app, tracer_provider=otel.provider), **options)


ORDERS = [
    pytest.param(inside, id="ours inside"),
    pytest.param(outside, id="ours outside"),
    pytest.param(inside_plain, id="ours inside, plain ASGI"),
    pytest.param(outside_plain, id="ours outside, plain ASGI"),
]


def service() -> FastAPI:
    app = FastAPI()

    @app.get("/quiet")
    async def quiet() -> str:
        return "ok"

    @app.get("/told")
    async def told() -> str:
        log.info("told")
        return "ok"

    @app.get("/thread")
    def thread() -> str:
        log.info("told")
        return "ok"

    @app.get("/later")
    async def later(tasks: BackgroundTasks) -> str:
        tasks.add_task(log.info, "told")
        return "ok"

    @app.get("/broken")
    async def broken() -> str:
        raise ZeroDivisionError

    @app.exception_handler(ZeroDivisionError)
    async def handle(request: Request, error: Exception) -> JSONResponse:
        log.error("told")
        return JSONResponse({}, status_code=500)

    @app.exception_handler(Exception)
    async def handle_all(request: Request, error: Exception) -> JSONResponse:
        log.error("told")
        return JSONResponse({}, status_code=500)

    @app.get("/unknown")
    async def unknown() -> str:
        raise LookupError

    return app


PATHS = ("/quiet", "/told", "/thread", "/later", "/broken", "/unknown")


@pytest.mark.parametrize("trusted", [False, True], ids=["untrusted", "trusted"])
@pytest.mark.parametrize("order", ORDERS)
async def test_every_line_of_a_request_is_in_its_trace(otel: Telemetry, order: Any, trusted: bool) -> None:
    headers: dict[str, str]
    async with asynccontextmanager(order)(service(), otel, trusted=trusted) as app, serving(app) as client:
        for path in PATHS:
            for headers in ({}, {"traceparent": CALLER}):
                otel.begin()
                answer = await client.get(path, headers)
                await otel.until("http.request", *(() if path == "/quiet" else ("told",)))
                await otel.served()
                server = otel.span(SpanKind.SERVER)
                assert (server.parent is None) == (not headers), (
                    "its parent is its own, and it a server's span"
                )
                said = [line for line in otel.lines if line["event.name"] in {"http.request", "told"}]
                assert {line["trace_id"] for line in said} == {ids(server)[0]}, (path, headers)
                assert len({line["correlation_id"] for line in said if "correlation_id" in line}) == 1
                told = otel.line("http.request")["correlation_id"]
                assert answer.headers.get("x-correlation-id", told) == told


@pytest.mark.parametrize("order", ORDERS)
async def test_lines_bear_the_servers_span_and_those_within_another_bear_that(
    otel: Telemetry, order: Any
) -> None:
    app = service()

    @app.get("/nested")
    async def nested() -> str:
        log.info("outer")
        with otel.tracer.start_as_current_span("query"):
            log.info("inner")
            await asyncio.create_task(asyncio.to_thread(in_context(partial(log.info, "elsewhere"))))
        log.info("outer again")
        return "ok"

    async with asynccontextmanager(order)(app, otel) as wrapped, serving(wrapped) as client:
        await client.get("/nested")
        await otel.until("http.request")
        await otel.served()
    server, query = otel.span(SpanKind.SERVER), otel.span(SpanKind.INTERNAL, "query")
    assert {
        event: on(otel.line(event)) for event in ("outer", "outer again", "http.request")
    } == dict.fromkeys(("outer", "outer again", "http.request"), ids(server))
    assert on(otel.line("inner")) == on(otel.line("elsewhere")) == ids(query)


async def test_requests_on_one_server_within_a_span_have_correlation_ids_of_their_own(
    otel: Telemetry,
) -> None:
    with otel.tracer.start_as_current_span("main"):
        async with serving(LogMiddleware(service())) as client:
            answers = [await client.get("/quiet") for _ in range(2)]
    assert len({answer.headers["x-correlation-id"] for answer in answers}) == 2


async def test_where_there_is_no_span_the_ids_are_ours(otel: Telemetry) -> None:
    async with serving(LogMiddleware(service(), trusted=True)) as client:
        await client.get("/told", {"traceparent": CALLER})
        await otel.until("http.request")
    assert on(otel.line("told")) == on(otel.line("http.request"))
    assert otel.line("told")["trace_id"] == "a" * 32
    assert "trace_id" not in otel.line("begin")


# Over gRPC.


def handler(kind: str, behavior: Any) -> grpc.RpcMethodHandler:
    made: grpc.RpcMethodHandler = getattr(grpc, f"{kind}_rpc_method_handler")(behavior)
    return made


def brought(context: Any) -> dict[str, str]:
    """The headers that came, none of which twice."""
    found = [pair for pair in context.invocation_metadata() if pair[0] in {"traceparent", "tracestate"}]
    assert len(found) == len(dict(found))
    return dict(found)


async def one(request: Any, context: Any) -> bytes:
    if not isinstance(request, bytes):
        assert [message async for message in request]
    log.info("handled")
    return json.dumps(brought(context)).encode()


async def many(request: Any, context: Any) -> AsyncIterator[bytes]:
    yield await one(request, context)


async def called(channel: Any, kind: str, **options: Any) -> dict[str, str]:
    method = getattr(channel, kind)("/test.Service/Do")
    given = iter([b"x"]) if kind.startswith("stream") else b"x"
    call = method(given, **options)
    answers = [answer async for answer in call] if kind.endswith("stream") else [await call]
    found: dict[str, str] = json.loads(answers[-1])
    return found


def both(ours: list[Any], theirs: list[Any], *, first: bool) -> list[Any]:
    return [*ours, *theirs] if first else [*theirs, *ours]


KINDS = ["unary_unary", "unary_stream", "stream_unary", "stream_stream"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("server_first", [True, False], ids=["server ours first", "server theirs first"])
@pytest.mark.parametrize("client_first", [True, False], ids=["client ours first", "client theirs first"])
async def test_a_trace_goes_over_http_and_grpc_to_the_last_line(
    otel: Telemetry, kind: str, client_first: bool, server_first: bool
) -> None:
    client = both([*LogClientInterceptor()], _grpc.aio_client_interceptors(otel.provider), first=client_first)
    server = both(
        [LogServerInterceptor(trusted=True)],
        [_grpc.aio_server_interceptor(otel.provider)],
        first=server_first,
    )
    do = handler(kind, many if kind.endswith("stream") else one)
    async with grpc_service.serving(*server, client=client, Do=do) as channel:
        app = FastAPI()

        @app.get("/")
        async def get() -> dict[str, str]:
            log.info("told")
            return await called(channel, kind)

        async with asynccontextmanager(inside)(app, otel) as wrapped, serving(wrapped) as http:
            answer = await http.get("/", {"traceparent": CALLER, "tracestate": "foo=1"})
            await otel.until("http.request", "rpc.request", "rpc.call")
            await otel.served(2)
    assert answer.status == 200
    spans = otel.exporter.get_finished_spans()
    assert {ids(span)[0] for span in spans} == {"a" * 32}
    events = ("told", "http.request", "rpc.call", "handled", "rpc.request")
    lines = {event: otel.line(event) for event in events}
    assert {line["trace_id"] for line in lines.values()} == {"a" * 32}
    caller = otel.span(SpanKind.CLIENT)
    (served,) = [
        span
        for span in spans
        if span.kind is SpanKind.SERVER and span.parent and f"{span.parent.span_id:016x}" == ids(caller)[1]
    ]
    sent = json.loads(answer.body)
    assert sent == {"traceparent": f"00-{'a' * 32}-{ids(caller)[1]}-01", "tracestate": "foo=1"}
    assert on(lines["handled"]) == on(lines["rpc.request"]) == ids(served)
    assert lines["rpc.request"]["rpc.grpc.status_code"] == 0


async def test_a_call_continues_the_active_span_where_only_ours_makes_it(otel: Telemetry) -> None:
    client = [*LogClientInterceptor()]
    async with grpc_service.serving(
        LogServerInterceptor(trusted=True), client=client, Do=handler("unary_unary", one)
    ) as channel:
        with otel.tracer.start_as_current_span("outer"), otel.tracer.start_as_current_span("inner"):
            sent = await called(channel, "unary_unary")
        await otel.until("rpc.request")
    inner = otel.span(SpanKind.INTERNAL, "inner")
    trace, span = ids(inner)
    assert inner.context.trace_flags.sampled
    assert sent == {"traceparent": f"00-{trace}-{span}-{inner.context.trace_flags:02x}"}
    assert otel.line("handled")["trace_id"] == otel.line("rpc.request")["trace_id"] == trace


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("instrumented", [False, True], ids=["ours alone", "theirs too"])
async def test_our_own_channels_continue_the_active_span(
    otel: Telemetry, kind: str, instrumented: bool
) -> None:
    do = handler(kind, many if kind.endswith("stream") else one)
    interceptors = _grpc.aio_client_interceptors(otel.provider) if instrumented else []
    async with grpc_service.listening(Do=do) as port:
        channel = rotating_channel(
            f"127.0.0.1:{port}",
            name="feed",
            metadata=trace_metadata,
            interceptors=interceptors,
            registry=CollectorRegistry(),
        )
        async with channel:
            with otel.tracer.start_as_current_span("active"):
                sent = await called(channel, kind)
                chosen = await called(channel, kind, metadata=(("traceparent", CALLER),))
    await otel.served(2 if instrumented else 0, SpanKind.CLIENT)
    active = otel.span(SpanKind.INTERNAL)
    calls = [ids(span) for span in otel.exporter.get_finished_spans() if span.kind is SpanKind.CLIENT]
    trace, span = min(calls, key=lambda found: found[1] not in sent["traceparent"], default=ids(active))
    assert trace == ids(active)[0]
    assert sent["traceparent"].startswith(f"00-{trace}-{span}-")
    assert instrumented or chosen == {"traceparent": CALLER}


async def test_a_span_that_is_not_sampled_goes_on_as_such(make: Callable[..., Telemetry]) -> None:
    otel = make(sampler=ALWAYS_OFF)
    async with grpc_service.serving(
        client=[*LogClientInterceptor()], Do=handler("unary_unary", one)
    ) as channel:
        with otel.tracer.start_as_current_span("dropped") as span:
            sent = await called(channel, "unary_unary")
            log.info("told")
    dropped = span.get_span_context()
    trace, own = f"{dropped.trace_id:032x}", f"{dropped.span_id:016x}"
    assert on(otel.line("told")) == (trace, own)
    assert not dropped.trace_flags.sampled
    assert sent == {"traceparent": f"00-{trace}-{own}-{dropped.trace_flags:02x}"}


async def test_a_traceparent_that_the_caller_chose_stays(otel: Telemetry) -> None:
    given = (("traceparent", CALLER), ("tracestate", "bar=2"))
    async with grpc_service.serving(
        client=[*LogClientInterceptor()], Do=handler("unary_unary", one)
    ) as channel:
        with otel.tracer.start_as_current_span("active"):
            assert await called(channel, "unary_unary", metadata=given) == dict(given)


async def test_a_failure_in_a_handler_is_told_of_in_its_trace_with_its_code(otel: Telemetry) -> None:
    async def failing(request: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.NOT_FOUND, "none")
        raise AssertionError

    theirs, ours = _grpc.aio_server_interceptor(otel.provider), LogServerInterceptor()
    for interceptors in ((theirs, ours), (ours, theirs)):
        otel.begin()
        async with grpc_service.serving(*interceptors, Do=handler("unary_unary", failing)) as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await channel.unary_unary("/test.Service/Do")(b"x")
            await otel.until("rpc.request")
            await otel.served()
        line = otel.line("rpc.request")
        assert line["rpc.grpc.status_code"] == 5
        assert interceptors[0] is ours or on(line) == ids(otel.span(SpanKind.SERVER))


async def test_a_server_that_began_within_a_span_tells_each_call_in_its_own_trace(otel: Telemetry) -> None:
    with otel.tracer.start_as_current_span("start"):
        serving_it = grpc_service.serving(
            _grpc.aio_server_interceptor(otel.provider),
            LogServerInterceptor(),
            Do=handler("unary_unary", one),
        )
        channel = await serving_it.__aenter__()
    await called(channel, "unary_unary", metadata=(("traceparent", CALLER),))
    await otel.until("rpc.request")
    await serving_it.__aexit__(None, None, None)
    assert otel.line("rpc.request")["trace_id"] == otel.line("handled")["trace_id"] == "a" * 32


# Elsewhere.


async def test_a_callers_span_that_somebody_made_active_counts_and_none_does_not(otel: Telemetry) -> None:
    token = otel_context.attach(propagate.extract({"traceparent": CALLER}))
    log.info("called")
    otel_context.detach(token)
    token = otel_context.attach(propagate.extract({"traceparent": "00-" + "0" * 32 + "-" + "0" * 16 + "-01"}))
    log.info("not called")
    otel_context.detach(token)
    assert on(otel.line("called")) == ("a" * 32, "b" * 16)
    assert "trace_id" not in otel.line("not called")


async def test_a_message_takes_the_active_span_along(otel: Telemetry) -> None:
    with otel.tracer.start_as_current_span("send", context=propagate.extract({"traceparent": CALLER})):
        headers = inject([("schema", b"7")])
        mine = inject([("traceparent", CALLER.replace("b", "c").encode())])
    assert headers[1:] == [
        ("traceparent", f"00-{'a' * 32}-{ids(otel.span(SpanKind.INTERNAL))[1]}-01".encode())
    ]
    assert mine == [("traceparent", CALLER.replace("b", "c").encode())]
    with extract(headers):
        log.info("handled")
    assert otel.line("handled")["trace_id"] == "a" * 32


async def test_with_many_requests_at_once_no_line_is_in_anothers_trace(otel: Telemetry) -> None:
    app = FastAPI()

    @app.get("/{number}")
    async def get(number: int) -> str:
        for _ in range(3):
            log.info("told", number=number)
            with otel.tracer.start_as_current_span("step"):
                await asyncio.sleep(0)
                log.info("told", number=number)
        return "ok"

    async with asynccontextmanager(outside)(app, otel) as wrapped, serving(wrapped) as client:
        sent = {number: f"{random.getrandbits(128) | 1:032x}" for number in range(20)}
        await asyncio.gather(
            *(
                client.get(f"/{number}", {"traceparent": f"00-{trace}-{'b' * 16}-01"})
                for number, trace in sent.items()
            )
        )
    told = [(line["number"], line["trace_id"]) for line in otel.lines if line["event.name"] == "told"]
    assert len(told) == 20 * 6
    assert all(sent[number] == trace for number, trace in told)
    by_request = [line["trace_id"] for line in otel.lines if line["event.name"] == "http.request"]
    assert sorted(by_request) == sorted(sent.values())


async def test_our_series_and_its_own_are_in_one_scrape_each_once() -> None:
    registry = CollectorRegistry()
    meters = MeterProvider([PrometheusMetricReader(registry=registry)])
    meters.get_meter("feed").create_counter("orders").add(3)
    with configure_logging(service="feed", sink=Sink.file(os.devnull, inline=True), registry=registry):
        log.info("a")
        scrape = generate_latest(registry).decode()
        again = generate_latest(registry).decode()
    series = [line.rpartition(" ")[0] for line in scrape.splitlines() if not line.startswith("#")]
    assert len(series) == len(set(series))
    assert 'log_records_total{level="info",name="",service="feed"} 1.0' in scrape
    assert next(line for line in again.splitlines() if line.startswith("orders_total{")).endswith(" 3.0")
    meters.shutdown()


async def test_its_handler_gets_each_event_once_redacted_and_in_its_span(otel: Telemetry) -> None:
    exporter: Any = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]  # -- it has no types; until=2027-11-30
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    handler = LoggingHandler(logger_provider=provider)
    logging.getLogger().addHandler(handler)
    try:
        with otel.tracer.start_as_current_span("s") as span:
            log.info("told", password="hunter2", order=7)
            logging.getLogger("lib").warning("hello %s", "bob")
            Reporter(service="t", name="feed").report(
                POOL_REJECTED, reason="queue_full", limit=1, inflight=1, count=9
            )
    finally:
        logging.getLogger().removeHandler(handler)
    sent = [one.log_record for one in exporter.get_finished_logs()]
    assert [one.body for one in sent] == [
        "told password=[redacted:key] order=7",
        "hello bob",
        "pool.rejected reason=queue_full limit=1 inflight=1 count=9",
    ]
    assert sent[0].attributes is not None
    assert sent[0].attributes["event"] == "told"
    assert sent[0].attributes["fields"] == {"password": "[redacted:key]", "order": 7}
    assert {one.span_id for one in sent} == {span.get_span_context().span_id}
    assert on(otel.line("told")) == on(otel.line("pool.rejected")) == ids(otel.span(SpanKind.INTERNAL))
