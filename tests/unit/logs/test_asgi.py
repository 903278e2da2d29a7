"""One line for each request, whatever becomes of it, and a context that ends with it."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from quickwins.backpressure import PoolExhausted, RejectReason
from quickwins.core.asgi import REFUSED
from quickwins.core.clock import FakeClock
from quickwins.logs import Sink, _logger, configure_logging
from quickwins.logs._context import CONTEXT, EMPTY, Canonical, Context, annotate, bound
from quickwins.logs._trace.w3c import parse_traceparent
from quickwins.logs.asgi import EXEMPT, LogMiddleware
from tests.unit.logs.recording import Lines, recorded

pytestmark = pytest.mark.asyncio

REFUSAL = PoolExhausted("pool 'secret' is full", reason=RejectReason.QUEUE_FULL, retry_after_seconds=1)
UUID = "0190a7b2-6c1e-7f00-8a3b-0123456789ab"
TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01".encode()

App = Callable[[Any, Any, Any], Awaitable[None]]


@pytest.fixture(autouse=True)
def lines() -> Iterator[Lines]:
    with recorded() as made:
        yield made


def answering(status: int = 200, headers: Any = ()) -> App:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})

    return app


async def refused(scope: Any, receive: Any, send: Any) -> None:
    scope[REFUSED] = True
    await answering(503)(scope, receive, send)


def raising(error: BaseException, *, begun: bool = False) -> App:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise error

    return app


async def call(app: App, **scope: Any) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app({"type": "http", "method": "GET", "path": "/secret", "headers": [], **scope}, receive, send)
    return sent


async def test_a_request_leaves_one_line_with_its_context(lines: Lines) -> None:
    clock = FakeClock()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        clock.now += 0.0125
        scope["endpoint"] = answering
        scope["path_params"] = {"user": "secret"}
        annotate(rows=3)
        await answering(201)(scope, receive, send)

    await call(LogMiddleware(app, clock=clock, rng=random.Random(1)), method="POST")
    line = lines.only()
    assert (line.level, line.event) == ("info", "http.request")
    assert line.fields == {
        "http.request.method": "POST",
        "http.route": "/{user}",
        "http.response.status_code": 201,
        "duration_ms": 12.5,
        "rows": 3,
    }
    assert len(line.bound["trace_id"]) == 32
    assert len(line.bound["span_id"]) == 16
    assert line.bound["correlation_id"] == line.bound["trace_id"]
    assert CONTEXT.get() is EMPTY


@pytest.mark.parametrize("method", ["get", "BREW", "", "GET\n", "ÜBER"])
async def test_a_method_that_nobody_knows_is_not_shown(lines: Lines, method: str) -> None:
    await call(LogMiddleware(answering()), method=method)
    assert lines.only().fields["http.request.method"] == "_OTHER"


async def test_of_an_unmatched_request_nothing_is_shown_that_the_client_wrote(lines: Lines) -> None:
    await call(LogMiddleware(answering(404)), query_string=b"token=secret", headers=[(b"cookie", b"secret")])
    line = lines.only()
    assert "http.route" not in line.fields
    assert "secret" not in str(line)


async def test_the_correlation_id_goes_back_and_the_applications_message_is_not_touched(lines: Lines) -> None:
    headers = [(b"content-type", b"text/plain"), (b"x-correlation-id", b"the application's")]
    mine = [(b"x-correlation-id", UUID.upper().encode())]
    start, _ = await call(LogMiddleware(answering(headers=headers)), headers=mine)
    assert start["headers"] == [(b"content-type", b"text/plain"), (b"x-correlation-id", UUID.encode())]
    assert len(headers) == 2
    assert lines.only().bound["correlation_id"] == UUID


@pytest.mark.parametrize("value", [b"a@example.com", b"x\r\nset-cookie: a=b", b"\xff" * 20, b"order-7"])
async def test_what_is_no_correlation_id_goes_nowhere(lines: Lines, value: bytes) -> None:
    start, _ = await call(LogMiddleware(answering()), headers=[(b"x-correlation-id", value)])
    ((_, sent),) = start["headers"]
    assert sent.decode() == lines.only().bound["correlation_id"] == lines.only().bound["trace_id"]
    assert value not in sent


@pytest.mark.parametrize(
    ("trusted", "continued"),
    [
        pytest.param(True, True, id="yes"),
        pytest.param(False, False, id="no"),
        pytest.param(lambda scope: scope["client"][0] == "10.0.0.1", True, id="this one"),
        pytest.param(lambda scope: scope["client"][0] == "10.0.0.2", False, id="another one"),
        pytest.param(lambda scope: 1 / 0, False, id="a question that fails"),
        pytest.param(lambda scope: "yes", False, id="an answer that is none"),
    ],
)
async def test_whose_trace_is_continued(lines: Lines, trusted: Any, continued: bool) -> None:
    headers = [(b"traceparent", TRACEPARENT), (b"x-correlation-id", b"order-7")]
    await call(LogMiddleware(answering(), trusted=trusted), headers=headers, client=("10.0.0.1", 1))
    line = lines.only()
    assert (line.bound["trace_id"] == "a" * 32) == continued
    assert (line.bound["correlation_id"] == "order-7") == continued
    assert line.bound["span_id"] != "b" * 16
    linked = {name: value for name, value in line.fields.items() if name.startswith("link.")}
    assert linked == ({} if continued else {"link.trace_id": "a" * 32, "link.span_id": "b" * 16})


@pytest.mark.parametrize(
    ("app", "level", "status", "error"),
    [
        pytest.param(answering(200), "info", 200, None, id="well"),
        pytest.param(answering(404), "info", 404, None, id="client's fault"),
        pytest.param(answering(500), "error", 500, None, id="server's fault"),
        pytest.param(answering(503), "error", 503, None, id="unavailable"),
        pytest.param(refused, "info", 503, None, id="refused"),
        pytest.param(raising(ValueError("secret")), "error", 500, "ValueError", id="failed before it began"),
        pytest.param(
            raising(ValueError("secret"), begun=True), "error", 200, "ValueError", id="failed after it began"
        ),
        pytest.param(raising(REFUSAL), "error", 500, "PoolExhausted", id="refused, and answered by nobody"),
        pytest.param(raising(REFUSAL, begun=True), "info", 200, "PoolExhausted", id="refused after it began"),
        pytest.param(raising(asyncio.CancelledError()), "warning", None, "CancelledError", id="cancelled"),
        pytest.param(
            raising(type("ClientDisconnect", (Exception,), {})()),
            "warning",
            None,
            "ClientDisconnect",
            id="gone",
        ),
        pytest.param(raising(SystemExit(1)), "warning", None, "SystemExit", id="exiting"),
    ],
)
async def test_every_end_leaves_its_line_and_passes(
    lines: Lines, app: App, level: str, status: int | None, error: str | None
) -> None:
    if error is None:
        await call(LogMiddleware(app))
    else:
        with pytest.raises(BaseException) as caught:
            await call(LogMiddleware(app))
        assert type(caught.value).__name__ == error
    line = lines.only()
    assert line.level == level
    assert line.fields.get("http.response.status_code") == status
    assert line.fields.get("error.type") == error
    assert ("exc_info" in line.fields) == (level == "error" and error is not None)
    assert CONTEXT.get() is EMPTY


async def test_a_client_that_went_away_leaves_a_line_without_a_status(lines: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert await receive()

    await call(LogMiddleware(app))
    assert "http.response.status_code" not in lines.only().fields


@pytest.mark.parametrize(("slow_seconds", "level"), [(0.5, "warning"), (0.6, "info"), (None, "info")])
async def test_a_slow_request_is_a_warning(lines: Lines, slow_seconds: float | None, level: str) -> None:
    clock = FakeClock()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        clock.now += 0.5
        await answering()(scope, receive, send)

    await call(LogMiddleware(app, clock=clock, slow_seconds=slow_seconds))
    assert lines.only().level == level


async def test_what_runs_after_the_answer_is_not_the_requests_time(lines: Lines) -> None:
    clock = FakeClock()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        clock.now += 0.25
        await answering()(scope, receive, send)
        clock.now += 60  # a background task

    await call(LogMiddleware(app, clock=clock))
    assert (lines.only().level, lines.only().fields["duration_ms"]) == ("info", 250.0)


@pytest.mark.parametrize(("until_first", "level"), [(0.5, "info"), (2, "warning")])
async def test_a_stream_is_slow_when_it_begins_late_and_not_when_it_lasts(
    lines: Lines, until_first: float, level: str
) -> None:
    clock = FakeClock()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        clock.now += until_first
        for _ in range(3):
            await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
            clock.now += 20
        await send({"type": "http.response.body", "body": b""})

    await call(LogMiddleware(app, clock=clock))
    assert (lines.only().level, lines.only().fields["duration_ms"]) == (level, 60_000 + until_first * 1_000)


async def test_a_scope_without_headers_method_or_path_is_a_request_like_any_other(lines: Lines) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await LogMiddleware(answering())({"type": "http"}, None, send)  # type: ignore[arg-type]  # -- nobody receives; until=never
    assert lines.only().fields["http.request.method"] == "_OTHER"
    assert len(sent) == 2


@pytest.mark.parametrize("root", ["", "/api"], ids=["at the root", "below a proxy's prefix"])
@pytest.mark.parametrize("path", [*EXEMPT, "/metrics/"])
async def test_probes_leave_a_line_only_when_they_fail(lines: Lines, path: str, root: str) -> None:
    scope = {"path": root + path, "root_path": root}
    await call(LogMiddleware(answering(200)), **scope)
    assert not lines.lines
    await call(LogMiddleware(answering(503)), **scope)
    await call(LogMiddleware(answering(200), exempt=()), **scope)
    assert [line.level for line in lines.lines] == ["error", "info"]


@pytest.mark.parametrize(
    ("route", "shown"), [(lambda scope: "/of/{mine}", "/of/{mine}"), (lambda scope: 1 / 0, None)]
)
async def test_the_service_may_name_its_routes(lines: Lines, route: Any, shown: str | None) -> None:
    await call(LogMiddleware(answering(), route=route))
    assert lines.only().fields.get("http.route") == shown


async def test_a_route_that_a_handler_names_stays(lines: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["endpoint"], scope["path_params"] = answering, {}
        annotate(**{"http.route": "/{language}/items"})
        await answering()(scope, receive, send)

    await call(LogMiddleware(app))
    assert lines.only().fields["http.route"] == "/{language}/items"


async def test_a_context_that_outlives_its_request_keeps_no_error_alive(lines: Lines) -> None:
    contexts: list[Context] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        annotate(rows=3)
        contexts.append(CONTEXT.get())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await call(LogMiddleware(app))
    assert lines.only().fields["rows"] == 3
    assert contexts[0].canonical == {"rows": 3}


async def test_what_is_annotated_does_not_replace_what_was_seen(lines: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        annotate(**{"http.response.status_code": 1, "exc_info": "x", "event": "y", "self": "z"})
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        await call(LogMiddleware(app))
    fields = lines.only().fields
    assert (fields["http.response.status_code"], fields["event"], fields["self"]) == (500, "y", "z")
    assert isinstance(fields["exc_info"], ValueError)


async def test_fields_of_the_process_are_on_the_line_and_those_of_another_request_are_not(
    lines: Lines,
) -> None:
    with bound(region="eu"):
        await call(LogMiddleware(answering()))
    token = CONTEXT.set(Context({"tenant": "other"}, canonical=Canonical()))
    await call(LogMiddleware(answering()))
    CONTEXT.reset(token)
    assert [line.bound.get("region") for line in lines.lines] == ["eu", None]
    assert [line.bound.get("tenant") for line in lines.lines] == [None, None]


async def test_a_websocket_leaves_one_line_at_its_end(lines: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = type("Route", (), {"path": "/feed/{user}", "endpoint": None})
        annotate(messages=2)
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "secret"})

    middleware = LogMiddleware(app, slow_seconds=0)
    start, _ = await call(middleware, type="websocket", headers=[(b"x-correlation-id", UUID.encode())])
    assert start["headers"] == [(b"x-correlation-id", UUID.encode())]
    line = lines.only()
    assert (line.level, line.event, line.bound["correlation_id"]) == ("info", "websocket.session", UUID)
    assert line.fields.keys() == {"http.route", "duration_ms", "messages"}


async def test_a_websocket_that_is_denied_has_the_status(lines: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.http.response.start", "status": 403, "headers": []})

    await call(LogMiddleware(app), type="websocket")
    assert lines.only().fields["http.response.status_code"] == 403
    with pytest.raises(ValueError, match="no"):
        await call(LogMiddleware(raising(ValueError("no"))), type="websocket")
    assert "http.response.status_code" not in lines.lines[-1].fields
    assert (lines.lines[-1].level, lines.lines[-1].fields["error.type"]) == ("error", "ValueError")


async def test_what_servers_say_of_the_level_gives_way_when_the_application_starts(tmp_path: Path) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    root = logging.getLogger()
    before = root.level
    with configure_logging(sink=Sink.file(tmp_path / "log"), registry=CollectorRegistry()):
        root.setLevel(logging.ERROR)
        await call(LogMiddleware(app), type="lifespan")
        assert root.level == logging.INFO
    root.setLevel(before)


class Off:
    class state:  # noqa: N801 -- as flags have it; until=never
        on = False


async def test_lifespan_and_what_is_off_pass_untouched(lines: Lines) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope, receive, send, CONTEXT.get()))

    async def receive() -> Any: ...
    async def send(message: Any) -> None: ...

    for kind, flag in (("lifespan", None), ("http", Off), ("websocket", Off)):
        scope = {"type": kind, "headers": []}
        await LogMiddleware(app, flag=flag)(scope, receive, send)  # type: ignore[arg-type]  # -- a stand-in; until=never
        assert seen.pop() == ({"type": kind, "headers": []}, receive, send, EMPTY)
    assert not lines.lines


async def test_a_request_during_which_logging_goes_off_is_told_where_the_application_logs(
    lines: Lines, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        annotate(shop="t1")
        _logger.current = None
        await answering()(scope, receive, send)

    with caplog.at_level(logging.INFO):
        await call(LogMiddleware(app))
    assert lines.lines == []
    assert [(one.levelname, one.getMessage().split()[:2]) for one in caplog.records] == [
        ("INFO", ["http.request", "shop=t1"])
    ]


async def test_a_log_that_breaks_breaks_no_request(lines: Lines) -> None:
    class Breaking:
        threshold = 0

        def emit(self, *_: object) -> bool:
            raise ValueError("broken")

    before, _logger.current = _logger.current, Breaking()  # type: ignore[assignment]  # -- as much of one as is asked here; until=never
    try:
        sent = await call(LogMiddleware(answering()))
    finally:
        _logger.current = before
    assert [one.get("status") for one in sent] == [200, None]
    assert lines.lines == []


async def test_a_request_is_cancelled_at_any_of_its_awaits_and_leaves_its_line(lines: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        with bound(inside=True):
            for _ in range(5):
                await asyncio.sleep(0)
            await answering()(scope, receive, send)
            for _ in range(5):
                await asyncio.sleep(0)

    contexts: list[Context] = []

    async def outer() -> None:
        try:
            await call(LogMiddleware(app))
        finally:
            contexts.append(CONTEXT.get())

    for turns in range(15):
        task = asyncio.create_task(outer())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        ended = await asyncio.gather(task, return_exceptions=True)
        began = turns > 0
        assert len(lines.lines) == len(contexts) == began
        if began:
            line = lines.lines.pop()
            cancelled = isinstance(ended[0], asyncio.CancelledError)
            assert line.fields.get("error.type") == ("CancelledError" if cancelled else None)
            assert "inside" not in line.bound
            assert contexts.pop() is EMPTY
    assert [*ended] == [None]


async def test_a_hundred_requests_at_once_keep_their_contexts_apart(lines: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        number = scope["number"]
        with bound(number=number):
            for _ in range(number % 7):
                await asyncio.sleep(0)
            annotate(number=number)
            assert CONTEXT.get().fields["number"] == number
        await answering()(scope, receive, send)

    middleware = LogMiddleware(app)
    await asyncio.gather(*(call(middleware, number=number) for number in range(100)))
    assert sorted(line.fields["number"] for line in lines.lines) == [*range(100)]
    assert len({line.bound["trace_id"] for line in lines.lines}) == 100
    assert not any("number" in line.bound for line in lines.lines)


names = st.sampled_from([b"traceparent", b"tracestate", b"x-correlation-id", b"host"])
values = st.binary(max_size=70) | st.sampled_from([TRACEPARENT, UUID.encode()])


@given(st.lists(st.tuples(names, values)), st.booleans())
async def test_any_headers_give_a_line_and_a_header_that_is_safe(pairs: Any, trusted: bool) -> None:
    with recorded() as lines:
        start, _ = await call(LogMiddleware(answering(), trusted=trusted), headers=pairs)
    line = lines.only()
    ((_, sent),) = start["headers"]
    assert sent.decode() == line.bound["correlation_id"]
    assert sent.decode().replace("-", "").replace("_", "").isalnum()
    assert parse_traceparent(f"00-{line.bound['trace_id']}-{line.bound['span_id']}-00")
