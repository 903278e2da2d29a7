"""Calls that their callers give up: what they see, and what the server does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio
import pytest

from tests.eventually import DEADLINE_SECONDS, eventually
from tests.integration.channels.conformance.service import CHAT, COUNT, ECHO, HANG, JOIN, TICK, Service

pytestmark = pytest.mark.asyncio

LOCALLY = "Locally cancelled by application!"


async def never() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


CALLS: dict[str, Callable[[grpc.aio.Channel], Any]] = {
    "unary": lambda channel: channel.unary_unary(HANG)(b""),
    "answers": lambda channel: channel.unary_stream(TICK)(b""),
    "requests": lambda channel: channel.stream_unary(JOIN)(),
    "both": lambda channel: channel.stream_stream(CHAT)(),
    "requests of an iterator": lambda channel: channel.stream_unary(JOIN)(never()),
}


@pytest.fixture(params=[*CALLS])
def begin(request: pytest.FixtureRequest) -> Callable[[grpc.aio.Channel], Any]:
    return CALLS[request.param]


async def outcome(call: Any) -> object:
    """Wait for its end as its kind has it."""
    return (
        await call
        if isinstance(call, grpc.aio.UnaryUnaryCall | grpc.aio.StreamUnaryCall)
        else await call.read()
    )


async def test_a_call_is_cancelled_once(
    channel: grpc.aio.Channel, service: Service, begin: Callable[[grpc.aio.Channel], Any]
) -> None:
    call = begin(channel)
    await eventually(lambda: service.calls)
    assert (call.done(), call.cancelled()) == (False, False)
    assert call.cancel()
    assert not call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await outcome(call)
    assert (call.done(), call.cancelled()) == (True, True)
    assert await call.code() is grpc.StatusCode.CANCELLED
    assert await call.details() == LOCALLY


async def test_a_call_is_cancelled_before_it_left(
    channel: grpc.aio.Channel, begin: Callable[[grpc.aio.Channel], Any]
) -> None:
    call = begin(channel)
    assert call.cancel()
    assert not call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await outcome(call)
    assert call.cancelled()
    assert await call.code() is grpc.StatusCode.CANCELLED
    assert await call.details() == LOCALLY


async def test_a_call_that_has_ended_is_not_cancelled(channel: grpc.aio.Channel) -> None:
    call = channel.unary_unary(ECHO)(b"x")
    await call
    assert not call.cancel()
    assert not call.cancelled()
    assert await call.code() is grpc.StatusCode.OK
    both = channel.stream_stream(CHAT)()
    await both.done_writing()
    assert await both.code() is grpc.StatusCode.OK
    assert not both.cancel()
    assert await both.code() is grpc.StatusCode.OK


async def test_a_task_that_waits_for_an_answer_is_cancelled_and_the_server_hears_of_it(
    channel: grpc.aio.Channel, service: Service
) -> None:
    call = channel.unary_unary(HANG)(b"")
    task = asyncio.ensure_future(outcome(call))
    await service.entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await call.code() is grpc.StatusCode.CANCELLED
    async with asyncio.timeout(DEADLINE_SECONDS):
        await service.cancelled.wait()
    assert service.calls == 1


@pytest.mark.parametrize("way", ["read", "async for"])
async def test_a_task_that_reads_is_cancelled_and_the_server_hears_of_it(
    channel: grpc.aio.Channel, service: Service, way: str
) -> None:
    call = channel.unary_stream(TICK)(b"")
    came = asyncio.Event()

    async def consume() -> None:
        if way == "read":
            while await call.read() is not grpc.aio.EOF:
                came.set()
        else:
            async for _ in call:
                came.set()

    task = asyncio.ensure_future(consume())
    await came.wait()
    await service.entered.wait()  # where the server notes that it is cancelled
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await call.code() is grpc.StatusCode.CANCELLED
    async with asyncio.timeout(DEADLINE_SECONDS):
        await service.cancelled.wait()


async def test_a_timeout_of_asyncio_cancels(channel: grpc.aio.Channel, service: Service) -> None:
    over = asyncio.get_running_loop().time()

    async def impatient() -> None:
        async with asyncio.timeout(None) as limit:
            entering = asyncio.ensure_future(service.entered.wait())
            entering.add_done_callback(lambda _: limit.reschedule(over))
            await channel.unary_unary(HANG)(b"")

    with pytest.raises(TimeoutError):
        await impatient()
    async with asyncio.timeout(DEADLINE_SECONDS):
        await service.cancelled.wait()
    assert service.calls == 1


async def test_tasks_are_cancelled_at_every_turn(channel: grpc.aio.Channel, service: Service) -> None:
    for turns in range(1, 40):
        call = channel.unary_stream(COUNT)(b"3")

        async def consume(call: Any = call) -> list[bytes]:
            return [message async for message in call]

        task = asyncio.ensure_future(consume())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        try:
            assert await task == [b"0", b"1", b"2"]
        except asyncio.CancelledError:
            call.cancel()  # one whose messages have all come does not hear of it
            assert await call.code() in (grpc.StatusCode.CANCELLED, grpc.StatusCode.OK)
    assert await channel.unary_unary(ECHO)(b"x") == b"x"


async def test_a_read_that_waits_ends_with_its_call(channel: grpc.aio.Channel) -> None:
    call = channel.stream_stream(CHAT)()
    reading = asyncio.ensure_future(call.read())
    await call.wait_for_connection()
    assert call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await call.code() is grpc.StatusCode.CANCELLED


async def test_one_that_cannot_connect_is_cancelled(
    make: Callable[..., grpc.aio.Channel], target: str
) -> None:
    async with make("127.0.0.1:1") as channel:
        call = channel.unary_unary(ECHO)(b"x", wait_for_ready=True)
        task = asyncio.ensure_future(outcome(call))
        await asyncio.sleep(0.05)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(call.done)
        assert call.cancelled()


async def test_an_iterator_of_requests_that_fails_cancels_its_call(channel: grpc.aio.Channel) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"a"
        raise ValueError("no more")

    call = channel.stream_unary(JOIN)(broken())
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await call.code() is grpc.StatusCode.CANCELLED
