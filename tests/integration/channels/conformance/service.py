"""The server that channels are compared on, in this process, so that a test sees what it met."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc
import grpc.aio

ECHO: Final = "/probe.Probe/Echo"
HANG: Final = "/probe.Probe/Hang"
FAIL: Final = "/probe.Probe/Fail"
LARGE: Final = "/probe.Probe/Large"
COUNT: Final = "/probe.Probe/Count"
TICK: Final = "/probe.Probe/Tick"
BREAK: Final = "/probe.Probe/Break"
JOIN: Final = "/probe.Probe/Join"
CHAT: Final = "/probe.Probe/Chat"
LEAVE: Final = "/probe.Probe/Leave"
REFUSE: Final = "/probe.Probe/Refuse"
UNKNOWN: Final = "/probe.Probe/Unknown"

INITIAL: Final = (("first", "initial"), ("first-bin", b"\x00\xff"))
TRAILING: Final = (("last", "trailing"), ("last-bin", b"\xfe\x01"))


class Service:
    """What the server met, and when.

    Attributes:
        entered: Set once a call that hangs has come.
        cancelled: Set once such a call was cancelled.
        release: Lets those that hang go on.
        metadata: What the last call brought along.
        peers: Who called, each once.
        messages: What came on streams of requests.
        calls: How many calls have begun.
    """

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.release = asyncio.Event()
        self.metadata: dict[str, str | bytes] = {}
        self.peers: set[str] = set()
        self.messages: list[bytes] = []
        self.calls = 0
        self.time_remaining: float | None = None

    async def begin(self, context: grpc.aio.ServicerContext) -> None:
        self.calls += 1
        self.metadata = dict(context.invocation_metadata() or ())
        self.peers.add(context.peer())
        self.time_remaining = context.time_remaining()
        context.set_trailing_metadata(TRAILING)
        await context.send_initial_metadata(INITIAL)

    async def hang(self) -> None:
        self.entered.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def echo(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        await self.begin(context)
        return request

    async def hang_then_echo(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        await self.begin(context)
        await self.hang()
        return request

    async def fail(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        """End with the status that the request names."""
        self.calls += 1
        await context.abort(grpc.StatusCode[request.decode()], "as asked", TRAILING)
        raise AssertionError("abort raises")

    async def large(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        """As many bytes as the request says."""
        return bytes(int(request))

    async def count(self, request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        await self.begin(context)
        for number in range(int(request)):
            yield b"%d" % number

    async def tick(self, request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        """One message, and the next one when released."""
        await self.begin(context)
        yield b"tick"
        await self.hang()
        yield b"tock"

    async def fail_after_one(self, request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        self.calls += 1
        yield b"one"
        await context.abort(grpc.StatusCode[request.decode()], "as asked", TRAILING)

    async def join(self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> bytes:
        await self.begin(context)
        async for request in requests:
            self.messages.append(request)
        return b" ".join(self.messages)

    async def chat(
        self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[bytes]:
        await self.begin(context)
        async for request in requests:
            self.messages.append(request)
            yield request

    async def leave(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        """End as a handler does that is cancelled."""
        raise asyncio.CancelledError("as asked")

    async def refuse(self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> bytes:
        """End after the first message, whatever is still to come."""
        await anext(aiter(requests))
        await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "enough")
        raise AssertionError("abort raises")

    def handlers(self) -> dict[str, grpc.RpcMethodHandler]:
        return {
            "Echo": grpc.unary_unary_rpc_method_handler(self.echo),
            "Hang": grpc.unary_unary_rpc_method_handler(self.hang_then_echo),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "Large": grpc.unary_unary_rpc_method_handler(self.large),
            "Count": grpc.unary_stream_rpc_method_handler(self.count),
            "Tick": grpc.unary_stream_rpc_method_handler(self.tick),
            "Break": grpc.unary_stream_rpc_method_handler(self.fail_after_one),
            "Leave": grpc.unary_unary_rpc_method_handler(self.leave),
            "Refuse": grpc.stream_unary_rpc_method_handler(self.refuse),
            "Join": grpc.stream_unary_rpc_method_handler(self.join),
            "Chat": grpc.stream_stream_rpc_method_handler(self.chat),
        }


@asynccontextmanager
async def serving(
    *,
    port: int = 0,
    options: Sequence[tuple[str, Any]] = (),
    credentials: grpc.ServerCredentials | None = None,
) -> AsyncIterator[tuple[Service, int]]:
    """A server on 127.0.0.1 and its port."""
    service = Service()
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0), *options])
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("probe.Probe", service.handlers()),)
    )
    address = f"127.0.0.1:{port}"
    bound = (
        server.add_insecure_port(address)
        if credentials is None
        else server.add_secure_port(address, credentials)
    )
    await server.start()
    try:
        yield service, bound
    finally:
        await server.stop(None)
