"""What public reports say of calls and interceptors of grpc.aio: `docs/channels-cases.md` tells which test is which."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio
import pytest

from tests.eventually import DEADLINE_SECONDS, eventually
from tests.integration.channels.conformance.service import (
    BREAK,
    CHAT,
    COUNT,
    ECHO,
    HANG,
    JOIN,
    LEAVE,
    REFUSE,
    TICK,
    Service,
    serving,
)
from tests.integration.channels.conformance.test_interceptors import Answers, Both, Requests, Unary

pytestmark = pytest.mark.asyncio

Make = Callable[..., grpc.aio.Channel]


def places(channel: grpc.aio.Channel) -> int:
    """Calls that a channel of ours still counts as under way; a bare one does not count."""
    return channel.stats().inflight if hasattr(channel, "snapshot") else 0


@pytest.mark.parametrize("way", ["read", "iterate"])
async def test_closing_ends_a_reader(make: Make, target: str, way: str) -> None:
    channel = make(target)
    call: Any = channel.unary_stream(TICK)(b"")
    read = call.read if way == "read" else aiter(call).__anext__
    assert await read() == b"tick"
    waiting = asyncio.ensure_future(read())
    await asyncio.sleep(0)
    await channel.close()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(waiting, DEADLINE_SECONDS)
    assert await call.code() is grpc.StatusCode.CANCELLED
    assert places(channel) == 0


@pytest.mark.parametrize("intercepted", [False, True])
async def test_reading_beyond_the_end_says_so_again(make: Make, target: str, intercepted: bool) -> None:
    async with make(target, interceptors=[Answers()] if intercepted else []) as channel:
        call: Any = channel.unary_stream(COUNT)(b"1")
        assert len(await call.read()) in {1, 2}
        assert [await call.read() for _ in range(3)] == [grpc.aio.EOF] * 3


async def test_a_call_whose_handler_is_cancelled_ends_at_its_deadline(channel: grpc.aio.Channel) -> None:
    """A server of grpcio's says nothing then."""
    call = channel.unary_unary(LEAVE)(b"", timeout=0.3)
    with pytest.raises(grpc.aio.AioRpcError):
        await asyncio.wait_for(call, DEADLINE_SECONDS)
    assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await eventually(lambda: places(channel) == 0)


async def test_a_server_that_ends_a_stream_of_requests_early_is_heard(channel: grpc.aio.Channel) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1_000
            await asyncio.sleep(0)

    call: Any = channel.stream_unary(REFUSE)(endless())
    with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
        await asyncio.wait_for(call, DEADLINE_SECONDS)
    # grpcio itself may say INTERNAL, when a write fails before it has looked at the status.
    assert await call.code() in {grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INTERNAL}
    await eventually(lambda: places(channel) == 0)


@pytest.mark.parametrize("arity", ["unary_unary", "unary_stream", "stream_unary", "stream_stream"])
async def test_an_intercepted_call_has_the_time_that_its_caller_gave(
    make: Make, target: str, arity: str
) -> None:
    seen: list[float | None] = []

    async def around(continuation: Any, details: Any, request: Any) -> Any:
        seen.append(details.timeout)
        return await continuation(details, request)

    base = getattr(grpc.aio, f"{arity.title().replace('_', '')}ClientInterceptor")
    interceptor = type("Noting", (base,), {f"intercept_{arity}": staticmethod(around)})()
    async with make(target, interceptors=[interceptor]) as channel:
        path = {"unary_unary": HANG, "unary_stream": TICK, "stream_unary": JOIN, "stream_stream": CHAT}[arity]
        call: Any = getattr(channel, arity)(path)(b"" if arity.startswith("unary") else None, timeout=20.0)
        await eventually(lambda: seen)
        assert seen[0] is not None
        assert 0 < seen[0] <= 20.0
        call.cancel()


async def test_an_iterator_of_answers_is_asked_for_one_at_a_time(channel: grpc.aio.Channel) -> None:
    messages = aiter(channel.unary_stream(COUNT)(b"2"))
    assert [await anext(messages), await anext(messages)] == [b"0", b"1"]
    with pytest.raises(StopAsyncIteration):
        await anext(messages)


async def test_what_is_closed_says_so_at_each_kind_of_call(make: Make, target: str) -> None:
    channel = make(target)
    await channel.unary_unary(ECHO)(b"x")
    stubs: list[Any] = [
        channel.unary_unary(ECHO),
        channel.unary_stream(COUNT),
        channel.stream_unary(JOIN),
        channel.stream_stream(CHAT),
    ]
    await channel.close()
    for stub in stubs:
        with pytest.raises(grpc.aio.UsageError, match="closed"):
            stub(b"x")


async def test_a_handler_that_aborts_amid_its_answers_is_heard(channel: grpc.aio.Channel) -> None:
    messages = aiter(channel.unary_stream(BREAK)(b"OUT_OF_RANGE"))
    assert await anext(messages) == b"one"
    with pytest.raises(grpc.aio.AioRpcError, match="as asked") as caught:
        await anext(messages)
    assert caught.value.code() is grpc.StatusCode.OUT_OF_RANGE


async def test_calls_without_a_loop_go_on_beside_it(channel: grpc.aio.Channel) -> None:
    await channel.unary_unary(ECHO)(b"x")

    def blocking(port: int) -> bytes:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as plain:
            answer: bytes = plain.unary_unary(ECHO)(b"y", timeout=DEADLINE_SECONDS)
            return answer

    async with serving() as (_, port):
        assert await asyncio.to_thread(blocking, port) == b"y"
    assert await channel.unary_unary(ECHO)(b"x") == b"x"


async def test_loops_in_several_threads_have_a_channel_each(make: Make, target: str) -> None:
    async def use() -> list[bytes]:
        async with make(target) as channel:
            call = channel.unary_unary(ECHO)
            return [await call(b"%d" % number, timeout=DEADLINE_SECONDS) for number in range(50)]

    found = await asyncio.gather(*(asyncio.to_thread(lambda: asyncio.run(use())) for _ in range(3)))
    assert found == [[b"%d" % number for number in range(50)]] * 3


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(None, id="nothing"),
        pytest.param((("a", "1"),), id="a tuple"),
        pytest.param([("a", "1")], id="a list"),
        pytest.param(grpc.aio.Metadata(("a", "1")), id="gRPC's own"),
    ],
)
async def test_interceptors_may_add_to_metadata_as_grpc_has_it_and_as_a_list(
    make: Make, target: str, service: Service, given: Any
) -> None:
    async def own(continuation: Any, details: Any, request: Any) -> Any:
        assert isinstance(details.metadata, grpc.aio.Metadata)
        details.metadata.add("own", "yes")
        return await continuation(details, request)

    async def listed(continuation: Any, details: Any, request: Any) -> Any:
        metadata = [*(details.metadata or ()), ("listed", "yes")]
        return await continuation(details._replace(metadata=metadata), request)

    async with make(target, interceptors=[Unary(own), Unary(listed)]) as channel:
        for _ in range(2):
            assert await channel.unary_unary(ECHO)(b"x", metadata=given) == b"x"
    assert (service.metadata["own"], service.metadata["listed"]) == ("yes", "yes")
    assert given is None or service.metadata["a"] == "1"


async def test_intercepted_streams_that_nobody_finishes_keep_nothing_open(make: Make, target: str) -> None:
    channel = make(target, interceptors=[Answers(), Requests(), Both()])
    stream: Any = channel.unary_stream(TICK)(b"")
    assert await stream.read() == b"tick!"
    chat: Any = channel.stream_stream(CHAT)()
    await chat.write(b"a")
    assert await chat.read() == b"a"
    await asyncio.wait_for(channel.close(grace=0.05), DEADLINE_SECONDS)
    assert places(channel) == 0
