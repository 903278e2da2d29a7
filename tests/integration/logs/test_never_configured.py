"""Adapters that are installed where nobody has configured logging: everything is as if they weren't there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
import pytest
import strawberry

from quickwins.logs import annotate
from quickwins.logs._context import CONTEXT, Context
from quickwins.logs._trace.w3c import Trace
from quickwins.logs.asgi import LogMiddleware
from quickwins.logs.grpc import LogClientInterceptor, LogServerInterceptor
from quickwins.logs.kafka import extract, inject
from quickwins.logs.strawberry import LogExtension
from tests import grpc_service

HEADERS = [("traceparent", f"00-{'a' * 32}-{'b' * 16}-01".encode()), ("x-correlation-id", b"c" * 32)]
SEEN: list[Context] = []


async def asgi() -> None:
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        SEEN.append(CONTEXT.get())
        annotate(rows=1)
        await send({"type": "http.response.start", "status": 500, "headers": [(b"x-mine", b"1")]})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    headers = [(name.encode(), value) for name, value in HEADERS]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
    await LogMiddleware(app, trusted=True)(scope, receive, send)
    assert sent[0]["headers"] == [(b"x-mine", b"1")]


async def calls() -> None:
    async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        SEEN.append(CONTEXT.get())
        names = {name for name, _ in context.invocation_metadata()}
        assert not names & {"traceparent", "x-correlation-id"}
        await context.abort(grpc.StatusCode.INTERNAL)
        raise AssertionError

    async with grpc_service.serving(
        LogServerInterceptor(trusted=True),
        client=[*LogClientInterceptor()],
        one=grpc.unary_unary_rpc_method_handler(answer),
    ) as channel:
        token = CONTEXT.set(Context({}, trace=Trace("a" * 32, "b" * 16, 1)))
        with pytest.raises(grpc.aio.AioRpcError):
            await channel.unary_unary("/test/one")(b"")
        CONTEXT.reset(token)


async def messages() -> None:
    with extract(HEADERS, topic="posts"):
        SEEN.append(CONTEXT.get())
        assert inject([("schema", b"7")]) == [("schema", b"7")]


async def operations() -> None:
    @strawberry.type
    class Query:
        @strawberry.field
        def broken(self) -> str:
            SEEN.append(CONTEXT.get())
            raise ValueError

    await strawberry.Schema(Query, extensions=[LogExtension]).execute("{ broken }")


@pytest.mark.parametrize("use", [asgi, calls, messages, operations])
def test_an_adapter_does_nothing_where_logging_was_never_configured(
    use: Callable[[], Awaitable[None]], caplog: pytest.LogCaptureFixture
) -> None:
    async def used() -> None:
        await use()

    SEEN.clear()
    with caplog.at_level(logging.DEBUG):
        asyncio.run(used())
    assert [one for one in caplog.records if one.name == "root"] == []
    assert [dict(one.fields) for one in SEEN] == [{}]
