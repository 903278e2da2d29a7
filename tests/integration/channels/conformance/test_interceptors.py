"""Client interceptors: their order, what they change, and calls that they answer, repeat or break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio
import pytest

from tests.eventually import DEADLINE_SECONDS, eventually
from tests.integration.channels.conformance.service import CHAT, COUNT, ECHO, FAIL, HANG, JOIN, Service

pytestmark = pytest.mark.asyncio

Make = Callable[..., grpc.aio.Channel]


class Unary(grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc]  # -- grpc ships no types; until=2027-05-31
    """Does what it is given, around the call."""

    def __init__(self, around: Callable[[Any, Any, Any], Any]) -> None:
        self.around = around

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await self.around(continuation, client_call_details, request)


class Answers(grpc.aio.UnaryStreamClientInterceptor):  # type: ignore[misc]  # -- grpc ships no types; until=2027-05-31
    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        call = await continuation(client_call_details, request)

        async def louder() -> AsyncIterator[bytes]:
            async for message in call:
                yield message + b"!"

        return louder()


class Requests(grpc.aio.StreamUnaryClientInterceptor):  # type: ignore[misc]  # -- grpc ships no types; until=2027-05-31
    async def intercept_stream_unary(
        self, continuation: Any, client_call_details: Any, request_iterator: Any
    ) -> Any:
        async def louder() -> AsyncIterator[bytes]:
            async for message in request_iterator:
                yield message + b"!"

        return await continuation(client_call_details, louder())


class Both(grpc.aio.StreamStreamClientInterceptor):  # type: ignore[misc]  # -- grpc ships no types; until=2027-05-31
    async def intercept_stream_stream(
        self, continuation: Any, client_call_details: Any, request_iterator: Any
    ) -> Any:
        return await continuation(client_call_details, request_iterator)


async def words(*each: bytes) -> AsyncIterator[bytes]:
    for one in each:
        yield one


def with_metadata(details: Any, key: str, value: str) -> grpc.aio.ClientCallDetails:
    metadata = grpc.aio.Metadata(*(details.metadata or ()), (key, value))
    return grpc.aio.ClientCallDetails(
        details.method, details.timeout, metadata, details.credentials, details.wait_for_ready
    )


async def test_each_kind_of_call_has_its_own(make: Make, target: str) -> None:
    async with make(target, interceptors=[Answers(), Requests(), Both()]) as channel:
        assert await channel.unary_unary(ECHO)(b"x") == b"x"
        assert [one async for one in channel.unary_stream(COUNT)(b"2")] == [b"0!", b"1!"]
        assert await channel.stream_unary(JOIN)(words(b"a", b"b")) == b"a! b!"
        assert [one async for one in channel.stream_stream(CHAT)(words(b"c"))] == [b"c"]


async def test_a_call_that_they_answer_by_themselves_is_over_once_its_answer_is_there(
    make: Make, target: str
) -> None:
    async def outer(continuation: Any, details: Any, request: Any) -> Any:
        call = await continuation(details, request)
        assert await call == b"own"
        return call

    async def inner(_: Any, __: Any, ___: Any) -> bytes:
        return b"own"

    async with make(target, interceptors=[Unary(outer), Unary(inner)]) as channel:
        for _ in range(2):  # the first waits for a connection
            call = channel.unary_unary(ECHO)(b"x")
            assert await call == b"own"
            assert (call.done(), call.cancelled(), call.cancel()) == (True, False, False)
            assert await call.code() is grpc.StatusCode.OK
            told: list[Any] = []
            call.add_done_callback(told.append)
            await eventually(told.copy)


async def test_the_first_is_outermost_and_sees_method_and_timeout(make: Make, target: str) -> None:
    seen: list[str] = []

    def noting(name: str) -> Unary:
        async def around(continuation: Any, details: Any, request: Any) -> Any:
            method = details.method if isinstance(details.method, str) else details.method.decode()
            seen.append(f"{name} {method} {details.timeout is not None}")
            call = await continuation(details, request)
            seen.append(f"{name} {await call.code()}")
            return call

        return Unary(around)

    async with make(target, interceptors=[noting("a"), noting("b")]) as channel:
        assert await channel.unary_unary(ECHO)(b"x", timeout=30) == b"x"
    assert seen == [f"a {ECHO} True", f"b {ECHO} True", "b StatusCode.OK", "a StatusCode.OK"]


async def test_metadata_that_they_add_arrives(make: Make, target: str, service: Service) -> None:
    async def around(continuation: Any, details: Any, request: Any) -> Any:
        return await continuation(with_metadata(details, "added", "yes"), request)

    async with make(target, interceptors=[Unary(around)]) as channel:
        await channel.unary_unary(ECHO)(b"", metadata=(("own", "too"),))
    assert (service.metadata["added"], service.metadata["own"]) == ("yes", "too")


async def test_a_timeout_that_they_set_holds(make: Make, target: str) -> None:
    async def around(continuation: Any, details: Any, request: Any) -> Any:
        return await continuation(
            grpc.aio.ClientCallDetails(details.method, 0.1, details.metadata, None, None), request
        )

    async with make(target, interceptors=[Unary(around)]) as channel:
        assert await channel.unary_unary(HANG)(b"").code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_they_may_repeat_a_call(make: Make, target: str, service: Service) -> None:
    async def around(continuation: Any, details: Any, request: Any) -> Any:
        first = await continuation(details, b"INTERNAL")
        assert await first.code() is grpc.StatusCode.INTERNAL
        return await continuation(details, b"ABORTED")

    async with make(target, interceptors=[Unary(around)]) as channel:
        assert await channel.unary_unary(FAIL)(b"").code() is grpc.StatusCode.ABORTED
    assert service.calls == 2


async def test_they_may_answer_themselves(make: Make, target: str, service: Service) -> None:
    async def around(continuation: Any, details: Any, request: Any) -> Any:
        return b"from the cache"

    async with make(target, interceptors=[Unary(around)]) as channel:
        call = channel.unary_unary(ECHO)(b"x")
        assert await call == b"from the cache"
        assert await call.code() is grpc.StatusCode.OK
    assert service.calls == 0


async def test_what_they_raise_is_the_callers(make: Make, target: str, service: Service) -> None:
    class Broken(Exception):
        pass

    async def around(continuation: Any, details: Any, request: Any) -> Any:
        raise Broken

    async with make(target, interceptors=[Unary(around)]) as channel:
        for _ in range(5):
            with pytest.raises(Broken):
                await channel.unary_unary(ECHO)(b"x")
    assert service.calls == 0


@pytest.mark.parametrize("awaits", [True, False])
async def test_a_call_is_cancelled_through_them(
    make: Make, target: str, service: Service, awaits: bool
) -> None:
    async def around(continuation: Any, details: Any, request: Any) -> Any:
        call = await continuation(details, request)
        if awaits:
            await call
        return call

    async with make(target, interceptors=[Unary(around)]) as channel:
        call = channel.unary_unary(HANG)(b"")
        await service.entered.wait()
        assert call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert call.cancelled()
        assert await call.code() is grpc.StatusCode.CANCELLED
        await asyncio.wait_for(service.cancelled.wait(), DEADLINE_SECONDS)


async def test_a_call_is_cancelled_before_it_leaves_them(make: Make, target: str, service: Service) -> None:
    reached = asyncio.Event()

    async def around(continuation: Any, details: Any, request: Any) -> Any:
        reached.set()
        await asyncio.Event().wait()

    async with make(target, interceptors=[Unary(around)]) as channel:
        call = channel.unary_unary(ECHO)(b"")
        assert not call.done()
        await reached.wait()
        assert call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await call.code() is grpc.StatusCode.CANCELLED
    assert service.calls == 0


async def test_callbacks_for_the_end_are_called(make: Make, target: str) -> None:
    async def around(continuation: Any, details: Any, request: Any) -> Any:
        return await continuation(details, request)

    async with make(target, interceptors=[Unary(around)]) as channel:
        call = channel.unary_unary(ECHO)(b"x")
        told: list[object] = []
        call.add_done_callback(told.append)
        assert await call == b"x"
        await eventually(lambda: told)
        assert await call.initial_metadata() is not None
        assert await call.trailing_metadata() is not None


async def test_what_is_no_interceptor_is_refused(make: Make, target: str) -> None:
    with pytest.raises(ValueError, match=r"[Ii]nterceptor"):
        make(target, interceptors=[object()])
