"""A channel before it has a connection: where it may be used, what it makes, and what goes along with calls."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import socket
from collections.abc import Sequence
from typing import Any

import grpc
import grpc.aio
import pytest
from prometheus_client import CollectorRegistry

from quickwins.channels import ChannelConflict, ChannelMisuse, MisuseReason, PoolConfig, rotating_channel
from quickwins.channels._calls.method import MOST_METHODS, Kind, Methods
from quickwins.channels._native import outcome_of
from quickwins.channels.config import MethodPolicy

NOWHERE = "127.0.0.1:1"


def made(**more: Any) -> Any:
    return rotating_channel(NOWHERE, name="feed", registry=CollectorRegistry(), **more)


def test_it_is_a_channel_of_grpcs_and_is_made_where_there_is_no_loop() -> None:
    channel = made()
    assert isinstance(channel, grpc.aio.Channel)
    assert isinstance(channel.unary_unary("/a/b"), grpc.aio.UnaryUnaryMultiCallable)
    assert isinstance(channel.unary_stream("/a/b"), grpc.aio.UnaryStreamMultiCallable)
    assert isinstance(channel.stream_unary("/a/b"), grpc.aio.StreamUnaryMultiCallable)
    assert isinstance(
        channel.stream_stream("/a/b", _registered_method=True), grpc.aio.StreamStreamMultiCallable
    )
    assert channel.get_state() is grpc.ChannelConnectivity.IDLE
    assert repr(channel) == "<RotatingChannel 'feed': single, not used yet>"


def test_without_a_running_loop_a_call_says_so() -> None:
    with pytest.raises(ChannelMisuse, match="channel 'feed' is used without a running event loop") as caught:
        made().unary_unary("/a/b")(b"")
    assert caught.value.reason is MisuseReason.NO_LOOP


def test_another_loop_is_refused_with_a_word_on_what_to_do() -> None:
    channel = made()

    async def use() -> None:
        channel.get_state(try_to_connect=True)

    async def end() -> None:
        await channel.close()

    with asyncio.Runner() as first, asyncio.Runner() as second:
        first.run(use())
        for misuse in (use, end):
            with pytest.raises(ChannelMisuse, match="another event loop: make one for each loop") as caught:
                second.run(misuse())
            assert caught.value.reason is MisuseReason.LOOP
        first.run(end())
        first.run(end())
        assert repr(channel).endswith("closed>")


def test_a_forked_process_is_told_to_make_its_own() -> None:
    channel = made()

    async def use() -> None:
        channel.get_state(try_to_connect=True)
        # The fork is told of by the number of the process alone: a real one would take gRPC's threads along.
        channel._pid = os.getppid()
        with pytest.raises(ChannelMisuse, match="make the channel after it") as caught:
            channel.unary_unary("/a/b")(b"")
        assert caught.value.reason is MisuseReason.FORK
        channel._pid = os.getpid()
        await channel.close()

    asyncio.run(use())
    assert multiprocessing.active_children() == []


async def closed() -> Any:
    channel = made()
    await channel.close()
    return channel


@pytest.mark.asyncio
async def test_a_closed_channel_says_what_grpcs_says() -> None:
    channel = await closed()
    with pytest.raises(grpc.aio.UsageError, match="Channel is closed"):
        channel.unary_unary("/a/b")(b"")
    assert channel.get_state() is grpc.ChannelConnectivity.SHUTDOWN


@pytest.mark.asyncio
async def test_a_task_factory_from_before_tasks_were_made_for_a_context_will_do() -> None:
    def factory(loop: asyncio.AbstractEventLoop, work: Any) -> asyncio.Task[Any]:
        return asyncio.Task(work, loop=loop)

    loop: Any = asyncio.get_running_loop()
    loop.set_task_factory(factory)
    async with made(config=PoolConfig(size=2)) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/a/b")(b"")
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.asyncio
async def test_addresses_that_are_known_at_once_are_decided_on_once(eager: None) -> None:
    async def at_once(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))]

    loop: Any = asyncio.get_running_loop()
    loop.getaddrinfo = at_once  # as uvloop answers for an address
    async with rotating_channel(
        "localhost:1", name="feed", registry=CollectorRegistry(), config=PoolConfig(size=2)
    ) as channel:
        channel.get_state(try_to_connect=True)
        stats = channel.stats()
        assert ([one.number for one in stats.members], stats.draining) == ([1, 2], ())


@pytest.mark.asyncio
async def test_a_negative_grace_is_refused_as_by_grpc() -> None:
    channel = made()
    with pytest.raises(ValueError, match="non-negative"):
        await channel.close(-1)
    await channel.close()


def test_what_contradicts_a_channels_options_later_is_refused_and_changes_nothing() -> None:
    channel = made(options=[("grpc.service_config", "{}")])
    with pytest.raises(ChannelConflict):
        channel.reconfigure(PoolConfig(mode="core"))
    assert channel.stats().why == "not used yet"


TRACE = [("traceparent", f"00-{'a' * 32}-{'b' * 16}-01"), ("tracestate", "foo=1"), ("a", "1")]
OTHER = f"00-{'c' * 32}-{'d' * 16}-01"


class Adding:
    """A `metadata` function with a mind of its own."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, path: str) -> Sequence[tuple[str, str | bytes]]:
        self.asked.append(path)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]  # -- whatever the test gives; until=never


@pytest.mark.parametrize(
    ("more", "given", "sent"),
    [
        pytest.param([("a", "1")], None, (("a", "1"),), id="to nothing"),
        pytest.param([("a", "1")], (("b", "2"),), (("b", "2"), ("a", "1")), id="to the caller's"),
        pytest.param([("a", "1")], [("a", "0"), ("b", "2")], (("b", "2"), ("a", "1")), id="in place of the caller's"),
        pytest.param(TRACE, [("traceparent", OTHER)], (("traceparent", OTHER), ("a", "1")), id="beside the caller's trace"),
        pytest.param(TRACE, [("traceparent", "old")], tuple(TRACE), id="in place of what is no trace"),
        pytest.param([], (("b", "2"),), (("b", "2"),), id="nothing"),
        pytest.param(None, (("b", "2"),), (("b", "2"),), id="not even a list"),
        pytest.param([("a", "1")], grpc.aio.Metadata(("b", "2")), (("b", "2"), ("a", "1")), id="to gRPC's own kind"),
    ],
)  # fmt: skip
def test_metadata_is_added(more: Any, given: Any, sent: Any) -> None:
    adding = Adding(more)
    assert made(metadata=adding).added.to("/a/b", given) == sent
    assert adding.asked == ["/a/b"]


@pytest.mark.parametrize("answer", [RuntimeError("secret"), ["no pair"]], ids=["raises", "no pairs"])
def test_when_the_function_fails_the_call_goes_without_and_it_is_said_once(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    channel = made(metadata=Adding(answer, answer))
    with caplog.at_level(logging.WARNING, "quickwins"):
        assert [channel.added.to("/a/b", (("b", "2"),)) for _ in range(2)] == [(("b", "2"),)] * 2
    [record] = caplog.records
    assert record.getMessage() in {
        "call.metadata_failed error=RuntimeError",
        "call.metadata_failed error=ValueError",
    }
    assert "secret" not in caplog.text


def test_a_method_is_the_same_each_time_it_is_asked_for() -> None:
    methods = Methods({"/a/b": MethodPolicy(idempotent=True)})
    one = methods.get(Kind.UNARY_UNARY, "/a/b", str.encode, bytes.decode, True)
    assert methods.get(Kind.UNARY_UNARY, "/a/b", str.encode, bytes.decode, True) is one
    assert methods.get(Kind.UNARY_UNARY, "/a/b", None, None, None) is not one
    assert one.retried
    assert not methods.get(Kind.STREAM_UNARY, "/a/b", None, None, None).retried
    assert not methods.get(Kind.UNARY_UNARY, "/a/c", None, None, None).retried


def test_more_and_more_methods_fill_no_memory() -> None:
    methods = Methods({})
    for number in range(MOST_METHODS + 10):
        methods.get(Kind.UNARY_UNARY, f"/a/{number}", bytes, None, None)
    assert len(methods._known) == MOST_METHODS


@pytest.mark.asyncio
async def test_grpcs_call_says_below_itself_whether_all_is_well() -> None:
    """The one private name in use, which spares each call two coroutines."""
    async with grpc.aio.insecure_channel(NOWHERE) as channel:
        call = channel.unary_unary("/a/b")(b"")
        assert call._cython_call.is_ok() is False
        call.cancel()
        assert outcome_of(call).here
