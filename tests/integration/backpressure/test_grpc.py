"""A refusal over a real gRPC connection: UNAVAILABLE and how long to wait; everything else passes untouched."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest

from quickwins.backpressure import PoolExhausted, PoolSettings, RejectReason
from quickwins.backpressure.grpc import PUSHBACK, BackpressureInterceptor
from tests.integration.backpressure.conftest import Pools, all_is_back, gated_over

Unary = Callable[[bytes, grpc.aio.ServicerContext], Any]


class Service(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc ships no types
    """Answers `/test/<method>` for the handlers it is given, with bytes in and out."""

    def __init__(self, **handlers: grpc.RpcMethodHandler) -> None:
        self._handlers = handlers

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        return self._handlers.get(handler_call_details.method.rpartition("/")[2])


@asynccontextmanager
async def serving(**handlers: grpc.RpcMethodHandler) -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server(interceptors=[BackpressureInterceptor()])
    server.add_generic_rpc_handlers((Service(**handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        await server.stop(None)


async def failure(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


def refusing(retry_after_seconds: float | None = 1.2345) -> Unary:
    async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        raise PoolExhausted(
            "pool 'feed' is full", reason=RejectReason.THRESHOLD, retry_after_seconds=retry_after_seconds
        )

    return answer


pytestmark = pytest.mark.asyncio


@pytest.mark.engines("postgres")
async def test_a_full_pool_says_unavailable_and_how_long_to_wait(pools: Pools) -> None:
    gated = gated_over(await pools(2), 0.5, settings=PoolSettings(retry_after_seconds=2.0))

    async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        return str(await gated.fetchval("SELECT 41 + $1::int", len(request))).encode()

    async with serving(one=grpc.unary_unary_rpc_method_handler(answer)) as channel:
        call = channel.unary_unary("/test/one")
        assert await call(b"x") == b"42"
        async with gated.acquire():
            error = await failure(call(b"x"))
        assert await call(b"x") == b"42"
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert error.details() == "pool 'feed' has 1 of 2 permits in use, its limit is 1"
    pushback = int(dict(error.trailing_metadata())[PUSHBACK])
    assert 1_000 <= pushback <= 3_000
    await all_is_back(gated)


async def test_the_pushback_is_whole_milliseconds_rounded_up() -> None:
    async with serving(one=grpc.unary_unary_rpc_method_handler(refusing())) as channel:
        error = await failure(channel.unary_unary("/test/one")(b""))
    assert dict(error.trailing_metadata()) == {PUSHBACK: "1235"}


async def test_without_advice_there_is_no_pushback() -> None:
    async with serving(one=grpc.unary_unary_rpc_method_handler(refusing(None))) as channel:
        error = await failure(channel.unary_unary("/test/one")(b""))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert PUSHBACK not in dict(error.trailing_metadata())


@pytest.mark.parametrize(("other", "code"), [(False, "UNAVAILABLE"), (True, "UNKNOWN")])
async def test_a_handler_that_fans_out_is_refused_when_all_its_failures_are_refusals(
    other: bool, code: str
) -> None:
    async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        failures: list[Exception] = [
            PoolExhausted("full", reason=RejectReason.THRESHOLD, retry_after_seconds=1)
        ]
        raise ExceptionGroup(
            "fan-out", [*failures, ExceptionGroup("inner", failures)] + [ValueError()] * other
        )

    async with serving(one=grpc.unary_unary_rpc_method_handler(answer)) as channel:
        error = await failure(channel.unary_unary("/test/one")(b""))
    assert error.code() is grpc.StatusCode[code]
    assert (PUSHBACK in dict(error.trailing_metadata())) != other


async def test_trailers_that_the_handler_had_set_are_kept() -> None:
    async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        context.set_trailing_metadata((("request-id", "7"),))
        return await refusing()(request, context)  # type: ignore[no-any-return]

    async with serving(one=grpc.unary_unary_rpc_method_handler(answer)) as channel:
        error = await failure(channel.unary_unary("/test/one")(b""))
    assert dict(error.trailing_metadata()) == {"request-id": "7", PUSHBACK: "1235"}


async def test_methods_of_a_class_and_serializers_work() -> None:
    class Servicer:
        async def double(self, request: int, context: grpc.aio.ServicerContext) -> list[int]:
            return [request, request] if request else await refusing()(b"", context)

    handler = grpc.unary_unary_rpc_method_handler(
        Servicer().double, request_deserializer=int, response_serializer=bytes
    )
    async with serving(one=handler) as channel:
        call = channel.unary_unary("/test/one")
        assert await call(b"65") == b"AA"
        assert (await failure(call(b"0"))).code() is grpc.StatusCode.UNAVAILABLE


async def test_other_failures_pass_as_they_are() -> None:
    async def aborting(request: bytes, context: grpc.aio.ServicerContext) -> None:
        await context.abort(grpc.StatusCode.NOT_FOUND, "no such user", (("why", "gone"),))

    async def broken(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        raise ValueError("ours")

    async with serving(
        aborting=grpc.unary_unary_rpc_method_handler(aborting),
        broken=grpc.unary_unary_rpc_method_handler(broken),
    ) as channel:
        error = await failure(channel.unary_unary("/test/aborting")(b""))
        assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "no such user")
        assert dict(error.trailing_metadata()) == {"why": "gone"}
        error = await failure(channel.unary_unary("/test/broken")(b""))
        assert error.code() is grpc.StatusCode.UNKNOWN
        error = await failure(channel.unary_unary("/test/missing")(b""))
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_streaming_and_synchronous_handlers_are_not_touched() -> None:
    def synchronous(request: bytes, context: Any) -> bytes:
        return b"sync " + request

    async def streaming(request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        yield b"1"
        raise PoolExhausted("full", reason=RejectReason.THRESHOLD, retry_after_seconds=1.0)

    async def collecting(requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> bytes:
        return b"".join([request async for request in requests])

    handlers = {
        "synchronous": grpc.unary_unary_rpc_method_handler(synchronous),
        "streaming": grpc.unary_stream_rpc_method_handler(streaming),
        "collecting": grpc.stream_unary_rpc_method_handler(collecting),
    }
    interceptor = BackpressureInterceptor()
    for handler in handlers.values():

        async def continuation(_: object, found: grpc.RpcMethodHandler = handler) -> grpc.RpcMethodHandler:
            return found

        assert await interceptor.intercept_service(continuation, None) is handler
    async with serving(**handlers) as channel:
        assert await channel.unary_unary("/test/synchronous")(b"x") == b"sync x"
        call = channel.unary_stream("/test/streaming")(b"")
        assert await call.read() == b"1"
        assert (await failure(call.read())).code() is grpc.StatusCode.UNKNOWN
        assert await channel.stream_unary("/test/collecting")(iter([b"a", b"b"])) == b"ab"
