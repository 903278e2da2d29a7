"""Calls of all four kinds, and what their call objects say of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import grpc.aio
import pytest

from tests.integration.channels.conformance.service import (
    BREAK,
    CHAT,
    COUNT,
    ECHO,
    FAIL,
    INITIAL,
    JOIN,
    LARGE,
    TRAILING,
    UNKNOWN,
    Service,
)

pytestmark = pytest.mark.asyncio


async def words(*each: bytes) -> AsyncIterator[bytes]:
    for one in each:
        yield one


async def test_one_message_is_answered_with_one(channel: grpc.aio.Channel) -> None:
    call = channel.unary_unary(ECHO)(b"hello")
    assert isinstance(call, grpc.aio.UnaryUnaryCall)
    assert not call.done()
    assert await call == b"hello"
    assert await call == b"hello"  # as often as it is asked
    assert call.done()
    assert not call.cancelled()
    assert await call.code() is grpc.StatusCode.OK
    assert await call.details() == ""


async def test_one_message_is_answered_with_many(channel: grpc.aio.Channel) -> None:
    call = channel.unary_stream(COUNT)(b"3")
    assert isinstance(call, grpc.aio.UnaryStreamCall)
    assert [message async for message in call] == [b"0", b"1", b"2"]
    assert await call.code() is grpc.StatusCode.OK
    assert call.done()


async def test_messages_are_read_one_by_one_and_the_end_as_often_as_asked(channel: grpc.aio.Channel) -> None:
    call = channel.unary_stream(COUNT)(b"2")
    assert [await call.read(), await call.read()] == [b"0", b"1"]
    assert await call.read() is grpc.aio.EOF
    assert await call.code() is grpc.StatusCode.OK
    assert await call.read() is grpc.aio.EOF


async def test_many_are_answered_with_one(channel: grpc.aio.Channel) -> None:
    call = channel.stream_unary(JOIN)(words(b"a", b"b"))
    assert isinstance(call, grpc.aio.StreamUnaryCall)
    assert await call == b"a b"
    assert await call.code() is grpc.StatusCode.OK


async def test_requests_may_be_a_plain_list(channel: grpc.aio.Channel) -> None:
    assert await channel.stream_unary(JOIN)([b"a", b"b"]) == b"a b"
    assert [one async for one in channel.stream_stream(CHAT)(iter([b"c", b"d"]))] == [b"c", b"d"]


async def test_requests_may_be_written(channel: grpc.aio.Channel) -> None:
    call = channel.stream_unary(JOIN)()
    await call.write(b"a")
    await call.write(b"b")
    await call.done_writing()
    with pytest.raises(asyncio.InvalidStateError):
        await call.write(b"c")
    assert await call == b"a b"


async def test_both_sides_talk(channel: grpc.aio.Channel) -> None:
    call = channel.stream_stream(CHAT)()
    assert isinstance(call, grpc.aio.StreamStreamCall)
    for word in (b"a", b"", b"c"):
        await call.write(word)
        assert await call.read() == word
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert await call.code() is grpc.StatusCode.OK
    assert [one async for one in channel.stream_stream(CHAT)(words(b"x", b"y"))] == [b"x", b"y"]


async def test_an_iterator_and_writing_do_not_mix(channel: grpc.aio.Channel) -> None:
    call = channel.stream_stream(CHAT)(words(b"a"))
    with pytest.raises(grpc.aio.UsageError):
        await call.write(b"b")
    assert [one async for one in call] == [b"a"]


async def test_a_failure_has_a_status_details_and_metadata(channel: grpc.aio.Channel) -> None:
    call = channel.unary_unary(FAIL)(b"FAILED_PRECONDITION")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    error = caught.value
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert error.details() == "as asked"
    assert dict(error.trailing_metadata())["last"] == "trailing"
    assert call.done()
    assert not call.cancelled()
    assert await call.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert await call.details() == "as asked"
    with pytest.raises(grpc.aio.AioRpcError):
        await call


@pytest.mark.parametrize("status", ["UNAVAILABLE", "CANCELLED", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"])
async def test_a_status_of_the_server_is_passed_on_and_the_call_made_once(
    channel: grpc.aio.Channel, service: Service, status: str
) -> None:
    call = channel.unary_unary(FAIL)(status.encode())
    with pytest.raises(grpc.aio.AioRpcError):
        await call
    assert await call.code() is grpc.StatusCode[status]
    assert service.calls == 1


async def test_a_stream_fails_after_what_came(channel: grpc.aio.Channel, service: Service) -> None:
    call = channel.unary_stream(BREAK)(b"UNAVAILABLE")
    assert await call.read() == b"one"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert await call.code() is grpc.StatusCode.UNAVAILABLE
    assert service.calls == 1


async def test_a_method_that_is_not_there(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(UNKNOWN)(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_metadata_arrives_on_both_sides(channel: grpc.aio.Channel, service: Service) -> None:
    sent = (("key", "value"), ("key-bin", b"\x00\x01"))
    call = channel.unary_unary(ECHO)(b"x", metadata=sent)
    initial = await call.initial_metadata()
    trailing = await call.trailing_metadata()
    assert isinstance(initial, grpc.aio.Metadata)
    assert set(INITIAL) <= {tuple(pair) for pair in initial}
    assert set(TRAILING) <= {tuple(pair) for pair in trailing}
    assert await call == b"x"
    assert (service.metadata["key"], service.metadata["key-bin"]) == ("value", b"\x00\x01")


async def test_metadata_may_be_grpcs_own_type_or_a_list(channel: grpc.aio.Channel, service: Service) -> None:
    for metadata in (grpc.aio.Metadata(("key", "own")), [("key", "list")]):
        await channel.unary_unary(ECHO)(b"", metadata=metadata)
        assert service.metadata["key"] in ("own", "list")


@pytest.mark.parametrize("metadata", [("key", "value"), (("key", 1),)], ids=str)
async def test_bad_metadata_is_refused_at_the_call(channel: grpc.aio.Channel, metadata: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        await channel.unary_unary(ECHO)(b"", metadata=metadata)


async def test_streams_have_their_metadata_before_their_end(channel: grpc.aio.Channel) -> None:
    call = channel.stream_stream(CHAT)()
    assert set(INITIAL) <= {tuple(pair) for pair in await call.initial_metadata()}
    await call.done_writing()
    assert set(TRAILING) <= {tuple(pair) for pair in await call.trailing_metadata()}


async def test_several_wait_for_one_call_and_one_gives_up(channel: grpc.aio.Channel) -> None:
    call = channel.unary_unary(ECHO)(b"x")
    impatient, *others = [asyncio.ensure_future(call.code()) for _ in range(3)]
    await asyncio.sleep(0)
    impatient.cancel()
    assert await asyncio.gather(*others) == [grpc.StatusCode.OK] * 2
    assert await call.code() is grpc.StatusCode.OK


async def test_it_can_be_printed(channel: grpc.aio.Channel) -> None:
    call = channel.unary_unary(ECHO)(b"x")
    under_way = repr(call)
    await call
    assert repr(call) != under_way


async def test_serializers_are_used(channel: grpc.aio.Channel) -> None:
    call = channel.unary_unary(ECHO, str.encode, bytes.decode)
    assert await call("hello") == "hello"
    many = channel.unary_stream(COUNT, request_serializer=lambda n: b"%d" % n, response_deserializer=int)
    assert [one async for one in many(3)] == [0, 1, 2]


async def test_generated_stubs_say_that_their_methods_are_registered(channel: grpc.aio.Channel) -> None:
    assert await channel.unary_unary(ECHO, _registered_method=True)(b"x") == b"x"
    assert (
        await channel.unary_unary(ECHO, None, None, True)(b"x") == b"x"
    )  # as interceptors of grpc's pass it on
    assert [one async for one in channel.unary_stream(COUNT, _registered_method=True)(b"1")] == [b"0"]
    assert await channel.stream_unary(JOIN, _registered_method=True)([b"a"]) == b"a"
    assert [one async for one in channel.stream_stream(CHAT, _registered_method=True)([b"a"])] == [b"a"]


async def test_it_is_a_channel_of_grpcs(channel: grpc.aio.Channel) -> None:
    assert isinstance(channel, grpc.aio.Channel)


async def test_wrong_types_of_request(channel: grpc.aio.Channel) -> None:
    with pytest.raises(TypeError):
        await channel.unary_unary(ECHO)("not bytes")


async def test_wait_for_connection(channel: grpc.aio.Channel) -> None:
    one = channel.unary_unary(ECHO)(b"x")
    await one.wait_for_connection()
    assert await one == b"x"
    many = channel.unary_stream(COUNT)(b"1")
    await many.wait_for_connection()
    assert [message async for message in many] == [b"0"]
    written = channel.stream_unary(JOIN)()
    await written.wait_for_connection()
    await written.write(b"a")
    await written.done_writing()
    assert await written == b"a"
    both = channel.stream_stream(CHAT)()
    await both.wait_for_connection()
    await both.done_writing()
    assert await both.code() is grpc.StatusCode.OK


async def test_messages_up_to_the_limit_that_the_options_set(make: object, target: str) -> None:
    limits = [("grpc.max_receive_message_length", 10_000), ("grpc.max_send_message_length", 10_000)]
    async with make(target, options=limits) as channel:  # type: ignore[operator]  # -- a fixture's; until=never
        assert len(await channel.unary_unary(LARGE)(b"9000")) == 9_000
        for request in (b"11000", bytes(11_000)):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(LARGE)(request)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
