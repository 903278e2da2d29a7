"""Calls that find no connected member wait for one, as long as gRPC's own would, and no longer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from prometheus_client import CollectorRegistry

from quickwins.channels import MethodPolicy, PoolConfig, RotatingChannel, rotating_channel
from quickwins.core.deadline import within
from tests.eventually import eventually
from tests.grpc_service import listening

pytestmark = pytest.mark.asyncio

KINDS = ["unary_unary", "unary_stream", "stream_unary", "stream_stream"]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def made(port: int, **config: Any) -> RotatingChannel:
    return rotating_channel(
        f"127.0.0.1:{port}",
        name="feed",
        config=PoolConfig(mode="pool", **config),
        methods={"/test/again": MethodPolicy(idempotent=True)},
        registry=CollectorRegistry(),
    )


async def say(request: bytes, _: grpc.aio.ServicerContext) -> bytes:
    return request


async def chat(requests: AsyncIterator[bytes], _: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
    async for one in requests:
        yield one


async def hang(request: bytes, _: grpc.aio.ServicerContext) -> bytes:
    await asyncio.Event().wait()
    return request


SAY = grpc.unary_unary_rpc_method_handler(say)
HANG = grpc.unary_unary_rpc_method_handler(hang)


def begun(channel: grpc.aio.Channel, kind: str, **more: Any) -> Any:
    return getattr(channel, kind)("/test/say")(b"x" if kind.startswith("unary") else [b"x"], **more)


@pytest.mark.parametrize("kind", KINDS)
async def test_when_all_have_failed_to_connect_the_call_fails_without_a_deadline(kind: str) -> None:
    async with made(free_port()) as channel:
        call = begun(channel, kind)
        assert channel.stats().held == 1
        assert await call.code() is grpc.StatusCode.UNAVAILABLE
        assert "failed to connect" in await call.details()
        assert (channel.stats().held, channel.stats().inflight) == (0, 0)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_that_fails_while_it_is_made_is_over_and_its_deadline_begins_no_attempt(
    eager: None, kind: str
) -> None:
    async with made(free_port()) as channel:
        assert await begun(channel, kind).code() is grpc.StatusCode.UNAVAILABLE
        call = begun(channel, kind, timeout=0.2)  # held, and found to have failed at once
        assert await call.code() is grpc.StatusCode.UNAVAILABLE
        await eventually(lambda: call.time_remaining() == 0.0)
        await asyncio.sleep(0)
        assert await call.code() is grpc.StatusCode.UNAVAILABLE
        assert channel.stats().requests == {"UNAVAILABLE": 2}


@pytest.mark.parametrize("kind", KINDS)
async def test_credentials_that_grpc_refuses_are_refused_where_the_call_is_made(kind: str) -> None:
    credentials = grpc.access_token_call_credentials("x")
    async with made(free_port()) as channel, grpc.aio.insecure_channel("127.0.0.1:1") as bare:
        for one in (bare, channel):
            with pytest.raises(grpc.aio.UsageError, match="only valid on secure channels"):
                begun(one, kind, credentials=credentials)
        assert (channel.stats().held, channel.stats().inflight) == (0, 0)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_caller_who_waits_for_a_connection_does_so_until_the_deadline(kind: str) -> None:
    async with made(free_port()) as channel:
        call = begun(channel, kind, wait_for_ready=True, timeout=0.3)
        assert 0 < call.time_remaining() <= 0.3
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_caller_who_waits_gets_the_connection_that_comes() -> None:
    async with made(free_port()) as channel:
        call = begun(channel, "unary_unary", wait_for_ready=True)
        waiting = asyncio.ensure_future(call.code())
        await asyncio.sleep(0)
        port = int(channel._recipe.target.rpartition(":")[2])
        server = grpc.aio.server()
        service = grpc.method_handlers_generic_handler("test", {"say": SAY})
        server.add_generic_rpc_handlers([service])
        assert server.add_insecure_port(f"127.0.0.1:{port}") == port
        await server.start()
        assert await waiting is grpc.StatusCode.OK
        assert await call == b"x"
        await server.stop(None)


async def test_a_stream_that_is_held_takes_its_first_message_when_there_is_a_connection() -> None:
    async with listening(chat=grpc.stream_stream_rpc_method_handler(chat)) as port, made(port) as channel:
        call: Any = channel.stream_stream("/test/chat")()
        await call.wait_for_connection()
        await call.write(b"one")
        assert await call.read() == b"one"
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK


@pytest.mark.parametrize("kind", KINDS)
async def test_a_held_call_that_is_cancelled_has_ended_here(kind: str) -> None:
    done: list[object] = []
    async with made(free_port()) as channel:
        call = begun(channel, kind)
        call.add_done_callback(done.append)
        assert call.cancel()
        assert not call.cancel()
        assert (call.done(), call.cancelled(), done) == (True, True, [call])
        assert await call.code() is grpc.StatusCode.CANCELLED
        assert channel.stats().held == 0
        assert channel.stats().requests == {"CANCELLED": 1}


@pytest.mark.parametrize("grace", [None, 0.01])
async def test_the_end_of_the_channel_is_the_end_of_those_that_are_held(grace: float | None) -> None:
    channel = made(free_port())
    call: Any = begun(channel, "unary_unary", wait_for_ready=True)
    waiting = asyncio.ensure_future(call.code())
    await asyncio.sleep(0)
    await channel.close(grace)
    assert await waiting is grpc.StatusCode.CANCELLED
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_the_deadline_of_the_request_counts_for_calls_that_bring_none() -> None:
    async with listening(hang=HANG) as port, made(port) as channel:
        await channel.channel_ready()
        with within(0.2):
            call = channel.unary_unary("/test/hang")(b"")
        assert 0 < call.time_remaining() <= 0.2
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        with within(0.2):
            later = channel.unary_unary("/test/hang")(b"", timeout=30)
        assert later.time_remaining() <= 0.2
        later.cancel()


async def test_a_timeout_that_is_over_is_no_fault_of_the_connection() -> None:
    async with listening(again=SAY, say=SAY) as port, made(port, eject_after=1) as channel:
        await channel.channel_ready()
        for method in ("/test/say", "/test/again"):
            for timeout in (0, -1.0):
                call = channel.unary_unary(method)(b"x", timeout=timeout)
                assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert [one.silent for one in channel.stats().members] == [0, 0, 0]


async def test_calls_that_wait_when_the_channel_closes_with_grace_are_waited_for() -> None:
    async with listening(say=SAY) as port:
        channel = made(port)
        call: Any = begun(channel, "unary_unary")
        waiting = asyncio.ensure_future(call.code())
        await asyncio.sleep(0)
        await channel.close(grace=30)
        assert await waiting is grpc.StatusCode.OK
        await eventually(lambda: channel.stats().inflight == 0)
