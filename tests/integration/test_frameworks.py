"""A refusal in a handler, through real frameworks and a real server: an answer that says when to come back, and policy on the log."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.client import IncompleteRead
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import strawberry
from fastapi import BackgroundTasks, FastAPI, HTTPException
from litestar import Litestar, asgi, get
from litestar import Request as LitestarRequest
from litestar.logging import LoggingConfig
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route
from strawberry.fastapi import GraphQLRouter

from quickwins import QuickWins
from quickwins.backpressure import Gate, PoolExhausted
from quickwins.core.deadline import deadline
from quickwins.core.errors import PUSHBACK
from tests import grpc_service
from tests.django_app import django_app
from tests.integration.logs.serving import Client, serving

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("logging_restored")]

SETTINGS = """
service = "shop"

[backpressure]
enabled = true
gate = "threshold"
threshold = 0.5

[logs]
enabled = true
output = "{output}"

# quickwins: complete
"""


class Shop:
    """What a handler asks: a gate that has nothing left, and the service's log."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "shop.log"
        (folder / "quickwins.toml").write_text(SETTINGS.format(output=self.file))
        self.qw = QuickWins.load(folder / "quickwins.toml", env={}, registry=CollectorRegistry())
        self.gate: Gate = self.qw.gate(name="secret", size=2)
        self.door: Gate = self.qw.gate(name="door", size=2)

    async def refuse(self, user: str = "") -> None:
        """Refuse `user` as its name says."""
        match user:
            case "late":
                async with deadline(0.0):
                    await asyncio.Event().wait()
            case "backend":
                trailers = grpc.aio.Metadata((PUSHBACK, "1500"))
                raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), trailers)
            case _:
                async with self.gate.permit():
                    await asyncio.ensure_future(self.gate.permit().__aenter__())

    async def serve(self, user: str) -> None:
        """Do without what is refused, for some users, and fail."""
        if user in {"handled", "wrapped"}:
            try:
                await self.refuse()
            except PoolExhausted as refused:
                if user == "wrapped":
                    raise ValueError from refused
            raise ValueError
        await self.refuse(user)

    def lines(self) -> list[dict[str, Any]]:
        """Once everything is closed."""
        return [json.loads(line) for line in self.file.read_text().splitlines()]


def starlette(shop: Shop) -> Any:
    async def feed(request: Request) -> PlainTextResponse:
        await shop.serve(request.path_params["user"])
        raise AssertionError

    async def health(request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    return Starlette(
        routes=[
            Mount("/v1", routes=[Route("/feed/{user}", feed)]),
            Route("/health", health),
            Mount("/metrics", shop.qw.metrics_app()),
        ]
    )


def starlette_inside(shop: Shop) -> Any:
    app: Any = starlette(shop)
    app.add_middleware(shop.qw.asgi, gate=shop.door)
    return app


def fastapi(shop: Shop) -> Any:
    app = FastAPI()

    @app.get("/v1/feed/{user}")
    async def feed(user: str) -> str:
        await shop.serve(user)
        raise AssertionError

    @app.get("/health")
    async def health() -> str:
        return "ok"

    app.mount("/metrics", shop.qw.metrics_app())
    return app


def litestar(shop: Shop) -> Any:
    @get("/v1/feed/{user:str}")
    async def feed(request: LitestarRequest[Any, Any, Any]) -> str:
        await shop.serve(request.path_params["user"])
        raise AssertionError

    @get("/health")
    async def health() -> str:
        return "ok"

    metrics = asgi("/metrics", is_mount=True, copy_scope=True)(shop.qw.metrics_app())
    return Litestar([feed, health, metrics], logging_config=LoggingConfig(log_exceptions="always"))


def django(shop: Shop) -> Any:
    from django.http import HttpRequest, HttpResponse
    from django.urls import path

    async def feed(request: HttpRequest, user: str) -> HttpResponse:
        await shop.serve(user)
        raise AssertionError

    def health(request: HttpRequest) -> HttpResponse:
        return HttpResponse("ok")

    return django_app(path("v1/feed/<user>", feed), path("health", health), path("metrics", health))


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Litestar configures the standard library's loggers."""
    loggers = [(one, one.handlers[:], one.level) for one in (logging.root, logging.getLogger("litestar"))]
    yield
    for logger, handlers, level in loggers:
        logger.handlers[:] = handlers
        logger.setLevel(level)


MADE = [starlette, starlette_inside, fastapi, litestar, django]


@asynccontextmanager
async def shop_serving(make: Any, folder: Path) -> AsyncIterator[tuple[Shop, Client]]:
    shop = Shop(folder)
    async with shop.qw:
        app = make(shop)
        logged = app if make is starlette_inside else shop.qw.asgi(app, gate=shop.door)
        async with serving(logged) as client:
            yield shop, client


@pytest.mark.parametrize("make", MADE)
async def test_a_refusal_in_a_handler_is_answered_and_policy(
    make: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with shop_serving(make, tmp_path) as (shop, client):
        answer = await client.get("/v1/feed/alice")
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert json.loads(answer.body)["reason"] == "threshold"
    lines = [line for line in shop.lines() if line.get("logger") != "uvicorn.error"]
    told = [(line["event.name"], line["severity_text"]) for line in lines]
    assert told == [("pool.rejected", "INFO"), ("http.request", "INFO")]
    request = lines[-1]
    assert (request["http.response.status_code"], request["correlation_id"]) == (
        503, answer.headers["x-correlation-id"],
    )  # fmt: skip
    assert request["http.route"].startswith("/v1/feed/")
    assert not any("exception.type" in line for line in lines)
    assert [one.name for one in caplog.records if one.levelno >= logging.WARNING] == []


def answering_itself(shop: Shop) -> Any:
    """A service that answers refusals itself, or goes on to be refused when the answer has begun."""
    app = FastAPI()

    @app.get("/own")
    async def own() -> None:
        try:
            await shop.refuse()
        except PoolExhausted as refused:
            raise HTTPException(503, headers={"retry-after": "7"}) from refused

    @app.get("/background")
    async def background(tasks: BackgroundTasks) -> None:
        tasks.add_task(shop.refuse)

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            yield "first"
            await shop.refuse()

        return StreamingResponse(parts())

    return app


@pytest.mark.parametrize(("path", "status"), [("/own", 503), ("/background", 200), ("/stream", 200)])
async def test_a_refusal_is_policy_whoever_answers_and_whenever_it_comes(
    path: str, status: int, tmp_path: Path
) -> None:
    async with shop_serving(answering_itself, tmp_path) as (shop, client):
        try:
            answer = await client.get(path)
        except IncompleteRead:
            assert path == "/stream"
        else:
            assert (answer.status, answer.headers.get("retry-after")) == (
                status, "7" if path == "/own" else None,
            )  # fmt: skip
    lines = [line for line in shop.lines() if "ASGI" in line.get("body", "ASGI")]  # none of the server itself
    told = [(line["event.name"], line["severity_text"]) for line in lines]
    assert told == [("pool.rejected", "INFO"), ("http.request", "INFO")], lines
    assert lines[-1]["http.response.status_code"] == status
    assert "exception.type" not in lines[-1]


async def failing(request: bytes, context: Any) -> bytes:
    raise ValueError


async def failing_in_a_stream(request: bytes, context: Any) -> AsyncIterator[bytes]:
    yield b"first"
    raise ValueError


def failing_in_a_thread(request: bytes, context: Any) -> bytes:
    raise ValueError


@pytest.mark.parametrize(
    ("kind", "behavior"),
    [
        ("unary_unary", failing),
        ("unary_stream", failing_in_a_stream),
        ("unary_unary", failing_in_a_thread),
    ],
)
async def test_a_call_that_fails_is_told_once(kind: str, behavior: Any, tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    handler = getattr(grpc, f"{kind}_rpc_method_handler")(behavior)
    async with shop.qw, grpc_service.serving(*shop.qw.grpc_interceptors(), one=handler) as channel:
        call = getattr(channel, kind)("/test/one")(b"")
        with pytest.raises(grpc.aio.AioRpcError):
            await call if kind == "unary_unary" else [message async for message in call]
    told = [(line["event.name"], line["severity_text"], line["exception.type"]) for line in shop.lines()]
    assert told == [("rpc.request", "ERROR", "ValueError")]


@pytest.mark.parametrize(
    ("user", "status"), [("late", 503), ("backend", 503), ("handled", 500), ("wrapped", 500)]
)
@pytest.mark.parametrize("make", MADE)
async def test_what_a_500_comes_from_decides(make: Any, user: str, status: int, tmp_path: Path) -> None:
    if (
        make is django
    ):  # it answers when the exception is gone, and all that is known is the last refusal of ours
        status = {"backend": 500, "handled": 503, "wrapped": 503}.get(user, status)
    async with shop_serving(make, tmp_path) as (_, client):
        assert (await client.get(f"/v1/feed/{user}")).status == status


@pytest.mark.parametrize("path", ["/health", "/metrics", "/metrics/"])
@pytest.mark.parametrize("make", MADE)
async def test_probes_pass_a_full_door_and_leave_no_line(make: Any, path: str, tmp_path: Path) -> None:
    async with shop_serving(make, tmp_path) as (shop, client), shop.door.permit():
        assert (await client.get(path)).status in {200, 307, 404}
        assert (await client.get("/v1/feed/alice")).status == 503
    lines = [line for line in shop.lines() if line["event.name"] == "http.request"]
    assert [line["http.response.status_code"] for line in lines] == [503]


async def test_a_response_with_28_refused_fields_is_one_line(tmp_path: Path) -> None:
    def graphql(shop: Shop) -> Any:
        @strawberry.type
        class Query:
            @strawberry.field
            async def feed(self) -> str | None:
                await shop.refuse()
                return "never"

        app = FastAPI()
        extensions = shop.qw.strawberry_extensions()
        app.include_router(GraphQLRouter(strawberry.Schema(Query, extensions=extensions)), prefix="/graphql")
        return app

    async with shop_serving(graphql, tmp_path) as (shop, client):
        fields = " ".join(f"f{number}: feed" for number in range(28))
        answer = json.loads((await client.post("/graphql", {"query": f"{{ {fields} }}"})).body)
    assert {error["extensions"]["reason"] for error in answer["errors"]} == {"threshold"}
    events = ("graphql.error", "log.record")
    lines = [one for one in shop.lines() if one["event.name"] in events]
    (line,) = [one for one in lines if one.get("logger") != "uvicorn.error"]
    assert {name: line[name] for name in ("severity_text", "error.type", "graphql.path", "count")} == {
        "severity_text": "INFO", "error.type": "PoolExhausted", "graphql.path": "feed", "count": 28,
    }  # fmt: skip


@pytest.mark.parametrize("inside", [True, False], ids=["add_middleware", "around the whole"])
async def test_a_failure_is_told_once_and_where_a_500_is_made_outside_its_report_has_the_correlation_id(
    inside: bool, tmp_path: Path
) -> None:
    def failing(shop: Shop) -> Any:
        app = FastAPI()

        @app.get("/")
        async def fail() -> None:
            raise ValueError("secret")

        @app.exception_handler(Exception)
        async def failed(request: Request, error: Exception) -> PlainTextResponse:
            logging.getLogger("shop").error("it failed", exc_info=error)
            return PlainTextResponse("sorry", 500)

        if inside:
            app.add_middleware(shop.qw.asgi)
        return app

    shop = Shop(tmp_path)
    async with shop.qw:
        app = failing(shop)
        async with serving(app if inside else shop.qw.asgi(app)) as client:
            answer = await client.get("/")
    assert (answer.status, answer.body) == (500, b"sorry")
    assert ("x-correlation-id" in answer.headers) == (not inside)
    lines = [line for line in shop.lines() if "exception.type" in line]
    assert sorted(line.get("logger", line["event.name"]) for line in lines) == ["http.request", "shop"]
    assert len({line["correlation_id"] for line in lines}) == len({line["trace_id"] for line in lines}) == 1
    if not inside:
        assert answer.headers["x-correlation-id"] == lines[0]["correlation_id"]
