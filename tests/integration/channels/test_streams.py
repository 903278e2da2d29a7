"""A stream of answers is begun again only as long as nothing of it can have been seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from prometheus_client import CollectorRegistry

from quickwins.channels import MethodPolicy, PoolConfig, rotating_channel
from tests.eventually import eventually
from tests.grpc_service import listening

pytestmark = pytest.mark.asyncio


class Breaking:
    """Breaks each stream: after initial metadata, after a message, or before anything."""

    def __init__(self) -> None:
        self.begun = 0
        self.go_on = asyncio.Event()

    async def answer(self, request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        self.begun += 1
        if request == b"metadata":
            await context.send_initial_metadata((("x-begun", "yes"),))
            await self.go_on.wait()
        if request == b"message":
            yield b"one"
            await self.go_on.wait()
        await context.abort(grpc.StatusCode.UNAVAILABLE, "broken")


def made(port: int) -> Any:
    return rotating_channel(
        f"127.0.0.1:{port}",
        config=PoolConfig(mode="pool", eject_after=0),
        methods={"/test/answer": MethodPolicy(idempotent=True)},
        registry=CollectorRegistry(),
    )


async def test_after_initial_metadata_it_is_committed() -> None:
    server = Breaking()
    async with (
        listening(answer=grpc.unary_stream_rpc_method_handler(server.answer)) as port,
        made(port) as channel,
    ):
        call = channel.unary_stream("/test/answer")(b"metadata")
        assert dict(await call.initial_metadata())["x-begun"] == "yes"
        server.go_on.set()
        assert await call.code() is grpc.StatusCode.UNAVAILABLE
        await eventually(lambda: channel.stats().inflight == 0)
        assert (server.begun, channel.stats().requests) == (1, {"UNAVAILABLE": 1})


async def test_after_a_message_it_is_committed() -> None:
    server = Breaking()
    async with (
        listening(answer=grpc.unary_stream_rpc_method_handler(server.answer)) as port,
        made(port) as channel,
    ):
        call = channel.unary_stream("/test/answer")(b"message")
        assert await call.read() == b"one"
        server.go_on.set()
        with pytest.raises(grpc.aio.AioRpcError, match="broken"):
            await call.read()
        await eventually(lambda: channel.stats().inflight == 0)
        assert (server.begun, channel.stats().requests) == (1, {"UNAVAILABLE": 1})


async def test_before_anything_came_it_is_begun_again_on_each_member() -> None:
    server = Breaking()
    async with (
        listening(answer=grpc.unary_stream_rpc_method_handler(server.answer)) as port,
        made(port) as channel,
    ):
        await channel.channel_ready()
        call = channel.unary_stream("/test/answer")(b"nothing")
        with pytest.raises(grpc.aio.AioRpcError, match="broken"):
            await anext(aiter(call))
        assert (server.begun, channel.stats().requests) == (3, {"UNAVAILABLE": 1})
