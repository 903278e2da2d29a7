"""What runs for a call sees the context of its caller, whenever that is: interceptors, iterators of requests, done callbacks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from typing import Any

import grpc
import grpc.aio
import pytest

from tests.eventually import DEADLINE_SECONDS
from tests.integration.channels.conformance.service import CHAT, COUNT, ECHO, FAIL, JOIN, serving
from tests.integration.channels.conformance.test_connectivity import QUICKLY, free_port, reach
from tests.integration.channels.kinds import KINDS, ours

pytestmark = pytest.mark.asyncio

Make = Callable[..., grpc.aio.Channel]
CALLER: ContextVar[str] = ContextVar("caller", default="nobody")


def armed(target: str, **more: Any) -> grpc.aio.Channel:
    return ours(target, methods=[ECHO, COUNT, JOIN, CHAT, FAIL], **more)


MADE = [
    pytest.param(KINDS["bare"], id="bare"),
    pytest.param(KINDS["pool of 3"], id="pool"),
    pytest.param(armed, id="retried"),
]


class Seen:
    """Who the caller was, for each that looked; interceptors `leave` another one behind, as a span that they begin."""

    def __init__(self, leave: str | None = None) -> None:
        self.by: list[tuple[str, str]] = []
        self.leave = leave

    def note(self, place: str) -> None:
        self.by.append((place, CALLER.get()))

    async def through(self, continuation: Any, details: Any, request: Any) -> Any:
        self.note("interceptor")
        if self.leave is not None:
            CALLER.set(self.leave)
        return await continuation(details, request)

    def interceptor(self, kind: str) -> grpc.aio.ClientInterceptor:
        """One for calls of `kind`; gRPC tells them apart by their classes."""
        base = getattr(grpc.aio, f"{kind.title().replace('_', '')}ClientInterceptor")
        return type(kind, (base,), {f"intercept_{kind}": staticmethod(self.through)})()

    async def requests(self) -> AsyncIterator[bytes]:
        self.note("requests")
        yield b"a"


async def unary_unary(channel: Any, seen: Seen) -> Any:
    return channel.unary_unary(ECHO)(b"x", wait_for_ready=True)


async def unary_stream(channel: Any, seen: Seen) -> Any:
    return channel.unary_stream(COUNT)(b"1", wait_for_ready=True)


async def stream_unary(channel: Any, seen: Seen) -> Any:
    return channel.stream_unary(JOIN)(seen.requests(), wait_for_ready=True)


async def stream_stream(channel: Any, seen: Seen) -> Any:
    return channel.stream_stream(CHAT)(seen.requests(), wait_for_ready=True)


CALLS = (unary_unary, unary_stream, stream_unary, stream_stream)


async def ended(begin: Callable[..., Any], channel: Any, seen: Seen) -> None:
    """A call begun by "me", to its end."""
    CALLER.set("me")
    call = await begin(channel, seen)
    over = asyncio.Event()

    def done(_: object) -> None:
        seen.note("done")
        over.set()

    call.add_done_callback(done)
    if hasattr(call, "__aiter__"):
        async for _ in call:
            pass
    else:
        await call
    await over.wait()


@pytest.mark.parametrize("intercepted", [False, True], ids=["plain", "intercepted"])
@pytest.mark.parametrize("late", [False, True], ids=["connected", "connected late"])
@pytest.mark.parametrize("make", MADE)
async def test_it_is_the_callers(make: Make, late: bool, intercepted: bool) -> None:
    seen = {begin: Seen() for begin in CALLS}
    interceptors = [one.interceptor(begin.__name__) for begin, one in seen.items()] if intercepted else []

    async def call() -> None:
        await asyncio.gather(*(ended(begin, channel, one) for begin, one in seen.items()))

    with free_port() as port:
        async with make(f"127.0.0.1:{port}", options=QUICKLY, interceptors=interceptors) as channel:
            if late:
                calls = asyncio.create_task(call())
                await reach(channel, grpc.ChannelConnectivity.TRANSIENT_FAILURE)
            async with serving(port=port):
                if not late:
                    await asyncio.wait_for(channel.channel_ready(), DEADLINE_SECONDS)
                    calls = asyncio.create_task(call())
                await asyncio.wait_for(calls, DEADLINE_SECONDS)
    for begin, one in seen.items():
        places = ["done", *["interceptor"] * intercepted, *["requests"] * (begin in CALLS[2:])]
        assert sorted(one.by) == [(place, "me") for place in places], begin


async def test_it_is_so_at_each_attempt() -> None:
    seen = Seen(leave="an interceptor")

    async def failing(channel: Any, _: Seen) -> Any:
        return channel.unary_unary(FAIL)(b"UNAVAILABLE")

    async with (
        serving() as (service, port),
        armed(f"127.0.0.1:{port}", interceptors=[seen.interceptor("unary_unary")]) as channel,
    ):
        await asyncio.wait_for(channel.channel_ready(), DEADLINE_SECONDS)
        with pytest.raises(grpc.aio.AioRpcError, match="as asked"):
            await asyncio.create_task(ended(failing, channel, seen))
    assert service.calls == 3
    assert seen.by[:-1] == [("interceptor", "me")] * 3
