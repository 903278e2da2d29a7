"""Refusals over real HTTP connections: what clients are told, and how long a request holds a permit of the edge."""

from __future__ import annotations

import asyncio
import contextvars
import http.client
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from quickwins.backpressure import BackpressureSettings, Gate, PoolExhausted, Priority, RejectReason, deadline
from quickwins.backpressure.asgi import BackpressureMiddleware
from quickwins.core.clock import Deadline
from quickwins.core.deadline import current
from quickwins.core.flags import Flags, MemorySource
from tests.eventually import DEADLINE_SECONDS, eventually
from tests.integration.backpressure.conftest import Pools, all_is_back, gated_over

pytestmark = pytest.mark.asyncio

Answer = tuple[int, dict[str, str], bytes]
Get = Callable[..., Awaitable[Answer]]


def edge_gate(size: int = 1, **options: Any) -> Gate:
    gate = Gate.threshold(0.999, **options)
    gate.bind(size, name="http", registry=CollectorRegistry())
    return gate


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[Get]:
    """Serves `app` on a real socket; gives what fetches a path."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="critical", ws="none"))
        task = asyncio.ensure_future(server.serve(sockets=[listener]))

        def fetch(path: str, method: str, headers: dict[str, str]) -> Answer:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_SECONDS)
            try:
                connection.request(method, path, headers=headers)
                answer = connection.getresponse()
                return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
            finally:
                connection.close()

        async def get(path: str, method: str = "GET", **headers: str) -> Answer:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return await asyncio.to_thread(fetch, path, method, named)

        get.port = port  # type: ignore[attr-defined]  # -- set by the test itself; until=never
        try:
            await eventually(lambda: server.started)
            yield get
        finally:
            server.should_exit = True
            await asyncio.wait_for(task, DEADLINE_SECONDS)


def starlette(*routes: Any, **options: Any) -> Starlette:
    app = Starlette(routes=list(routes))
    app.add_middleware(BackpressureMiddleware, **options)
    return app


def refusing(reason: RejectReason, retry_after_seconds: float | None = 1.2) -> Any:
    async def answer(request: Request) -> PlainTextResponse:
        raise PoolExhausted("pool 'secret' is full", reason=reason, retry_after_seconds=retry_after_seconds)

    return answer


async def ok(request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


@pytest.mark.engines("postgres")
async def test_a_full_pool_is_a_503_that_says_when_to_come_back_and_nothing_about_the_pool(
    pools: Pools,
) -> None:
    gated = gated_over(await pools(2), 0.5)

    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(await gated.fetchval("SELECT 42")))

    async with serving(starlette(Route("/", answer))) as get:
        assert (await get("/"))[2] == b"42"
        async with gated.acquire():
            status, headers, body = await get("/")
        assert (await get("/"))[2] == b"42"
    assert status == 503
    assert headers["content-type"] == "application/problem+json; charset=utf-8"
    assert headers["cache-control"] == "no-store"
    assert int(headers["retry-after"]) in {1, 2}
    problem = json.loads(body)
    assert problem.pop("retryAfter") == int(headers["retry-after"])
    assert problem == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "The service has as much work as it can do. Nothing was done; try again later.",
        "code": "SERVICE_UNAVAILABLE",
        "reason": "threshold",
    }
    await all_is_back(gated)


@pytest.mark.parametrize("reason", RejectReason)
async def test_only_a_tenants_own_share_is_a_429(reason: RejectReason) -> None:
    async with serving(starlette(Route("/", refusing(reason)))) as get:
        status, headers, body = await get("/")
    assert status == (429 if reason is RejectReason.TENANT else 503)
    assert json.loads(body)["status"] == status
    assert headers["retry-after"] == "2"
    assert b"secret" not in body


async def test_where_retrying_does_not_help_nothing_is_said_of_it() -> None:
    async with serving(starlette(Route("/", refusing(RejectReason.CLOSED, None)))) as get:
        _, headers, body = await get("/")
    assert "retry-after" not in headers
    assert "retryAfter" not in json.loads(body)


@pytest.mark.parametrize(
    ("path", "accept", "content_type"),
    [
        ("/graphql", "application/json", "application/json; charset=utf-8"),
        ("/graphql", "*/*", "application/json; charset=utf-8"),
        (
            "/graphql",
            "application/graphql-response+json, application/json;q=0.9",
            "application/graphql-response+json; charset=utf-8",
        ),
        ("/api", "application/graphql-response+json", "application/graphql-response+json; charset=utf-8"),
    ],
)
async def test_graphql_clients_get_a_graphql_error_of_the_media_type_they_read(
    path: str, accept: str, content_type: str
) -> None:
    app = starlette(Route(path, refusing(RejectReason.QUEUE_FULL), methods=["POST"]))
    async with serving(app) as get:
        status, headers, body = await get(path, "POST", accept=accept)
    assert (status, headers["content-type"], headers["retry-after"]) == (503, content_type, "2")
    (error,) = json.loads(body)["errors"]
    assert error["extensions"] == {"code": "SERVICE_UNAVAILABLE", "reason": "queue_full", "retryAfter": 2}


async def test_a_group_of_refusals_is_one_and_a_group_of_more_is_an_error() -> None:
    refusal = PoolExhausted("full", reason=RejectReason.THRESHOLD, retry_after_seconds=1.0)

    async def only(request: Request) -> PlainTextResponse:
        raise ExceptionGroup("both", [refusal, ExceptionGroup("inner", [refusal])])

    async def mixed(request: Request) -> PlainTextResponse:
        raise ExceptionGroup("both", [refusal, KeyError("bug")])

    async with serving(starlette(Route("/only", only), Route("/mixed", mixed))) as get:
        assert [(await get(path))[0] for path in ("/only", "/mixed")] == [503, 500]


async def test_a_refusal_after_the_response_began_breaks_it_off() -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        raise PoolExhausted("full", reason=RejectReason.THRESHOLD, retry_after_seconds=1.0)

    async def stream(request: Request) -> StreamingResponse:
        return StreamingResponse(parts())

    async with serving(starlette(Route("/", stream))) as get:
        with pytest.raises(http.client.IncompleteRead):
            await get("/")


async def test_a_full_edge_refuses_before_the_service_sees_the_request_and_health_checks_pass() -> None:
    gate = edge_gate()
    seen, entered, leave = [], asyncio.Event(), asyncio.Event()

    async def slow(request: Request) -> PlainTextResponse:
        seen.append(request.url.path)
        entered.set()
        await leave.wait()
        return PlainTextResponse("done")

    async with serving(starlette(Route("/slow", slow), Route("/healthz", ok), gate=gate)) as get:
        first = asyncio.ensure_future(get("/slow"))
        await asyncio.wait_for(entered.wait(), DEADLINE_SECONDS)
        assert (await get("/slow"))[0] == 503
        assert (await get("/healthz"))[2] == b"ok"
        leave.set()
        assert (await first)[2] == b"done"
        assert seen == ["/slow"]
        await eventually(lambda: gate.stats().inflight == 0)
    assert gate.stats().rejected[RejectReason.THRESHOLD] == 1


async def test_a_response_that_goes_on_holds_no_permit() -> None:
    gate, leave = edge_gate(), asyncio.Event()

    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        await leave.wait()
        yield b"two"

    async def events(request: Request) -> StreamingResponse:
        return StreamingResponse(parts(), media_type="text/event-stream")

    async with serving(starlette(Route("/events", events), Route("/", ok), gate=gate)) as get:
        reader, writer = await asyncio.open_connection("127.0.0.1", get.port)  # type: ignore[attr-defined]  # -- set by the test itself; until=never
        writer.write(b"GET /events HTTP/1.1\r\nhost: x\r\n\r\n")
        await asyncio.wait_for(reader.readuntil(b"one"), DEADLINE_SECONDS)
        assert gate.stats().inflight == 0
        assert (await get("/"))[2] == b"ok"
        leave.set()
        await asyncio.wait_for(reader.readuntil(b"two"), DEADLINE_SECONDS)
        writer.close()
        await writer.wait_closed()


async def test_a_client_that_goes_away_gives_its_permit_back() -> None:
    gate, entered = edge_gate(), asyncio.Event()

    async def wait_for_the_end(request: Request) -> PlainTextResponse:
        entered.set()
        while (await request.receive())["type"] != "http.disconnect":
            pass
        raise ConnectionResetError

    async with serving(starlette(Route("/", wait_for_the_end), gate=gate)) as get:
        _, writer = await asyncio.open_connection("127.0.0.1", get.port)  # type: ignore[attr-defined]  # -- set by the test itself; until=never
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await asyncio.wait_for(entered.wait(), DEADLINE_SECONDS)
        assert gate.stats().inflight == 1
        writer.close()
        await eventually(lambda: gate.stats().inflight == 0)


async def call(app: Any, scope: dict[str, Any]) -> list[dict[str, Any]]:
    """One request without a server, for what no client can show."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app({"type": "http", "path": "/", "headers": [], "method": "GET", **scope}, receive, send)
    return sent


async def test_websockets_and_lifespan_pass_a_full_edge_untouched() -> None:
    gate = edge_gate()
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(await receive())

    async def receive() -> Any:
        return {"type": "as it was received"}

    async def send(message: Any) -> None:
        sent.append(message)

    async with gate.permit():
        for kind in ("websocket", "lifespan"):
            await BackpressureMiddleware(app, gate=gate)({"type": kind}, receive, send)
    assert sent == [{"type": "as it was received"}] * 2


@pytest.mark.parametrize(
    ("value", "known"),
    [
        (b"2.5", True), (b"0", True), (b"-1", True), (b"3600", True), (b"3601", False), (b"nan", False),
        (b"inf", False), (b"-inf", True), (b"soon", False), (b"", False), (b"\xff", False),
    ],
)  # fmt: skip
async def test_a_deadline_is_believed_when_it_is_a_number_up_to_an_hour(value: bytes, known: bool) -> None:
    seen: list[Deadline | None] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(current())

    middleware = BackpressureMiddleware(app, deadline_header="Request-Timeout")
    await call(middleware, {"headers": [(b"request-timeout", value)]})
    await call(middleware, {})
    await call(BackpressureMiddleware(app), {"headers": [(b"request-timeout", value)]})
    assert [one is not None for one in seen] == [known, False, False]
    assert current() is None


async def test_a_request_with_no_time_left_is_not_put_in_line() -> None:
    gate = Gate.queue()
    gate.bind(1, registry=CollectorRegistry())
    ran = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        ran.append(scope)

    middleware = BackpressureMiddleware(app, gate=gate, deadline_header="request-timeout")
    async with gate.permit():
        task = asyncio.ensure_future(call(middleware, {"headers": [(b"request-timeout", b"0")]}))
        start, _ = await task
    assert (start["status"], ran, gate.stats().rejected[RejectReason.DEADLINE]) == (503, [], 1)


@pytest.mark.parametrize("where", ["at the door", "inside", "in a block of its own"])
async def test_a_deadline_that_passes_in_line_is_the_same_refusal_wherever_the_line_is(where: str) -> None:
    gate = Gate.queue(target_seconds=30, interval_seconds=300, size=1, name="x", registry=CollectorRegistry())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if where == "in a block of its own":
            async with deadline(60):
                await asyncio.Event().wait()
        async with gate.permit():
            raise AssertionError

    middleware = BackpressureMiddleware(
        app, gate=gate if where == "at the door" else None, deadline_header="request-timeout"
    )
    async with gate.permit():
        task = asyncio.ensure_future(call(middleware, {"headers": [(b"request-timeout", b"0.2")]}))
        start, body = await asyncio.wait_for(task, DEADLINE_SECONDS)
    problem = json.loads(body["body"])
    assert start["status"] == problem["status"] == 503
    assert problem["detail"] == "The service did not get this done in the time that it had."
    assert problem.get("reason") == (None if where == "in a block of its own" else "deadline")


async def test_the_service_says_what_a_request_is_worth_and_whose_it_is() -> None:
    gate = edge_gate(10, reserved_normal=0.5, tenants=4)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    middleware = BackpressureMiddleware(
        app, gate=gate, priority=lambda scope: scope["worth"], tenant=lambda scope: scope["whose"]
    )
    permits = [gate.permit() for _ in range(6)]
    answers = {}
    for permit in permits:
        await asyncio.ensure_future(permit.__aenter__())
    for worth in Priority:
        task = asyncio.ensure_future(call(middleware, {"worth": worth, "whose": "acme"}))
        answers[worth] = (await task)[0]["status"]
    for permit in permits:
        permit.done()
    assert answers == {Priority.CRITICAL: 200, Priority.NORMAL: 200, Priority.SHEDDABLE: 503}
    assert gate.stats().rejected[RejectReason.PRIORITY] == 1


async def test_context_variables_reach_the_service_and_come_back() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert variable.get() == "outside"
        variable.set("inside")

    variable.set("outside")
    await call(BackpressureMiddleware(app, gate=edge_gate()), {})
    assert variable.get() == "inside"


async def test_a_cancelled_request_gives_its_permit_back_and_is_no_sample() -> None:
    gate, entered = edge_gate(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        entered.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(call(BackpressureMiddleware(app, gate=gate), {}))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (gate.stats().inflight, gate.stats().mean_hold_seconds) == (0, None)


async def test_while_the_flag_of_its_gate_is_off_the_edge_is_open() -> None:
    flags = Flags({"backpressure": BackpressureSettings}, [MemorySource({})], registry=CollectorRegistry())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    gate = Gate.threshold(size=1, flag=flags.flag("backpressure"), registry=CollectorRegistry())
    async with gate.permit():
        middleware = BackpressureMiddleware(app, gate=gate)
        assert (await asyncio.ensure_future(call(middleware, {})))[0]["status"] == 200
