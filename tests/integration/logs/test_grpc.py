"""Traces over real gRPC connections: one line for each call on either side, and the context wherever a handler runs."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest

from quickwins.backpressure import PoolExhausted, RejectReason
from quickwins.backpressure.grpc import BackpressureInterceptor
from quickwins.logs._context import CONTEXT, EMPTY, Context, annotate, bound, in_context
from quickwins.logs._trace.w3c import Trace
from quickwins.logs.grpc import LogClientInterceptor, LogServerInterceptor
from quickwins.logs.testing import recording
from tests import grpc_service
from tests.eventually import DEADLINE_SECONDS, eventually
from tests.unit.logs.recording import Lines, bound_here, recorded

pytestmark = pytest.mark.asyncio

TRACE = Trace("a" * 32, "b" * 16, 1, "foo=1")
METADATA = (("traceparent", TRACE.traceparent), ("tracestate", "foo=1"), ("x-correlation-id", "order-7"))


@pytest.fixture(autouse=True)
def lines() -> Iterator[Lines]:
    with recorded() as made:
        yield made


@pytest.fixture
def server_lines(lines: Lines) -> Lines:
    return Lines(lines.kept, "rpc.request")


@pytest.fixture
def client_lines(lines: Lines) -> Lines:
    return Lines(lines.kept, "rpc.call")


@asynccontextmanager
async def serving(*interceptors: Any, **more: Any) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc_service.serving(
        *(interceptors or [LogServerInterceptor(trusted=True)]), **more
    ) as channel:
        yield channel


def handler(kind: str, behavior: Any) -> grpc.RpcMethodHandler:
    made: grpc.RpcMethodHandler = getattr(grpc, f"{kind}_rpc_method_handler")(behavior)
    return made


async def ended(lines: Lines, number: int = 1) -> Any:
    """The last of so many lines: they come when a call is over for the server, which may be after it is for its client."""
    await eventually(lambda: len(lines.lines) >= number)
    assert len(lines.lines) == number
    return lines.lines[-1]


def seen() -> bytes:
    """What a handler has of the context, and that it belongs to the request."""
    annotate(handled=True)
    fields = bound_here()
    return f"{fields['trace_id']} {fields['correlation_id']}".encode()


SEEN = f"{'a' * 32} order-7".encode()


async def unary_unary(request: bytes, context: Any) -> bytes:
    await asyncio.sleep(0)
    return seen()


async def unary_stream(request: bytes, context: Any) -> AsyncIterator[bytes]:
    yield seen()
    await asyncio.sleep(0)
    yield seen()


async def written(request: bytes, context: Any) -> None:
    await context.write(seen())
    await context.write(seen())


async def stream_unary(requests: AsyncIterator[bytes], context: Any) -> bytes:
    return [seen() async for _ in requests][-1]


async def stream_stream(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
    async for _ in requests:
        yield seen()


def in_thread(request: bytes, context: Any) -> bytes:
    assert threading.current_thread() is not threading.main_thread()
    return seen()


def generating_in_thread(request: bytes, context: Any) -> Iterator[bytes]:
    yield in_thread(request, context)
    yield in_thread(request, context)


def returning_a_generator(request: bytes, context: Any) -> Iterator[bytes]:
    return (seen() for _ in range(2))


def consuming_in_thread(requests: Iterator[bytes], context: Any) -> bytes:
    return [in_thread(request, context) for request in requests][-1]


def both_in_thread(requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
    for request in requests:
        yield in_thread(request, context)


class Called:
    async def __call__(self, request: bytes, context: Any) -> bytes:
        return seen()


HANDLERS = {
    "coroutine": ("unary_unary", unary_unary),
    "async generator": ("unary_stream", unary_stream),
    "coroutine that writes": ("unary_stream", written),
    "coroutine of a stream": ("stream_unary", stream_unary),
    "async generator of a stream": ("stream_stream", stream_stream),
    "partial": ("unary_unary", functools.partial(unary_unary)),
    "called": ("unary_unary", Called()),
    "function": ("unary_unary", in_thread),
    "generator": ("unary_stream", generating_in_thread),
    "function that returns a generator": ("unary_stream", returning_a_generator),
    "function of a stream": ("stream_unary", consuming_in_thread),
    "generator of a stream": ("stream_stream", both_in_thread),
}


def start(channel: grpc.aio.Channel, kind: str, *, method: str = "/test.Service/One", **options: Any) -> Any:
    """A call with two requests, or one where it takes one."""
    return getattr(channel, kind)(method)(
        iter([b"x", b"y"]) if kind.startswith("stream") else b"x", **options
    )


async def all_of(call: Any) -> list[bytes]:
    """What the server answers."""
    return [message async for message in call] if hasattr(call, "__aiter__") else [await call]


async def answers(channel: grpc.aio.Channel, kind: str, **options: Any) -> list[bytes]:
    return await all_of(start(channel, kind, **options))


@pytest.mark.parametrize(("kind", "behavior"), HANDLERS.values(), ids=HANDLERS)
async def test_every_sort_of_handler_has_the_context_and_leaves_one_line(
    server_lines: Lines, kind: str, behavior: Any
) -> None:
    async with serving(One=handler(kind, behavior)) as channel:
        got = await answers(channel, kind, metadata=METADATA)
        assert got == [SEEN] * (2 if kind.endswith("stream") else 1)
        line = await ended(server_lines)
    assert (line.level, line.event) == ("info", "rpc.request")
    duration = line.fields.pop("duration_ms")
    assert duration >= 0
    assert line.fields == {"rpc.method": "test.Service/One", "rpc.grpc.status_code": 0, "handled": True}
    assert (line.bound["trace_id"], line.bound["correlation_id"]) == ("a" * 32, "order-7")
    assert line.bound["span_id"] != "b" * 16
    assert CONTEXT.get() is EMPTY


async def test_a_thread_that_handled_a_call_keeps_nothing_of_it(server_lines: Lines) -> None:
    with ThreadPoolExecutor(1) as executor:
        async with serving(executor=executor, One=handler("unary_unary", in_thread)) as channel:
            await answers(channel, "unary_unary", metadata=METADATA)
            await ended(server_lines)
        assert executor.submit(CONTEXT.get).result() is EMPTY


async def aborting(request: bytes, context: Any) -> bytes:
    await context.abort(grpc.StatusCode.NOT_FOUND, "secret")
    raise AssertionError


async def setting(request: bytes, context: Any) -> bytes:
    context.set_code(grpc.StatusCode.DATA_LOSS)
    return b""


async def setting_a_number(request: bytes, context: Any) -> bytes:
    context.set_code(5)
    return b""


async def failing(request: bytes, context: Any) -> bytes:
    raise ValueError("secret")


async def failing_with_a_code(request: bytes, context: Any) -> bytes:
    context.set_code(grpc.StatusCode.UNAVAILABLE)
    raise ValueError("secret")


async def generating_and_failing(request: bytes, context: Any) -> AsyncIterator[bytes]:
    yield b""
    raise ValueError("secret")


async def cancelling(request: bytes, context: Any) -> bytes:
    raise asyncio.CancelledError


def aborting_in_thread(request: bytes, context: Any) -> bytes:
    context.abort(grpc.StatusCode.NOT_FOUND, "secret")
    raise AssertionError


def setting_in_thread(request: bytes, context: Any) -> bytes:
    assert context.peer()
    context.set_code(grpc.StatusCode.DATA_LOSS)
    return b""


def failing_in_thread(request: bytes, context: Any) -> bytes:
    raise ValueError("secret")


def generating_and_failing_in_thread(request: bytes, context: Any) -> Iterator[bytes]:
    yield b""
    raise ValueError("secret")


FAILURES = {
    "abort": ("unary_unary", aborting, 5, "info", None),
    "code set": ("unary_unary", setting, 15, "error", None),
    "number set": ("unary_unary", setting_a_number, 5, "info", None),
    "exception": ("unary_unary", failing, 2, "error", "ValueError"),
    "exception with a code": ("unary_unary", failing_with_a_code, 14, "error", "ValueError"),
    "exception in a generator": ("unary_stream", generating_and_failing, 2, "error", "ValueError"),
    "cancelled by itself": ("unary_unary", cancelling, 1, "warning", None),
    "abort in a thread": ("unary_unary", aborting_in_thread, 5, "info", None),
    "code set in a thread": ("unary_unary", setting_in_thread, 15, "error", None),
    "exception in a thread": ("unary_unary", failing_in_thread, 2, "error", "ValueError"),
    "exception of a generator in a thread": (
        "unary_stream", generating_and_failing_in_thread, 2, "error", "ValueError",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "behavior", "code", "level", "error"), FAILURES.values(), ids=FAILURES)
async def test_a_failure_is_told_by_its_code_and_its_exception_by_its_type(
    server_lines: Lines, kind: str, behavior: Any, code: int, level: str, error: str | None
) -> None:
    async with serving(One=handler(kind, behavior)) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            # What a handler that is cancelled by itself does to its call is grpc's affair.
            await answers(channel, kind, metadata=METADATA, timeout=0.3 if behavior is cancelling else None)
        line = await ended(server_lines)
    if behavior is not cancelling:
        assert caught.value.code().value[0] == code
    assert (line.level, line.fields["rpc.grpc.status_code"], line.fields.get("error.type")) == (
        level,
        code,
        error,
    )
    assert ("exc_info" in line.fields) == (error is not None)
    assert line.bound["trace_id"] == "a" * 32


async def refusing(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    raise PoolExhausted("full", reason=RejectReason.QUEUE_FULL, retry_after_seconds=1)


async def refusing_in_a_stream(request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
    yield b"one"
    raise PoolExhausted("full", reason=RejectReason.QUEUE_FULL, retry_after_seconds=1)


async def failing_over_a_refusal(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    try:
        return await refusing(request, context)
    except PoolExhausted:
        await context.abort(grpc.StatusCode.INTERNAL)
        raise


async def refusing_nobody(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return await refusing(request, context)
    raise AssertionError


async def test_a_call_that_is_refused_when_its_client_has_gone_is_policy_too(server_lines: Lines) -> None:
    interceptors = LogServerInterceptor(), BackpressureInterceptor()
    async with serving(*interceptors, One=handler("unary_unary", refusing_nobody)) as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await answers(channel, "unary_unary", timeout=0.1)
        line = await ended(server_lines)
    assert (line.level, line.fields["rpc.grpc.status_code"]) == ("info", 14)
    assert "exc_info" not in line.fields


@pytest.mark.parametrize(
    ("kind", "behavior", "code", "level"),
    [
        ("unary_unary", refusing, 14, "info"),
        ("unary_stream", refusing_in_a_stream, 14, "info"),
        ("unary_unary", failing_over_a_refusal, 13, "error"),
    ],
)
async def test_a_call_that_was_refused_is_policy(
    server_lines: Lines, kind: str, behavior: Any, code: int, level: str
) -> None:
    async with serving(
        LogServerInterceptor(), BackpressureInterceptor(), One=handler(kind, behavior)
    ) as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await answers(channel, kind)
        line = await ended(server_lines)
    assert (line.level, line.fields["rpc.grpc.status_code"]) == (level, code)
    assert "exc_info" not in line.fields


class Endless:
    """Handlers of every sort that have begun and do not end by themselves."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.over = threading.Event()

    async def unary_unary(self, request: bytes, context: Any) -> bytes:
        self.begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def unary_stream(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        yield b"first"
        self.begun.set()
        await asyncio.Event().wait()

    async def stream_unary(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        async for _ in requests:
            pass
        return await self.unary_unary(b"", context)

    async def stream_stream(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for message in self.unary_stream(b"", context):
            yield message

    def in_thread(self, request: bytes, context: Any) -> bytes:
        self.begun.set()
        self.over.wait(DEADLINE_SECONDS)
        return b""

    def generating_in_thread(self, request: bytes, context: Any) -> Iterator[bytes]:
        yield b"first"
        self.begun.set()
        self.over.wait(DEADLINE_SECONDS)


ENDLESS = [
    "unary_unary",
    "unary_stream",
    "stream_unary",
    "stream_stream",
    "in_thread",
    "generating_in_thread",
]


@pytest.mark.parametrize("timeout", [None, 1.0], ids=["cancelled", "deadline"])
@pytest.mark.parametrize("name", ENDLESS)
async def test_a_call_that_its_client_gave_up_leaves_its_line_at_once(
    server_lines: Lines, name: str, timeout: float | None
) -> None:
    endless = Endless()
    kind = {"in_thread": "unary_unary", "generating_in_thread": "unary_stream"}.get(name, name)
    executor = ThreadPoolExecutor(1)
    async with serving(executor=executor, One=handler(kind, getattr(endless, name))) as channel:
        call = start(channel, kind, metadata=METADATA, timeout=timeout)
        waiting = asyncio.ensure_future(all_of(call))
        await eventually(endless.begun.is_set)
        if timeout is None:
            call.cancel()
        await asyncio.wait([waiting], timeout=DEADLINE_SECONDS)
        line = await ended(server_lines)
        endless.over.set()
        await asyncio.to_thread(executor.shutdown)  # the thread needs the loop to end
    assert line.fields["rpc.grpc.status_code"] == (1 if timeout is None else 4)
    assert line.level == ("warning" if timeout is None else "error")
    assert "error.type" not in line.fields
    assert (line.bound["trace_id"], line.fields["rpc.method"]) == ("a" * 32, "test.Service/One")
    assert len(server_lines.lines) == 1


async def test_a_method_that_is_not_there_is_not_named(server_lines: Lines) -> None:
    async with serving(One=handler("unary_unary", unary_unary)) as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await answers(channel, "unary_unary", method="/secret/secret")
        line = await ended(server_lines)
        assert (line.level, line.fields["rpc.grpc.status_code"]) == ("info", 12)
        assert "secret" not in str(line)
        await answers(channel, "unary_unary", method="/a@example.com/One")
        assert "rpc.method" not in (await ended(server_lines, 2)).fields


async def test_an_interceptor_that_fails_leaves_the_line_of_its_call(server_lines: Lines) -> None:
    class Broken(grpc.aio.ServerInterceptor):
        async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
            annotate(inner=True)
            raise ValueError("secret")

    async with serving(LogServerInterceptor(), Broken()) as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await answers(channel, "unary_unary")
        line = await ended(server_lines)
    assert (line.fields["rpc.grpc.status_code"], line.fields["error.type"]) == (2, "ValueError")
    assert line.fields["inner"] is True


@pytest.mark.parametrize(
    ("trusted", "continued"),
    [
        pytest.param(False, False, id="nobody"),
        pytest.param(lambda details: details.method == "/test.Service/One", True, id="this method"),
        pytest.param(lambda details: 1 / 0, False, id="a question that fails"),
    ],
)
async def test_whose_trace_is_continued(server_lines: Lines, trusted: Any, continued: bool) -> None:
    async with serving(
        LogServerInterceptor(trusted=trusted), One=handler("unary_unary", unary_unary)
    ) as channel:
        await answers(channel, "unary_unary", metadata=METADATA)
        line = await ended(server_lines)
    assert (line.bound["trace_id"] == "a" * 32) == (line.bound["correlation_id"] == "order-7") == continued
    assert line.fields.get("link.trace_id") == (None if continued else "a" * 32)


async def test_health_checks_and_what_is_off_leave_no_line(server_lines: Lines) -> None:
    class Off:
        class state:  # noqa: N801 -- as flags have it; until=never
            on = False

    async def bare(request: bytes, context: Any) -> bytes:
        return b"" if CONTEXT.get() is EMPTY else b"context"

    off: Any = Off
    one = handler("unary_unary", unary_unary)
    async with serving(Check=one, One=one) as channel:
        await answers(channel, "unary_unary", method="/grpc.health.v1.Health/Check")
        await answers(channel, "unary_unary")
        assert (await ended(server_lines)).fields["rpc.method"] == "test.Service/One"
    async with serving(LogServerInterceptor(flag=off), One=handler("unary_unary", bare)) as channel:
        assert await answers(channel, "unary_unary", metadata=METADATA) == [b""]

    async def continuation(_: object) -> grpc.RpcMethodHandler:
        return one

    assert await LogServerInterceptor(flag=off).intercept_service(continuation, None) is one
    assert len(server_lines.lines) == 1


async def test_a_hundred_calls_at_once_keep_their_contexts_apart(server_lines: Lines) -> None:
    async def echo(request: bytes, context: Any) -> bytes:
        number = int(request)
        with bound(number=number):
            for _ in range(number % 5):
                await asyncio.sleep(0)
            annotate(number=bound_here()["number"])
        return str(CONTEXT.get().fields["correlation_id"]).encode()

    async with serving(One=handler("unary_unary", echo)) as channel:
        call = channel.unary_unary("/test.Service/One")
        got = await asyncio.gather(
            *(call(b"%d" % number, metadata=(("x-correlation-id", f"n{number}"),)) for number in range(100))
        )
        await ended(server_lines, 100)
    assert got == [b"n%d" % number for number in range(100)]
    for line in server_lines.lines:
        assert line.bound["correlation_id"] == f"n{line.fields['number']}"


@pytest.fixture
def in_a_request() -> Iterator[None]:
    token = CONTEXT.set(Context({"correlation_id": "order-7"}, trace=TRACE))
    yield
    CONTEXT.reset(token)


def metadata_of(context: Any) -> bytes:
    ours = [(name, value) for name, value in context.invocation_metadata() if name in dict(METADATA)]
    return repr(sorted(ours)).encode()


async def echo_one(request: Any, context: Any) -> bytes:
    return await anext(echo_many(request, context))


async def echo_many(request: Any, context: Any) -> AsyncIterator[bytes]:
    if not isinstance(request, bytes):
        assert [message async for message in request]
    yield metadata_of(context)


@pytest.mark.usefixtures("in_a_request")
@pytest.mark.parametrize("given", ["none", "tuple", "Metadata", "replaced"])
@pytest.mark.parametrize("kind", ["unary_unary", "unary_stream", "stream_unary", "stream_stream"])
async def test_a_client_takes_the_trace_along_on_every_kind_of_call(
    client_lines: Lines, kind: str, given: str
) -> None:
    old = (("x-tenant", "t1"), ("traceparent", "old"))
    metadata: Any = {
        "none": None,
        "tuple": (("x-tenant", "t1"),),
        "Metadata": grpc.aio.Metadata(("x-tenant", "t1")),
        "replaced": old,
    }[given]
    before = None if metadata is None else tuple(metadata)
    one = handler(kind, echo_many if kind.endswith("stream") else echo_one)
    async with serving(One=one, client=[*LogClientInterceptor()]) as channel:
        got = await answers(channel, kind, metadata=metadata)
        line = await ended(client_lines)
    assert got == [repr(sorted(METADATA)).encode()]
    assert (None if metadata is None else tuple(metadata)) == before
    assert (line.level, line.event) == ("debug", "rpc.call")
    assert (line.fields["rpc.method"], line.fields["rpc.grpc.status_code"]) == ("test.Service/One", 0)
    assert line.fields["duration_ms"] >= 0
    assert line.bound["trace_id"] == "a" * 32


@pytest.mark.parametrize("kind", ["unary_unary", "unary_stream", "stream_unary", "stream_stream"])
async def test_outside_a_request_a_client_adds_nothing(kind: str) -> None:
    one = handler(kind, echo_many if kind.endswith("stream") else echo_one)
    with recording(level="info") as kept:
        async with serving(One=one, client=LogClientInterceptor()) as channel:
            assert await answers(channel, kind) == [b"[]"]
    assert not [line for line in kept if line.event == "rpc.call"]


@pytest.mark.usefixtures("in_a_request")
async def test_a_client_that_is_off_adds_nothing(client_lines: Lines) -> None:
    class Off:
        class state:  # noqa: N801 -- as flags have it; until=never
            on = False

    off: Any = Off
    async with serving(
        One=handler("unary_unary", echo_one), client=[*LogClientInterceptor(flag=off)]
    ) as channel:
        assert await answers(channel, "unary_unary") == [b"[]"]
    assert not client_lines.lines


@pytest.mark.parametrize("kind", ["unary_unary", "unary_stream"])
async def test_a_call_that_fails_or_is_cancelled_leaves_its_line_with_the_code(
    client_lines: Lines, kind: str
) -> None:
    endless = Endless()
    async with serving(
        One=handler(kind, getattr(endless, kind)),
        Bad=handler("unary_unary", aborting),
        client=[*LogClientInterceptor()],
    ) as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await answers(channel, "unary_unary", method="/test.Service/Bad")
        assert (await ended(client_lines)).fields["rpc.grpc.status_code"] == 5
        with pytest.raises(grpc.aio.AioRpcError):
            await answers(channel, kind, timeout=0.2)
        assert (await ended(client_lines, 2)).fields["rpc.grpc.status_code"] == 4
        endless.begun.clear()
        call = start(channel, kind)
        waiting = asyncio.ensure_future(all_of(call))
        await eventually(endless.begun.is_set)
        call.cancel()
        await asyncio.wait([waiting], timeout=DEADLINE_SECONDS)
        assert (await ended(client_lines, 3)).fields["rpc.grpc.status_code"] == 1


class Waiting(grpc.aio.UnaryUnaryClientInterceptor):
    """As many are written: it waits for the answer, and gives that back instead of the call."""

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await (await continuation(client_call_details, request))


async def test_interceptors_that_wait_for_the_answer_are_no_obstacle(client_lines: Lines) -> None:
    async with serving(
        One=handler("unary_unary", echo_one),
        Bad=handler("unary_unary", aborting),
        client=[*LogClientInterceptor(), Waiting()],
    ) as channel:
        assert await answers(channel, "unary_unary") == [b"[]"]
        assert (await ended(client_lines)).fields["rpc.grpc.status_code"] == 0
        with pytest.raises(grpc.aio.AioRpcError):
            await answers(channel, "unary_unary", method="/test.Service/Bad")
        assert (await ended(client_lines, 2)).fields["rpc.grpc.status_code"] == 5


async def test_without_the_star_the_channel_says_what_to_write() -> None:
    with pytest.raises(ValueError, match=r"\[\*LogClientInterceptor\(\)\]"):
        grpc.aio.insecure_channel("127.0.0.1:1", interceptors=[LogClientInterceptor()])
    assert len(LogClientInterceptor()) == len(LogClientInterceptor()[:]) == 4


async def test_a_trace_goes_through_a_gateway_and_a_backend_into_a_thread(
    server_lines: Lines, client_lines: Lines
) -> None:
    async def back(request: bytes, context: Any) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(None, in_context(seen))

    async with serving(One=handler("unary_unary", back), client=[*LogClientInterceptor()]) as channel:

        async def front(request: bytes, context: Any) -> bytes:
            return (await answers(channel, "unary_unary"))[0]

        async with serving(Two=handler("unary_unary", front)) as gateway:
            assert await answers(gateway, "unary_unary", method="/gate.Way/Two", metadata=METADATA) == [SEEN]
            await ended(server_lines, 2)
    spans = [line.bound["span_id"] for line in (*server_lines.lines, *client_lines.lines)]
    assert {line.bound["trace_id"] for line in (*server_lines.lines, *client_lines.lines)} == {"a" * 32}
    assert {line.fields["rpc.method"] for line in server_lines.lines} == {"test.Service/One", "gate.Way/Two"}
    assert len(set(spans)) == 2, "the client's line is its caller's"
