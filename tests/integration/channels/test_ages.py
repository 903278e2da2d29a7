"""What time does to a pool, on a clock that moves when it is told to: ejection, probes, ages; and settings that change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import Any

import grpc
import grpc.aio
import pytest
from prometheus_client import CollectorRegistry

from quickwins.channels import MemberState, PoolConfig, RotatingChannel, rotating_channel
from quickwins.core.clock import FakeClock
from quickwins.core.flags import Flag
from tests.eventually import eventually
from tests.grpc_service import listening
from tests.integration.channels.test_flag import Switch

pytestmark = pytest.mark.asyncio

EJECTED, READY = MemberState.EJECTED, MemberState.READY


class Moody:
    """A server that answers, refuses, or says nothing."""

    def __init__(self) -> None:
        self.mood = "ok"

    async def say(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        if self.mood == "refuse":
            await context.abort(grpc.StatusCode.UNAVAILABLE)
        if self.mood == "push back":
            context.set_trailing_metadata((("grpc-retry-pushback-ms", "1"),))
            await context.abort(grpc.StatusCode.UNAVAILABLE)
        if self.mood == "hang":
            await asyncio.Event().wait()
        return request


@asynccontextmanager
async def pool(
    clock: FakeClock, flag: Flag | None = None, **config: Any
) -> AsyncIterator[tuple[Moody, RotatingChannel]]:
    server = Moody()
    async with (
        listening(say=grpc.unary_unary_rpc_method_handler(server.say)) as port,
        rotating_channel(
            f"127.0.0.1:{port}",
            name="feed",
            config=PoolConfig(mode="pool", **config),
            registry=CollectorRegistry(),
            clock=clock,
            flag=flag,
        ) as channel,
    ):
        await channel.channel_ready()
        await all_ready(channel)
        yield server, channel


async def all_ready(channel: RotatingChannel) -> None:
    await eventually(lambda: states(channel) <= {READY, EJECTED})


def states(channel: RotatingChannel) -> set[MemberState]:
    return {one.state for one in channel.stats().members}


def all_newer(channel: RotatingChannel, *, than: int) -> bool:
    return min(one.number for one in channel.stats().members) > than


def ejected(channel: RotatingChannel) -> int:
    return sum(one.state is EJECTED for one in channel.stats().members)


async def ask(channel: RotatingChannel, times: int = 1, timeout: float | None = None) -> None:
    for _ in range(times):
        with suppress(grpc.RpcError):
            await channel.unary_unary("/test/say")(b"x", timeout=timeout)


async def test_what_it_reports_is_in_nobodys_trace() -> None:
    clock, request, seen = FakeClock(), ContextVar("request", default="nobody"), []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(request.get())

    handler = Handler()
    request.set("somebody")
    logging.getLogger("quickwins").addHandler(handler)
    try:
        async with pool(clock, size=4, eject_after=2, ejection_seconds=5.0) as (server, channel):
            server.mood = "refuse"
            await ask(channel, 20)  # two are ejected, and then all are connected anew
            await eventually(lambda: len(seen) >= 3)
    finally:
        logging.getLogger("quickwins").removeHandler(handler)
    assert set(seen) == {"nobody"}


@pytest.mark.parametrize(("mood", "timeout"), [("refuse", None), ("hang", 0.02)])
async def test_silent_members_are_ejected_up_to_half_with_a_word_and_come_back_by_one_probe(
    mood: str, timeout: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    async with pool(clock, size=4, eject_after=2, ejection_seconds=5.0) as (server, channel):
        server.mood = mood
        numbers = {one.number for one in channel.stats().members}
        with caplog.at_level(logging.WARNING, "quickwins"):
            await ask(channel, 6, timeout)
            assert ejected(channel) == 2
            await asyncio.sleep(0)
        assert caplog.text.count("connection.switched") == 2
        assert "reason=ejected" in caplog.text
        replaced = numbers - {one.number for one in channel.stats().members}
        assert len(replaced) == 2  # each has a new connection
        server.mood = "ok"
        await all_ready(channel)
        await ask(channel, 8)
        assert ejected(channel) == 2
        clock.now += 5.0
        await ask(channel, 4)
        assert ejected(channel) == 0


async def test_a_probe_that_fails_ejects_again_and_costs_one_call() -> None:
    clock = FakeClock()
    async with pool(clock, size=2, eject_after=1, ejection_seconds=5.0) as (server, channel):
        server.mood = "refuse"
        await ask(channel)
        [one] = [one for one in channel.stats().members if one.state is EJECTED]
        assert one.probe_in_seconds == 5.0
        await all_ready(channel)
        clock.now += 5.0
        server.mood = "ok"
        await ask(channel)  # the other one's turn
        server.mood = "refuse"
        await ask(channel)

        def ejected_anew() -> list[float | None]:
            members = channel.stats().members
            return [it.probe_in_seconds for it in members if it.state is EJECTED and it.number != one.number]

        # On a busy machine it is a moment after the call has ended.
        await eventually(lambda: ejected_anew() == [5.0])
        assert ejected(channel) == 1


async def test_when_all_are_silent_all_are_connected_anew_and_not_all_the_time() -> None:
    clock = FakeClock()
    async with pool(clock, size=2, eject_after=1, ejection_seconds=5.0) as (server, channel):
        server.mood = "refuse"
        before = {one.number for one in channel.stats().members}
        await ask(channel, 20)
        await eventually(lambda: not before & {one.number for one in channel.stats().members})
        await eventually(lambda: not channel.stats().draining)
        await ask(channel, 50)
        highest = max(one.number for one in channel.stats().members)
        assert highest <= 2 + 1 + 2  # those of the start, the ejected one's, and each anew once


async def test_a_refusal_with_a_pushback_is_an_answer() -> None:
    async with pool(FakeClock(), size=2, eject_after=1) as (server, channel):
        server.mood = "push back"
        await ask(channel, 6)
        assert ejected(channel) == 0
        assert [one.silent for one in channel.stats().members] == [0, 0]


async def test_members_are_replaced_one_by_one_as_they_grow_old() -> None:
    clock = FakeClock()
    async with pool(clock, size=3, max_age_seconds=300.0) as (_, channel):
        numbers = []
        for _ in range(3):
            await clock.advance(100.0)
            await eventually(lambda: not channel.stats().draining)
            numbers.append(max(one.number for one in channel.stats().members))
            await ask(channel, 3)
        assert numbers[0] <= 4
        assert numbers[1] <= 6
        await eventually(lambda: min(one.number for one in channel.stats().members) > 3)
        assert channel.stats().requests == {"OK": 9}


async def test_nothing_is_replaced_while_the_flag_is_off_and_what_is_too_old_is_once_it_is_on_again() -> None:
    clock, switch = FakeClock(), Switch(enabled=True)
    async with pool(clock, switch.flag, size=3, max_age_seconds=10.0) as (_, channel):
        for off in ({"enabled": False}, {"enabled": True, "killed": True}):
            before = [one.number for one in channel.stats().members]
            switch.set(**off)
            for _ in range(12):
                await clock.advance(1.0)
            await ask(channel, 3)
            assert [one.number for one in channel.stats().members] == before
            assert channel.stats().draining == ()
            switch.set(enabled=True, killed=False)
            await clock.advance(1.0)
            await eventually(partial(all_newer, channel, than=max(before)))
            await eventually(lambda: not channel.stats().draining)


async def test_an_age_that_is_made_shorter_counts_from_now_on() -> None:
    clock = FakeClock()
    async with pool(clock, size=2, max_age_seconds=0.0) as (_, channel):
        await clock.advance(1_000.0)
        assert {one.number for one in channel.stats().members} == {1, 2}
        channel.reconfigure(PoolConfig(mode="pool", size=2, max_age_seconds=10.0))
        await clock.advance(11.0)
        await eventually(lambda: min(one.number for one in channel.stats().members) > 2)


async def test_a_pool_that_grows_and_shrinks_loses_no_call() -> None:
    async with pool(FakeClock(), size=2) as (server, channel):
        server.mood = "hang"
        calls = [channel.unary_unary("/test/say")(b"x") for _ in range(4)]
        channel.reconfigure(PoolConfig(mode="pool", size=5))
        assert len(channel.stats().members) == 5
        channel.reconfigure(PoolConfig(mode="pool", size=2, pick="least_inflight"))
        stats = channel.stats()
        assert (len(stats.members), stats.inflight) == (2, 4)
        assert not any(call.done() for call in calls)
        for call in calls:
            call.cancel()
        await eventually(lambda: channel.stats().draining == ())
        assert channel.stats().inflight == 0
