"""Who is kept out, who is not, and for how long."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import grpc
import grpc.aio
import pytest

from quickwins.channels import PoolConfig, RotatingChannel
from tests.backends.calls import GET, PUT, load
from tests.backends.fleet import behind_one_address, fleet
from tests.eventually import DEADLINE_SECONDS, eventually
from tests.integration.channels.kinds import ours

pytestmark = [pytest.mark.asyncio, pytest.mark.no_cover]

POOL = PoolConfig(mode="pool", size=3, eject_after=3, ejection_seconds=1.0)


async def connected(channel: RotatingChannel) -> None:
    await channel.unary_unary(PUT)(b"sleep 0 warm")
    await eventually(lambda: {one.state for one in channel.stats().members} == {"ready"})


def generations(channel: RotatingChannel) -> set[int]:
    """The numbers of the connections in use: each that is replaced has another."""
    return {one.number for one in channel.stats().members}


def ejected(channel: RotatingChannel) -> int:
    return sum(one.state == "ejected" for one in channel.stats().members)


async def test_when_nobody_answers_calls_still_go_out_and_all_is_well_at_once_afterwards(
    tmp_path: Path,
) -> None:
    async with (
        behind_one_address(tmp_path, 3) as (balancer, backends),
        ours(f"127.0.0.1:{balancer.port}", config=POOL) as channel,
    ):
        await connected(channel)
        for backend in backends:
            backend.pause()
        async with load(channel, GET, workers=6, timeout_seconds=0.2) as hasty:
            await eventually(lambda: len(hasty.failed) >= 40)
            assert ejected(channel) <= 1
        for backend in backends:
            backend.resume()
        # Others who have time: a busy machine is late for the hasty ones even when all is well.
        async with load(channel, GET, workers=6, timeout_seconds=DEADLINE_SECONDS) as patient:
            await patient.more(100)
            await eventually(lambda: ejected(channel) == 0)
    assert set(hasty.codes) <= {"DEADLINE_EXCEEDED", "UNAVAILABLE"}
    assert patient.failed == {}


async def test_one_that_always_says_unavailable_is_kept_out(tmp_path: Path) -> None:
    """It answers faster than the others, and would get as many calls for as long as it is there."""
    async with behind_one_address(tmp_path, 3) as (balancer, backends):
        async with (
            ours(f"127.0.0.1:{balancer.port}", config=POOL) as channel,
            load(channel, GET, workers=4) as seen,
        ):
            await seen.more(60)
            # What listens there now takes connections and ends them: UNAVAILABLE, again and again.
            victim = backends[0]
            await victim.stop()

            async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                writer.close()

            async with await asyncio.start_server(hang_up, "127.0.0.1", victim.port):
                failed, began = len(seen.failed), time.monotonic()
                await seen.more(300)
                probes = (time.monotonic() - began) / POOL.ejection_seconds
        assert len(seen.failed) - failed <= 30 + probes
        assert set(seen.failed.values()) <= {"UNAVAILABLE", "CANCELLED"}


async def test_callers_who_leave_are_no_sign(tmp_path: Path) -> None:
    async with fleet(tmp_path, 1) as [backend], ours(f"127.0.0.1:{backend.port}", config=POOL) as channel:
        await connected(channel)
        before = generations(channel)
        for number in range(30):
            call = channel.unary_unary((GET, PUT)[number % 2])(b"sleep 30 c%d" % number)
            task = asyncio.ensure_future(asyncio.wait_for(call, 30))
            await asyncio.sleep(0.005)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert generations(channel) == before
        assert ejected(channel) == 0
        assert channel.stats().inflight == 0


async def test_a_method_that_is_always_late_takes_no_connection_from_those_that_answer(
    tmp_path: Path,
) -> None:
    async with fleet(tmp_path, 1) as [backend], ours(f"127.0.0.1:{backend.port}", config=POOL) as channel:
        await connected(channel)
        before = generations(channel)

        async def late(number: int) -> grpc.StatusCode:
            code: grpc.StatusCode = await channel.unary_unary(PUT)(
                b"sleep 30 c%d" % number, timeout=0.05
            ).code()
            return code

        async with load(channel, GET, workers=4, timeout_seconds=None, sleep_seconds=0) as seen:
            await seen.more(20)
            codes = set()
            for number in range(30):
                codes.add(await late(number))
                # Whatever the machine is busy with, each connection answers between two that are late: the four
                # take the connections in turn.
                await seen.more(4 * POOL.size)
        assert codes == {grpc.StatusCode.DEADLINE_EXCEEDED}
        assert seen.failed == {}
        assert generations(channel) == before


async def test_one_call_now_and_then_is_enough_to_notice(tmp_path: Path) -> None:
    """What counts is calls in a row, however far apart."""
    async with (
        behind_one_address(tmp_path, 3) as (balancer, backends),
        ours(f"127.0.0.1:{balancer.port}", config=POOL) as channel,
    ):
        await connected(channel)
        backends[0].pause()
        failed = 0
        for number in range(15):
            code = await channel.unary_unary(GET)(b"sleep 0 c%d" % number, timeout=1.5).code()
            failed += code is not grpc.StatusCode.OK
        assert 0 < failed <= POOL.eject_after + 2  # and a probe or two
        backends[0].resume()


@pytest.mark.parametrize("size", [1, 2])
async def test_the_last_connection_is_never_kept_out(tmp_path: Path, size: int) -> None:
    config = PoolConfig(mode="pool", size=size, eject_after=1, ejection_seconds=60.0)
    async with fleet(tmp_path, 1) as [backend], ours(f"127.0.0.1:{backend.port}", config=config) as channel:
        await channel.unary_unary(GET)(b"sleep 0 warm")
        for number in range(6):
            await channel.unary_unary(PUT)(b"sleep 30 c%d" % number, timeout=0.05).code()
        assert ejected(channel) < size
        assert await channel.unary_unary(PUT)(b"sleep 0 fine", timeout=20) == b"backend0"
