"""States, waiting for a server that comes late, and deadlines."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import grpc.aio
import pytest

from tests.eventually import DEADLINE_SECONDS
from tests.integration.channels.conformance.service import (
    CHAT,
    COUNT,
    ECHO,
    HANG,
    JOIN,
    TICK,
    Service,
)

pytestmark = pytest.mark.asyncio

Make = Callable[..., grpc.aio.Channel]
Serve = Callable[..., Any]
QUICKLY = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 200),
)


@contextmanager
def free_port() -> Iterator[int]:
    """A port where nobody listens."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    yield port


async def reach(channel: grpc.aio.Channel, wanted: grpc.ChannelConnectivity) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        state = channel.get_state(try_to_connect=True)
        while state is not wanted:
            await channel.wait_for_state_change(state)
            state = channel.get_state(try_to_connect=True)


async def unary(channel: grpc.aio.Channel, **more: Any) -> None:
    assert await channel.unary_unary(ECHO)(b"x", **more) == b"x"


async def answers(channel: grpc.aio.Channel, **more: Any) -> None:
    call = channel.unary_stream(COUNT)(b"2", **more)
    assert [await call.read(), await call.read()] == [b"0", b"1"]


async def requests(channel: grpc.aio.Channel, **more: Any) -> None:
    async def words() -> AsyncIterator[bytes]:
        yield b"a"

    assert await channel.stream_unary(JOIN)(words(), **more) == b"a"


async def both(channel: grpc.aio.Channel, **more: Any) -> None:
    call = channel.stream_stream(CHAT)(**more)
    await call.write(b"x")
    assert await call.read() == b"x"
    await call.done_writing()
    assert await call.code() is grpc.StatusCode.OK


KINDS_OF_CALL = [pytest.param(one, id=one.__name__) for one in (unary, answers, requests, both)]


async def test_it_is_idle_until_it_is_asked_to_connect(channel: grpc.aio.Channel) -> None:
    assert channel.get_state() is grpc.ChannelConnectivity.IDLE
    assert channel.get_state() is grpc.ChannelConnectivity.IDLE
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await channel.wait_for_state_change(grpc.ChannelConnectivity.IDLE)
    assert channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.IDLE  # when it was asked
    await reach(channel, grpc.ChannelConnectivity.READY)


async def test_it_is_ready_after_a_call(channel: grpc.aio.Channel) -> None:
    await unary(channel)
    assert channel.get_state() is grpc.ChannelConnectivity.READY


async def test_it_says_that_it_cannot_connect(make: Make) -> None:
    with free_port() as port:
        async with make(f"127.0.0.1:{port}") as channel:
            await reach(channel, grpc.ChannelConnectivity.TRANSIENT_FAILURE)


async def test_channel_ready_waits_for_a_server_that_comes_late(make: Make, serve: Serve) -> None:
    with free_port() as port:
        async with make(f"127.0.0.1:{port}", options=QUICKLY) as channel:
            ready = asyncio.ensure_future(channel.channel_ready())
            await reach(channel, grpc.ChannelConnectivity.TRANSIENT_FAILURE)
            assert not ready.done()
            async with serve(port=port):
                await asyncio.wait_for(ready, DEADLINE_SECONDS)
                await unary(channel)


@pytest.mark.parametrize("call", KINDS_OF_CALL)
@pytest.mark.parametrize("asked", [None, False])
async def test_without_a_server_a_call_fails(
    make: Make, call: Callable[..., Any], asked: bool | None
) -> None:
    with free_port() as port:
        async with make(f"127.0.0.1:{port}") as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await asyncio.wait_for(call(channel, timeout=20, wait_for_ready=asked), DEADLINE_SECONDS)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("call", KINDS_OF_CALL)
async def test_wait_for_ready_waits_for_the_server(
    make: Make, serve: Serve, call: Callable[..., Any]
) -> None:
    with free_port() as port:
        async with make(f"127.0.0.1:{port}", options=QUICKLY) as channel:
            waiting = asyncio.ensure_future(call(channel, timeout=20, wait_for_ready=True))
            await reach(channel, grpc.ChannelConnectivity.TRANSIENT_FAILURE)
            assert not waiting.done()
            async with serve(port=port):
                await asyncio.wait_for(waiting, DEADLINE_SECONDS)


async def test_wait_for_ready_ends_at_the_deadline(make: Make) -> None:
    with free_port() as port:
        async with make(f"127.0.0.1:{port}", options=QUICKLY) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await unary(channel, timeout=0.2, wait_for_ready=True)
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_deadline_ends_a_call_and_the_server_hears_of_it(
    channel: grpc.aio.Channel, service: Service
) -> None:
    await unary(channel)
    call = channel.unary_unary(HANG)(b"", timeout=0.2)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    if service.entered.is_set():  # in time, on a machine that is not too busy
        await asyncio.wait_for(service.cancelled.wait(), DEADLINE_SECONDS)


async def test_a_deadline_ends_a_stream_after_what_came(channel: grpc.aio.Channel) -> None:
    call = channel.unary_stream(TICK)(b"", timeout=1.0)
    assert await call.read() == b"tick"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize("begin", [JOIN, CHAT])
async def test_a_deadline_ends_one_that_writes(channel: grpc.aio.Channel, begin: str) -> None:
    call: Any = (
        channel.stream_unary(begin)(timeout=0.2)
        if begin == JOIN
        else channel.stream_stream(begin)(timeout=0.2)
    )
    with contextlib.suppress(grpc.aio.AioRpcError):  # it may be over already, on a busy machine
        await call.write(b"a")
    assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert call.done()


@pytest.mark.parametrize("timeout", [0, -1])
async def test_a_deadline_in_the_past(channel: grpc.aio.Channel, timeout: float) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(HANG)(b"", timeout=timeout)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_the_server_is_told_of_the_deadline(channel: grpc.aio.Channel, service: Service) -> None:
    await unary(channel, timeout=50)
    assert service.time_remaining is not None
    assert 30 < service.time_remaining < 51  # the server rounds


async def test_time_remaining(channel: grpc.aio.Channel, service: Service) -> None:
    call = channel.unary_stream(TICK)(b"", timeout=50)
    assert await call.read() == b"tick"
    remaining = call.time_remaining()
    assert remaining is not None
    assert 0 < remaining <= 50
    assert channel.unary_unary(HANG)(b"").time_remaining() is None
