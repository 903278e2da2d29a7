"""What is tried again, how often and when; and what never is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from quickwins.channels import PoolConfig
from tests.backends.calls import GET, PUT
from tests.backends.fleet import Backend, behind_one_address, executions, fleet
from tests.eventually import eventually
from tests.integration.channels.kinds import ours

pytestmark = [pytest.mark.asyncio, pytest.mark.no_cover]

LIST = "/probe.Probe/List"
COLLECT = "/probe.Probe/Collect"
CHAT = "/probe.Probe/Chat"
ALL = [GET, LIST, COLLECT, CHAT]
# More tokens than any test here needs, so that only the rule at hand decides.
POOL = PoolConfig(mode="pool", size=3, max_attempts=3, retry_budget_ratio=1, eject_after=0)


async def connected(channel: grpc.aio.Channel) -> None:
    """Use it until all its members are connected."""
    await channel.unary_unary(PUT)(b"sleep 0 warm")
    await eventually(lambda: {one.state for one in channel.stats().members} == {"ready"})


async def ended(call: Any) -> grpc.StatusCode:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


@pytest.mark.parametrize(
    ("status", "pushback", "attempts"),
    [
        pytest.param("UNAVAILABLE", [], 3, id="unavailable"),
        pytest.param("CANCELLED", [], 3, id="cancelled by the server"),
        pytest.param("RESOURCE_EXHAUSTED", [], 1, id="exhausted"),
        pytest.param("RESOURCE_EXHAUSTED", ["10"], 3, id="exhausted, come again"),
        pytest.param("UNAVAILABLE", ["10"], 3, id="come again"),
        pytest.param("UNAVAILABLE", ["0"], 3, id="come at once"),
        pytest.param("UNAVAILABLE", ["-1"], 1, id="never"),
        pytest.param("UNAVAILABLE", ["-5"], 1, id="never, too"),
        pytest.param("UNAVAILABLE", ["soon"], 1, id="unreadable"),
        pytest.param("UNAVAILABLE", ["1e3"], 1, id="no integer"),
        pytest.param("UNAVAILABLE", ["''"], 1, id="empty"),
        pytest.param("UNAVAILABLE", ["99999999999999999999"], 1, id="beyond any integer"),
        pytest.param("UNAVAILABLE", ["60000"], 1, id="longer than it may ask"),
        pytest.param("INTERNAL", [], 1, id="internal"),
        pytest.param("DEADLINE_EXCEEDED", [], 1, id="the server's own deadline"),
        pytest.param("ABORTED", [], 1, id="aborted"),
        pytest.param("UNKNOWN", [], 1, id="unknown"),
    ],
)
async def test_a_refusal_is_tried_again_as_the_server_says(
    tmp_path: Path, status: str, pushback: Sequence[str], attempts: int
) -> None:
    async with fleet(tmp_path, 1) as [backend]:
        async with ours(f"127.0.0.1:{backend.port}", config=POOL, methods=[GET]) as channel:
            await connected(channel)
            words = " ".join(["fail", status, *pushback])
            assert (
                await ended(channel.unary_unary(GET)(f"{words} one".encode(), timeout=10))
                is grpc.StatusCode[status]
            )
            assert (
                await ended(channel.unary_unary(PUT)(f"{words} two".encode(), timeout=10))
                is grpc.StatusCode[status]
            )
        assert executions([backend], "Get")["one"] == attempts
        assert executions([backend], "Put")["two"] == 1


async def test_each_attempt_goes_to_another_connection(tmp_path: Path) -> None:
    async with fleet(tmp_path, 1) as [backend]:
        async with ours(f"127.0.0.1:{backend.port}", config=POOL, methods=[GET]) as channel:
            await connected(channel)
            for number in range(5):
                await ended(channel.unary_unary(GET)(b"fail UNAVAILABLE c%d" % number, timeout=10))
        for number in range(5):
            assert len({entry.peer for entry in backend.entries() if entry.call == f"c{number}"}) == 3


async def test_a_pushback_is_waited_for_and_the_deadline_is_one_for_all(tmp_path: Path) -> None:
    async with (
        fleet(tmp_path, 1) as [backend],
        ours(f"127.0.0.1:{backend.port}", config=POOL, methods=[GET]) as channel,
    ):
        await connected(channel)
        began = time.monotonic()
        await ended(channel.unary_unary(GET)(b"fail UNAVAILABLE 200 one", timeout=10))
        assert time.monotonic() - began >= 0.4  # two waits
        # The wait would end after the deadline: the refusal is the answer.
        call = channel.unary_unary(GET)(b"fail UNAVAILABLE 5000 two", timeout=1.0)
        assert await ended(call) is grpc.StatusCode.UNAVAILABLE
        assert executions([backend], "Get")["two"] == 1
        slow = channel.unary_unary(GET)(b"sleep 30 three", timeout=0.4)
        assert await ended(slow) is grpc.StatusCode.DEADLINE_EXCEEDED
        assert executions([backend], "Get")["three"] == 1


async def test_what_its_caller_cancels_is_not_tried_again(tmp_path: Path) -> None:
    async with fleet(tmp_path, 1) as [backend]:
        async with ours(f"127.0.0.1:{backend.port}", config=POOL, methods=[GET]) as channel:
            await connected(channel)
            under_way = channel.unary_unary(GET)(b"sleep 30 one")
            resting = channel.unary_unary(GET)(b"fail UNAVAILABLE 20000 two")
            await eventually(lambda: {"one", "two"} <= executions([backend], "Get").keys())
            tasks = [asyncio.ensure_future(ended(call)) for call in (under_way, resting)]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            for task in tasks:
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert channel.stats().inflight == 0
        assert executions([backend], "Get") == {"one": 1, "two": 1}


async def time_for_another(channel: grpc.aio.Channel) -> None:
    """Do something else for longer than it would take to try again."""
    for number in range(10):
        await channel.unary_unary(PUT)(b"sleep 0.02 meanwhile%d" % number, timeout=20, wait_for_ready=True)


def holders(backends: Sequence[Backend], call: str) -> list[Backend]:
    return [backend for backend in backends if any(entry.call == call for entry in backend.entries())]


async def test_a_stream_that_has_begun_is_not_begun_again(tmp_path: Path) -> None:
    async with behind_one_address(tmp_path, 3) as (balancer, backends):
        async with ours(f"127.0.0.1:{balancer.port}", config=POOL, methods=ALL) as channel:
            await connected(channel)
            call = channel.unary_stream(LIST)(b"count 1000 0.01 one")
            got = [await call.read(), await call.read()]
            [victim] = holders(backends, "one")
            victim.kill()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await read_to(got, call)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            await time_for_another(channel)
        assert [int(message.split()[0]) for message in got] == [*range(len(got))]
        assert executions(backends, "List")["one"] == 1


async def test_a_stream_of_which_nothing_came_is_begun_elsewhere(tmp_path: Path) -> None:
    async with behind_one_address(tmp_path, 3) as (balancer, backends):
        async with ours(f"127.0.0.1:{balancer.port}", config=POOL, methods=ALL) as channel:
            await connected(channel)
            call = channel.unary_stream(LIST)(b"count 2 1.0 one")
            await eventually(lambda: holders(backends, "one"))
            [victim] = holders(backends, "one")
            victim.kill()
            got = [message async for message in call]
        assert [message.split()[0] for message in got] == [b"0", b"1"]
        assert executions(backends, "List")["one"] == 2
        assert victim.name.encode() not in got[0]


@pytest.mark.parametrize("kind", ["requests", "both"])
async def test_an_iterator_that_was_begun_is_never_begun_again(tmp_path: Path, kind: str) -> None:
    drawn: list[int] = []

    async def requests() -> AsyncIterator[bytes]:
        for number in range(1_000):
            drawn.append(number)
            yield b"sleep 0 m%d" % number
            await asyncio.sleep(0.01)

    async with behind_one_address(tmp_path, 3) as (balancer, backends):
        async with ours(f"127.0.0.1:{balancer.port}", config=POOL, methods=ALL) as channel:
            await connected(channel)
            call = (channel.stream_unary(COLLECT) if kind == "requests" else channel.stream_stream(CHAT))(
                requests()
            )
            reading = asyncio.ensure_future(call if kind == "requests" else drain(call))
            await eventually(lambda: holders(backends, "m3"))
            [victim] = holders(backends, "m3")
            victim.kill()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await reading
            # grpcio says INTERNAL when it was just about to send a message.
            assert caught.value.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL}
            await time_for_another(channel)
        assert drawn == [*range(len(drawn))]
        assert max(executions(backends, "Collect" if kind == "requests" else "Chat").values()) == 1


async def read_to(got: list[bytes], call: Any) -> None:
    while (message := await call.read()) is not grpc.aio.EOF:
        got.append(message)


async def drain(call: Any) -> None:
    async for _ in call:
        pass


async def test_a_call_for_which_no_budget_is_left_has_its_first_answer(tmp_path: Path) -> None:
    async with fleet(tmp_path, 1) as [backend]:
        config = PoolConfig(mode="pool", size=3, retry_budget_ratio=0)
        async with ours(f"127.0.0.1:{backend.port}", config=config, methods=[GET]) as channel:
            await connected(channel)
            assert (
                await ended(channel.unary_unary(GET)(b"fail UNAVAILABLE one")) is grpc.StatusCode.UNAVAILABLE
            )
        assert executions([backend], "Get")["one"] == 1
