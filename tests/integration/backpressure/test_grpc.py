"""A refusal over a real gRPC connection: UNAVAILABLE and how long to wait; everything else passes untouched."""

from __future__ import annotations

import asyncio
import functools
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2
from prometheus_client import CollectorRegistry

from quickwins.backpressure import Gate, PoolExhausted, RejectReason, Rule
from quickwins.backpressure.grpc import DETAILS, BackpressureInterceptor
from quickwins.core.deadline import current, deadline
from quickwins.core.errors import PUSHBACK
from tests import grpc_service
from tests.eventually import DEADLINE_SECONDS, eventually
from tests.integration.backpressure.conftest import Pools, all_is_back, gated_over

Unary = Callable[[bytes, grpc.aio.ServicerContext], Any]


@asynccontextmanager
async def serving(
    interceptor: BackpressureInterceptor | None = None,
    config: dict[str, Any] | None = None,
    **handlers: grpc.RpcMethodHandler,
) -> AsyncIterator[grpc.aio.Channel]:
    options = () if config is None else (("grpc.service_config", json.dumps(config)),)
    async with grpc_service.serving(
        interceptor or BackpressureInterceptor(), options=options, **handlers
    ) as channel:
        yield channel


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

SENTENCE = "The service has as much work as it can do. Nothing was done; try again later."


@pytest.mark.engines("postgres")
async def test_a_full_pool_says_unavailable_and_how_long_to_wait(pools: Pools) -> None:
    gated = gated_over(await pools(2), gate=Gate(Rule(threshold=0.5, retry_after_seconds=2.0)))

    async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        return str(await gated.fetchval("SELECT 41 + $1::int", len(request))).encode()

    async with serving(one=grpc.unary_unary_rpc_method_handler(answer)) as channel:
        call = channel.unary_unary("/test/one")
        assert await call(b"x") == b"42"
        async with gated.acquire():
            error = await failure(call(b"x"))
        assert await call(b"x") == b"42"
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert error.details() == SENTENCE
    pushback = int(dict([*error.trailing_metadata()])[PUSHBACK])
    assert 1_000 <= pushback <= 3_000
    await all_is_back(gated)


async def test_the_pushback_is_whole_milliseconds_rounded_up() -> None:
    async with serving(one=grpc.unary_unary_rpc_method_handler(refusing())) as channel:
        error = await failure(channel.unary_unary("/test/one")(b""))
    trailing = dict([*error.trailing_metadata()])
    assert trailing.keys() == {PUSHBACK, DETAILS}
    assert trailing[PUSHBACK] == "1235"
    status = status_pb2.Status.FromString(trailing[DETAILS])
    info = error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    assert (status.code, status.message) == (14, SENTENCE)
    assert info.retry_delay.ToMilliseconds() == 1234


async def test_without_advice_there_is_no_pushback() -> None:
    async with serving(one=grpc.unary_unary_rpc_method_handler(refusing(None))) as channel:
        error = await failure(channel.unary_unary("/test/one")(b""))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert dict([*error.trailing_metadata()]) == {}


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
    assert (PUSHBACK in dict([*error.trailing_metadata()])) != other


async def test_trailers_that_the_handler_had_set_are_kept() -> None:
    async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        context.set_trailing_metadata((("request-id", "7"),))
        return await refusing()(request, context)  # type: ignore[no-any-return]  # -- as grpc has it; until=never

    async with serving(one=grpc.unary_unary_rpc_method_handler(answer)) as channel:
        error = await failure(channel.unary_unary("/test/one")(b""))
    trailing = dict([*error.trailing_metadata()])
    assert (trailing["request-id"], trailing[PUSHBACK]) == ("7", "1235")


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
        assert dict([*error.trailing_metadata()]) == {"why": "gone"}
        error = await failure(channel.unary_unary("/test/broken")(b""))
        assert error.code() is grpc.StatusCode.UNKNOWN
        error = await failure(channel.unary_unary("/test/missing")(b""))
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_synchronous_handlers_are_not_touched() -> None:
    def synchronous(request: bytes, context: Any) -> bytes:
        return b"sync " + request

    handler = grpc.unary_unary_rpc_method_handler(synchronous)

    async def continuation(_: object) -> grpc.RpcMethodHandler:
        return handler

    class Details:
        method = "/test/synchronous"

    assert await BackpressureInterceptor().intercept_service(continuation, Details()) is handler
    async with serving(synchronous=handler) as channel:
        assert await channel.unary_unary("/test/synchronous")(b"x") == b"sync x"


def full() -> PoolExhausted:
    return PoolExhausted("full", reason=RejectReason.THRESHOLD, retry_after_seconds=0.5)


async def unary_unary(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    if request == b"full":
        raise full()
    return b"served"


async def unary_stream(request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
    if request == b"full":
        raise full()
    yield b"served"
    if request == b"later":
        raise full()


async def written(request: bytes, context: grpc.aio.ServicerContext) -> None:
    if request == b"full":
        raise full()
    await context.write(b"served")
    if request == b"later":
        raise full()


async def stream_unary(requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> bytes:
    return [await unary_unary(request, context) async for request in requests][-1]


async def stream_stream(
    requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext
) -> AsyncIterator[bytes]:
    async for request in requests:
        async for message in unary_stream(request, context):
            yield message


class Called:
    async def __call__(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        return await unary_unary(request, context)


KINDS = {
    "unary_unary": ("unary_unary", unary_unary),
    "unary_stream": ("unary_stream", unary_stream),
    "written": ("unary_stream", written),
    "stream_unary": ("stream_unary", stream_unary),
    "stream_stream": ("stream_stream", stream_stream),
    "partial": ("unary_unary", functools.partial(unary_unary)),
    "called": ("unary_unary", Called()),
}


async def messages(channel: grpc.aio.Channel, kind: str, *requests: bytes) -> list[bytes]:
    """What the server answers on a call of that kind; the first request alone where it takes one."""
    call = getattr(channel, kind)("/test/one")
    given = list(requests) if kind.startswith("stream") else requests[0]
    if kind.endswith("unary"):
        return [await call(iter(given) if isinstance(given, list) else given)]
    return [message async for message in call(iter(given) if isinstance(given, list) else given)]


@pytest.mark.parametrize("name", KINDS)
async def test_every_kind_of_call_is_served_and_refused_before_any_message(name: str) -> None:
    kind, behavior = KINDS[name]
    handler = getattr(grpc, f"{kind}_rpc_method_handler")(behavior)
    async with serving(one=handler) as channel:
        assert await messages(channel, kind, b"x") == [b"served"]
        error = await failure(messages(channel, kind, b"full"))
        assert await messages(channel, kind, b"x") == [b"served"]
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert dict([*error.trailing_metadata()])[PUSHBACK] == "500"


@pytest.mark.parametrize("name", ["unary_stream", "written", "stream_stream"])
async def test_a_refusal_in_the_middle_of_a_stream_ends_it_with_the_same_words(name: str) -> None:
    kind, behavior = KINDS[name]
    async with serving(one=getattr(grpc, f"{kind}_rpc_method_handler")(behavior)) as channel:
        call = getattr(channel, kind)("/test/one")(iter([b"later"]) if kind == "stream_stream" else b"later")
        assert await call.read() == b"served"
        error = await failure(call.read())
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert dict([*error.trailing_metadata()])[PUSHBACK] == "500"


async def test_the_status_is_a_setting() -> None:
    interceptor = BackpressureInterceptor(status=grpc.StatusCode.RESOURCE_EXHAUSTED)
    async with serving(interceptor, one=grpc.unary_unary_rpc_method_handler(unary_unary)) as channel:
        error = await failure(channel.unary_unary("/test/one")(b"full"))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert status_pb2.Status.FromString(dict([*error.trailing_metadata()])[DETAILS]).code == 8


def edge(size: int = 1, **options: Any) -> Gate:
    gate = Gate.threshold(0.999, **options)
    gate.bind(size, name="grpc", registry=CollectorRegistry())
    return gate


@pytest.mark.parametrize("name", KINDS)
async def test_a_full_edge_refuses_every_kind_of_call_and_gives_each_permit_back(name: str) -> None:
    kind, behavior = KINDS[name]
    gate = edge()
    handler = getattr(grpc, f"{kind}_rpc_method_handler")(behavior)
    async with serving(BackpressureInterceptor(gate=gate), one=handler) as channel:
        async with gate.permit():
            error = await failure(messages(channel, kind, b"x"))
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert await messages(channel, kind, b"x") == [b"served"]
        await failure(messages(channel, kind, b"full"))
        await eventually(lambda: gate.stats().inflight == 0)


@pytest.mark.parametrize("style", ["yields", "writes"])
async def test_a_stream_that_goes_on_holds_no_permit_and_health_checks_need_none(style: str) -> None:
    gate, leave = edge(), asyncio.Event()

    async def stream(request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        yield b"one"
        await leave.wait()
        yield b"two"

    async def write(request: bytes, context: grpc.aio.ServicerContext) -> None:
        async for message in stream(request, context):
            await context.write(message)

    streaming = stream if style == "yields" else write
    interceptor = BackpressureInterceptor(gate=gate, exempt=["/test/health"])
    handlers = {
        "one": grpc.unary_stream_rpc_method_handler(streaming),
        "health": grpc.unary_unary_rpc_method_handler(unary_unary),
    }
    async with serving(interceptor, **handlers) as channel:
        call = channel.unary_stream("/test/one")(b"")
        assert await call.read() == b"one"
        assert gate.stats().inflight == 0
        async with gate.permit():
            assert await channel.unary_unary("/test/health")(b"") == b"served"
        leave.set()
        assert await call.read() == b"two"


@pytest.mark.parametrize("kind", ["unary_unary", "unary_stream"])
async def test_a_client_that_goes_away_gives_its_permit_back(kind: str) -> None:
    gate, entered = edge(), asyncio.Event()

    async def wait(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        entered.set()
        await asyncio.Event().wait()
        return b""

    async def wait_to_stream(request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        yield await wait(request, context)

    behavior = wait if kind == "unary_unary" else wait_to_stream
    handler = getattr(grpc, f"{kind}_rpc_method_handler")(behavior)
    async with serving(BackpressureInterceptor(gate=gate), one=handler) as channel:
        call = getattr(channel, kind)("/test/one")(b"")
        if kind == "unary_stream":
            reading = asyncio.ensure_future(call.read())
        await asyncio.wait_for(entered.wait(), DEADLINE_SECONDS)
        assert gate.stats().inflight == 1
        call.cancel()
        await eventually(lambda: gate.stats().inflight == 0)
        if kind == "unary_stream":
            with pytest.raises(asyncio.CancelledError):
                await reading


async def test_a_calls_deadline_is_known_to_the_gates_below_and_to_no_other_call() -> None:
    seen: list[float | None] = []

    async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        known = current()
        seen.append(None if known is None else known.remaining(time.monotonic()))
        return b""

    async with serving(one=grpc.unary_unary_rpc_method_handler(answer)) as channel:
        call = channel.unary_unary("/test/one")
        await call(b"", timeout=50)
        await call(b"")
    assert seen[0] is not None
    assert 0 < seen[0] <= 51  # gRPC rounds it
    assert seen[1] is None


async def test_a_deadline_that_passes_in_a_line_inside_is_a_refusal_too() -> None:
    gate = Gate.queue(target_seconds=30, interval_seconds=300, size=1, name="x", registry=CollectorRegistry())

    async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        async with deadline(0.2), gate.permit():
            raise AssertionError

    async with serving(one=grpc.unary_unary_rpc_method_handler(answer)) as channel, gate.permit():
        error = await failure(channel.unary_unary("/test/one")(b""))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert error.details() == "The service did not get this done in the time that it had."


async def test_a_deadline_that_passes_in_line_at_the_edge_is_no_error_of_the_service() -> None:
    gate = Gate.queue(target_seconds=30, interval_seconds=300)
    gate.bind(1, registry=CollectorRegistry())
    interceptor = BackpressureInterceptor(gate=gate)
    async with serving(interceptor, one=grpc.unary_unary_rpc_method_handler(unary_unary)) as channel:
        async with gate.permit():
            error = await failure(channel.unary_unary("/test/one")(b"", timeout=0.1))
        await eventually(lambda: gate.stats().waiting == 0)
    assert error.code() in {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE}


async def test_a_client_with_a_retry_policy_waits_as_long_as_it_is_told_and_is_served() -> None:
    came: list[float] = []

    async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        came.append(time.monotonic())
        if len(came) <= 2:
            raise PoolExhausted("full", reason=RejectReason.THRESHOLD, retry_after_seconds=0.3)
        return b"served"

    policy = {
        "maxAttempts": 4,
        "initialBackoff": "0.001s",
        "maxBackoff": "0.001s",
        "backoffMultiplier": 1,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    config = {"methodConfig": [{"name": [{}], "retryPolicy": policy}]}
    handler = grpc.unary_unary_rpc_method_handler(answer)
    async with serving(config=config, one=handler) as channel:
        assert await channel.unary_unary("/test/one")(b"") == b"served"
    first, second, third = came
    assert second - first >= 0.29, "its own policy would have it wait for a millisecond"
    assert third - second >= 0.29
