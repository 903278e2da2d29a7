"""Refusals on their way out: through a framework that answers errors itself, and from a backend through a gateway."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from quickwins.backpressure import Gate, PoolExhausted, RejectReason
from quickwins.backpressure.asgi import BackpressureMiddleware
from quickwins.backpressure.grpc import BackpressureInterceptor
from quickwins.core.asgi import REFUSED
from quickwins.core.errors import PUSHBACK, refusal_in
from tests import grpc_service

pytestmark = pytest.mark.asyncio


def full_gate() -> Gate:
    return Gate.threshold(0.5, size=2, name="secret", registry=CollectorRegistry())


async def call(app: Any, path: str = "/") -> tuple[int, dict[str, Any], dict[bytes, bytes]]:
    """One GET: status, JSON of the body, headers."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    try:
        await app(
            {"type": "http", "path": path, "headers": [], "method": "GET", "query_string": b""}, receive, send
        )
    except PoolExhausted:
        assert sent, "the framework has raised it again, behind its answer"
    start, *bodies = sent
    text = b"".join(message.get("body", b"") for message in bodies)
    return start["status"], json.loads(text) if text.startswith(b"{") else {}, dict(start["headers"])


async def refuse() -> None:
    """Ask a gate that has nothing left."""
    gate = full_gate()
    async with gate.permit():
        await asyncio.ensure_future(gate.permit().__aenter__())


async def test_behind_cors_a_web_page_can_read_a_refusal_and_its_preflights_pass() -> None:
    gate = full_gate()
    door = BackpressureMiddleware(Starlette(), gate=gate)
    app = CORSMiddleware(door, allow_origins=["https://shop"], expose_headers=["Retry-After"])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as page, gate.permit():
        origin = {"origin": "https://shop"}
        preflight = await page.options("/", headers={**origin, "access-control-request-method": "GET"})
        refused = await page.get("/", headers=origin)
    assert preflight.status_code == 200
    assert refused.status_code == 503
    assert refused.headers["access-control-allow-origin"] == "https://shop"
    assert refused.headers["access-control-expose-headers"] == "Retry-After"


class Framework:
    """Answers every error with a 500 of its own, in two pieces, and raises nothing."""

    def __init__(self, *, handles: bool = False, status: int = 500) -> None:
        self.handles = handles
        self.status = status

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        status = 200
        try:
            await refuse()
        except PoolExhausted:
            if not self.handles:
                status = self.status
        await send({"type": "http.response.start", "status": status, "headers": [(b"x-whose", b"framework")]})
        await send({"type": "http.response.body", "body": b"{}", "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def test_a_framework_s_500_after_a_refusal_becomes_the_refusal() -> None:
    status, problem, headers = await call(BackpressureMiddleware(Framework()))
    assert (status, problem["status"], problem["reason"]) == (503, 503, "threshold")
    assert b"retry-after" in headers
    assert b"x-whose" not in headers
    assert "secret" not in json.dumps(problem)


@pytest.mark.parametrize(
    "service", [Framework(handles=True), Framework(status=502)], ids=["handled", "another status"]
)
async def test_what_a_service_makes_of_a_refusal_itself_stays_its_own(service: Framework) -> None:
    status, _, headers = await call(BackpressureMiddleware(service))
    assert status == (200 if service.handles else 502)
    assert headers[b"x-whose"] == b"framework"


async def test_a_refusal_is_policy_for_the_line_of_its_request_and_a_failure_is_not() -> None:
    seen: list[bool] = []

    def around(app: Any) -> Any:
        async def outside(scope: Any, receive: Any, send: Any) -> None:
            await app(scope, receive, send)
            seen.append(REFUSED in scope)

        return outside

    async def refusing(scope: Any, receive: Any, send: Any) -> None:
        await refuse()

    for app in (refusing, Framework(), Framework(status=502)):
        await call(around(BackpressureMiddleware(app)))
    assert seen == [True, True, False]


async def test_a_500_without_a_refusal_stays_a_500() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    assert (await call(BackpressureMiddleware(app)))[0] == 500


async def test_a_refusal_of_one_request_is_not_another_s() -> None:
    together = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/refused":
            with pytest.raises(PoolExhausted):
                await refuse()
            together.set()
        await together.wait()
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    service = BackpressureMiddleware(app)
    refused, other = await asyncio.gather(call(service, "/refused"), call(service, "/other"))
    assert (refused[0], other[0]) == (503, 500)


async def test_around_a_whole_starlette_it_is_the_same_as_inside() -> None:
    async def page(request: Request) -> PlainTextResponse:
        await refuse()
        raise AssertionError

    inside = Starlette(routes=[Route("/", page)])
    inside.add_middleware(BackpressureMiddleware)
    outside = BackpressureMiddleware(Starlette(routes=[Route("/", page)]))
    for app in (inside, outside):
        status, problem, _ = await call(app)
        assert (status, problem["reason"]) == (503, "threshold")


@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "/health/", "/healthz"])
async def test_with_a_slash_at_the_end_or_without_health_and_metrics_pass_a_full_door(path: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    gate = full_gate()
    door = BackpressureMiddleware(app, gate=gate)
    async with gate.permit():
        assert (await asyncio.ensure_future(call(door, path)))[0] == 200
        assert (await asyncio.ensure_future(call(door, "/feed/")))[0] == 503


@pytest.mark.parametrize(
    ("retry_after_seconds", "header"), [(1.5, b"2"), (None, None)], ids=["come back", "never"]
)
async def test_a_backend_s_refusal_stays_one_through_a_gateway(
    retry_after_seconds: float | None, header: bytes | None
) -> None:
    async def backend(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        if retry_after_seconds is None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "closing", ((PUSHBACK, "-1"),))
        raise PoolExhausted(
            "pool 'secret' is full", reason=RejectReason.QUEUE_FULL, retry_after_seconds=retry_after_seconds
        )

    handler = grpc.unary_unary_rpc_method_handler(backend)
    async with grpc_service.serving(BackpressureInterceptor(), one=handler) as channel:

        async def gateway(scope: Any, receive: Any, send: Any) -> None:
            await channel.unary_unary("/test/one")(b"")

        status, problem, headers = await call(BackpressureMiddleware(gateway))
    assert (status, problem["code"], headers.get(b"retry-after")) == (503, "SERVICE_UNAVAILABLE", header)
    assert "secret" not in json.dumps(problem)


async def test_a_backend_that_cannot_be_reached_is_no_refusal() -> None:
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/test/one")(b"", timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert refusal_in(caught.value) is None


HANDSHAKE = "websocket.http.response"


@pytest.mark.parametrize(
    ("before", "extensions", "told"),
    [
        ([], {HANDSHAKE: {}}, [f"{HANDSHAKE}.start", f"{HANDSHAKE}.body"]),
        ([], None, ["websocket.close"]),
        (["websocket.accept"], {HANDSHAKE: {}}, ["websocket.accept", "websocket.close"]),
    ],
    ids=["its handshake", "its handshake, and the server has no words for it", "accepted"],
)
async def test_a_refusal_that_leaves_a_websocket_is_told_to_its_client(
    before: list[str], extensions: Any, told: list[str]
) -> None:
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for kind in before:
            await send({"type": kind})
        await refuse()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/", "headers": [], "extensions": extensions}
    await BackpressureMiddleware(app)(scope, None, send)  # type: ignore[arg-type]  # -- nobody receives; until=never
    assert [message["type"] for message in sent] == told
    assert REFUSED in scope
    last = sent[-1]
    if last["type"] == "websocket.close":
        assert (last["code"], "secret" in last["reason"]) == (1013, False)
    else:
        assert sent[0]["status"] == 503
        assert b"retry-after" in dict(sent[0]["headers"])


@pytest.mark.parametrize("closed", [True, False])
async def test_a_websocket_that_fails_or_is_closed_already_stays_as_it_is(closed: bool) -> None:
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if closed:
            await send({"type": "websocket.close"})
            await refuse()
        raise ValueError

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(PoolExhausted if closed else ValueError):
        await BackpressureMiddleware(app)({"type": "websocket"}, None, send)  # type: ignore[arg-type]  # -- nobody receives; until=never
    assert len(sent) == closed
