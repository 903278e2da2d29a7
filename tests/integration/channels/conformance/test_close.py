"""A channel that is closed: calls under way, later ones, and those who watch its state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
import pytest

from tests.eventually import eventually
from tests.integration.channels.conformance.service import CHAT, COUNT, ECHO, HANG, JOIN, TICK, Service

pytestmark = pytest.mark.asyncio

Make = Callable[..., grpc.aio.Channel]


async def test_closing_at_once_cancels_calls_of_every_kind(make: Make, target: str) -> None:
    channel = make(target)
    calls: list[Any] = [
        channel.unary_unary(HANG)(b""),
        channel.unary_stream(TICK)(b""),
        channel.stream_unary(JOIN)(),
        channel.stream_stream(CHAT)(),
    ]
    await channel.close()
    for call in calls:
        assert await call.code() is grpc.StatusCode.CANCELLED
        assert call.cancelled()


async def test_closing_at_once_cancels_calls_that_have_reached_the_server(
    make: Make, target: str, service: Service
) -> None:
    channel = make(target)
    call = channel.unary_unary(HANG)(b"")
    await service.entered.wait()
    await channel.close(None)
    assert await call.code() is grpc.StatusCode.CANCELLED
    await asyncio.wait_for(service.cancelled.wait(), 30)


async def test_closing_with_a_grace_lets_calls_end(make: Make, target: str, service: Service) -> None:
    channel = make(target)
    call = channel.unary_unary(HANG)(b"x")
    await service.entered.wait()
    closing = asyncio.ensure_future(channel.close(grace=60))
    await asyncio.sleep(0.05)
    assert not closing.done()
    service.release.set()
    await closing
    assert await call.code() is grpc.StatusCode.OK
    assert await call == b"x"


async def test_a_grace_that_ends_cancels(make: Make, target: str, service: Service) -> None:
    channel = make(target)
    call = channel.unary_unary(HANG)(b"")
    await service.entered.wait()
    await channel.close(grace=0.05)
    assert await call.code() is grpc.StatusCode.CANCELLED


async def test_leaving_its_block_closes_it(make: Make, target: str) -> None:
    async with make(target) as channel:
        calls = [channel.unary_unary(HANG)(b"") for _ in range(2)]
    for call in calls:
        assert await call.code() is grpc.StatusCode.CANCELLED
    assert channel.get_state() is grpc.ChannelConnectivity.SHUTDOWN


async def test_closing_twice_does_nothing_more(make: Make, target: str) -> None:
    channel = make(target)
    await channel.unary_unary(ECHO)(b"")
    await channel.close()
    await channel.close(grace=1)


async def test_a_channel_that_was_never_used_is_closed(make: Make, target: str) -> None:
    channel = make(target)
    await channel.close()
    assert channel.get_state() is grpc.ChannelConnectivity.SHUTDOWN


async def test_two_channels_to_one_address_are_closed_each_for_itself(
    make: Make, target: str, service: Service
) -> None:
    async with make(target) as first:
        kept = first.unary_unary(HANG)(b"kept")
        async with make(target) as second:
            lost = second.unary_unary(HANG)(b"lost")
            await service.entered.wait()
        assert await lost.code() is grpc.StatusCode.CANCELLED
        assert not kept.done()
        service.release.set()
        assert await kept == b"kept"


@pytest.mark.parametrize(
    "begin",
    [
        pytest.param(lambda channel: channel.unary_unary(ECHO)(b""), id="unary"),
        pytest.param(lambda channel: channel.unary_stream(COUNT)(b"1"), id="answers"),
        pytest.param(lambda channel: channel.stream_unary(JOIN)([b"a"]), id="requests"),
        pytest.param(lambda channel: channel.stream_stream(CHAT)([b"a"]), id="both"),
    ],
)
async def test_a_call_after_the_close_is_the_callers_mistake(
    make: Make, target: str, begin: Callable[[grpc.aio.Channel], Any]
) -> None:
    channel = make(target)
    await channel.close()

    async def use() -> object:
        call = begin(channel)
        return await (
            call if isinstance(call, grpc.aio.UnaryUnaryCall | grpc.aio.StreamUnaryCall) else call.read()
        )

    with pytest.raises((grpc.aio.UsageError, asyncio.CancelledError)):
        await use()


async def test_those_who_watch_its_state_hear_of_its_close(make: Make, target: str) -> None:
    channel = make(target)
    assert channel.get_state() is grpc.ChannelConnectivity.IDLE
    watching = asyncio.ensure_future(channel.wait_for_state_change(grpc.ChannelConnectivity.IDLE))
    await asyncio.sleep(0)
    await channel.close()
    await asyncio.wait_for(watching, 30)
    assert channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.SHUTDOWN
    with pytest.raises(grpc.aio.UsageError):
        await channel.wait_for_state_change(grpc.ChannelConnectivity.SHUTDOWN)


def others() -> set[asyncio.Task[Any]]:
    """All tasks but the server's own."""
    return {task for task in asyncio.all_tasks() if "AioServer" not in repr(task)}


async def test_nothing_of_it_runs_after_its_close(make: Make, target: str) -> None:
    before = others()
    channel = make(target)
    for _ in range(5):
        await channel.unary_unary(ECHO)(b"")
    reader = channel.unary_stream(TICK)(b"")
    await reader.read()
    await channel.close()
    await eventually(lambda: not others() - before, "tasks are left")
