"""Calls of a gRPC server are counted in their cohort, by the status that their client got."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import grpc
import grpc.aio
import pytest
from prometheus_client import CollectorRegistry

from quickwins.core.errors import PUSHBACK
from quickwins.rollout.grpc import RolloutInterceptor
from tests.eventually import eventually
from tests.grpc_service import serving
from tests.unit.rollout.service import counted, flags_at


async def aborted(context: Any, code: grpc.StatusCode, *trailers: tuple[str, str]) -> bytes:
    await context.abort(code, "", trailers)
    return b""


async def fine(request: bytes, _: Any) -> bytes:
    return request


async def raises(request: bytes, _: Any) -> bytes:
    raise ValueError(request)


async def late(_: bytes, context: Any) -> bytes:
    return await aborted(context, grpc.StatusCode.DEADLINE_EXCEEDED)


async def refuses(_: bytes, context: Any) -> bytes:
    return await aborted(context, grpc.StatusCode.UNAVAILABLE, (PUSHBACK, "100"))


async def missing(_: bytes, context: Any) -> bytes:
    return await aborted(context, grpc.StatusCode.NOT_FOUND)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("handler", "outcome"),
    [(fine, "ok"), (raises, "error"), (late, "timeout"), (refuses, "refused"), (missing, "ok")],
)
async def test_a_call_is_counted_by_its_status(handler: Any, outcome: str) -> None:
    registry = CollectorRegistry()
    interceptor = RolloutInterceptor(flags_at(100, registry), features=["feed"], registry=registry)
    async with serving(interceptor, ask=grpc.unary_unary_rpc_method_handler(handler)) as channel:
        with suppress(grpc.RpcError):
            await channel.unary_unary("/test/ask")(b"x")
        await eventually(lambda: counted(registry) == {("on", outcome): 1})


@pytest.mark.asyncio
async def test_a_stream_is_counted_once_and_a_method_of_a_monitor_never() -> None:
    async def three(request: bytes, _: Any) -> AsyncIterator[bytes]:
        for _ in range(3):
            yield request

    registry = CollectorRegistry()
    interceptor = RolloutInterceptor(
        flags_at(0, registry), features=["feed"], registry=registry, exempt=["/test/alive"]
    )
    alive = grpc.unary_unary_rpc_method_handler(fine)
    async with serving(
        interceptor, three=grpc.unary_stream_rpc_method_handler(three), alive=alive
    ) as channel:
        await channel.unary_unary("/test/alive")(b"x")
        assert [message async for message in channel.unary_stream("/test/three")(b"x")] == [b"x"] * 3
        await eventually(lambda: counted(registry) == {("off", "ok"): 1})


@pytest.mark.asyncio
async def test_a_call_that_its_client_cancelled_is_not_counted() -> None:
    began = False
    ended = False

    async def slow(request: bytes, context: Any) -> bytes:
        nonlocal began, ended
        began = True
        try:
            await eventually(lambda: False)
        finally:
            ended = True
        return request

    registry = CollectorRegistry()
    interceptor = RolloutInterceptor(flags_at(100, registry), features=["feed"], registry=registry)
    async with serving(interceptor, slow=grpc.unary_unary_rpc_method_handler(slow)) as channel:
        call = channel.unary_unary("/test/slow")(b"x")
        await eventually(lambda: began)
        call.cancel()
        await eventually(lambda: ended)
    assert counted(registry) == {}
