"""What is left of calls and channels: no task, no connection, no line on standard error."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from quickwins.channels import PoolConfig
from tests import untraced
from tests.backends.calls import GET, PUT
from tests.backends.fleet import fleet
from tests.eventually import eventually
from tests.integration.channels.conformance.service import CHAT, COUNT, ECHO, HANG, JOIN, TICK, serving
from tests.integration.channels.kinds import ours

pytestmark = [pytest.mark.asyncio, pytest.mark.no_cover]

ALL = [ECHO, COUNT, JOIN, CHAT, TICK, HANG]


def tasks() -> int:
    return len({task for task in asyncio.all_tasks() if "AioServer" not in repr(task)})


async def one_of_each(channel: grpc.aio.Channel) -> None:
    await channel.unary_unary(ECHO)(b"x")
    assert [one async for one in channel.unary_stream(COUNT)(b"2")] == [b"0", b"1"]
    await channel.stream_unary(JOIN)([b"a"])
    assert [one async for one in channel.stream_stream(CHAT)([b"a"])] == [b"a"]


@pytest.mark.parametrize("methods", [ALL, []], ids=["retried", "native"])
async def test_calls_leave_no_tasks(methods: list[str]) -> None:
    async with serving() as (_, port), ours(f"127.0.0.1:{port}", methods=methods) as channel:
        await one_of_each(channel)
        before = tasks()
        for _ in range(50):
            await one_of_each(channel)
        await eventually(lambda: tasks() <= before, "calls leave tasks")
        snapshot: Any = channel.stats()
        assert snapshot.inflight == 0
        assert snapshot.requests["OK"] == 204


@pytest.mark.parametrize("methods", [ALL, []], ids=["retried", "native"])
async def test_cancelled_calls_leave_nothing(methods: list[str]) -> None:
    async with serving() as (service, port), ours(f"127.0.0.1:{port}", methods=methods) as channel:
        await one_of_each(channel)
        before = tasks()
        for number in range(20):
            calls: list[Any] = [
                channel.unary_unary(HANG)(b""),
                channel.unary_stream(TICK)(b""),
                channel.stream_unary(JOIN)(),
                channel.stream_stream(CHAT)(),
            ]
            for _ in range(number):
                await asyncio.sleep(0)
            for call in calls:
                call.cancel()
            for call in calls:
                assert await call.code() is grpc.StatusCode.CANCELLED
        await eventually(lambda: tasks() <= before, "cancelled calls leave tasks")
        snapshot: Any = channel.stats()
        assert snapshot.inflight == 0
        assert service.calls >= 4


@pytest.mark.parametrize("methods", [[GET], []], ids=["retried", "native"])
async def test_a_call_that_has_ended_holds_no_connection(tmp_path: Path, methods: list[str]) -> None:
    """Without a collection of cycles, which in a service with many objects comes late."""
    async with fleet(tmp_path, 1) as [backend]:
        channel = ours(f"127.0.0.1:{backend.port}", methods=methods)
        gc.disable()
        try:
            for number in range(9):
                await channel.unary_unary(GET)(b"sleep 0 c%d" % number)
            with pytest.raises(grpc.aio.AioRpcError):
                await channel.unary_unary(GET)(b"fail UNAVAILABLE one")
            await channel.rotate()
            await eventually(lambda: backend.connections() == 3, "replaced connections are left")
            await channel.close()
            await eventually(lambda: backend.connections() == 0, "connections are left")
        finally:
            gc.enable()


async def test_a_stream_that_nobody_reads_any_more_stops_neither_rotation_nor_close(tmp_path: Path) -> None:
    async with fleet(tmp_path, 1) as [backend]:
        config = PoolConfig(mode="pool", size=3, drain_seconds=0.3)
        channel = ours(f"127.0.0.1:{backend.port}", config=config)
        for number in range(3):
            call = channel.unary_stream("/probe.Probe/List")(b"count 100000 0.01 c%d" % number)
            await call.read()
            del call
        await asyncio.wait_for(channel.rotate(), 30)
        await eventually(lambda: not channel.stats().draining)
        await channel.unary_unary(PUT)(b"sleep 0 after")
        await asyncio.wait_for(channel.close(), 30)
        await eventually(lambda: gc.collect() >= 0 and backend.connections() == 0, "connections are left")


async def test_readers_that_are_cancelled_leave_no_connection_behind_a_rotation(tmp_path: Path) -> None:
    async with fleet(tmp_path, 1) as [backend], ours(f"127.0.0.1:{backend.port}") as channel:
        for number in range(10):
            call = channel.stream_stream("/probe.Probe/Chat")()
            await call.write(b"sleep 0 c%d" % number)
            assert await call.read()
            reading = asyncio.ensure_future(call.read())
            await asyncio.sleep(0)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            del call, reading
            await channel.rotate()
        await eventually(lambda: gc.collect() >= 0 and backend.connections() == 3, "connections are left")


async def test_an_interceptor_that_raises_is_no_fault_of_the_connection(tmp_path: Path) -> None:
    class Broken(Exception):
        pass

    class Raising(grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc]  # -- grpc ships no types; until=2027-05-31
        async def intercept_unary_unary(
            self, continuation: Any, client_call_details: Any, request: Any
        ) -> Any:
            if request.endswith(b"broken"):
                raise Broken
            return await continuation(client_call_details, request)

    async with fleet(tmp_path, 1) as [backend]:
        async with ours(f"127.0.0.1:{backend.port}", interceptors=[Raising()], methods=[GET]) as channel:
            for _ in range(12):
                for method in (GET, PUT):
                    with pytest.raises(Broken):
                        await channel.unary_unary(method)(b"sleep 0 broken")
            await channel.unary_unary(GET)(b"sleep 0 fine")
            snapshot: Any = channel.stats()
            assert snapshot.inflight == 0
            assert not [one for one in snapshot.members if one.state == "ejected"]
        assert [entry.call for entry in backend.entries()] == ["fine"]


PROGRAM = """
import asyncio, gc, sys
from quickwins.channels import PoolConfig, rotating_channel

async def use():
    channel = rotating_channel(sys.argv[1], config=PoolConfig(mode="pool", max_age_seconds=0.5))
    call = channel.unary_unary("/probe.Probe/Get")
    for number in range(5):
        await call(b"sleep 0 c%d" % number)
    {how}

asyncio.run(use())
gc.collect()
print("over")
"""


@pytest.mark.parametrize(
    "how",
    [
        pytest.param("await channel.close()", id="closed"),
        pytest.param("del channel, call", id="dropped"),
        pytest.param(
            "channel.unary_stream('/probe.Probe/List')(b'count 100 0.1 s')", id="dropped with a call"
        ),
    ],
)
async def test_a_program_ends_quietly(tmp_path: Path, how: str) -> None:
    async with fleet(tmp_path, 1) as [backend]:
        ended = await asyncio.to_thread(
            subprocess.run,
            [
                sys.executable,
                "-X",
                "dev",
                "-W",
                "error",
                "-c",
                textwrap.dedent(PROGRAM).format(how=how),
                f"127.0.0.1:{backend.port}",
            ],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env=untraced.environment(),
        )
    noise = [line for line in ended.stderr.splitlines() if line and "chttp2" not in line]
    assert (ended.returncode, ended.stdout, noise) == (0, "over\n", [])


ANSWERED = """
import asyncio, grpc.aio, logging, sys
from quickwins.channels import MethodPolicy, PoolConfig, rotating_channel

logging.disable()  # grpcio fails in its own callback, and again when the call is collected
sys.unraisablehook = lambda _: None

class Own(grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(self, continuation, details, request):
        async def answers():
            yield b"own"
        return answers()

async def use():
    methods = {"/probe.Probe/List": MethodPolicy(idempotent=True)} if sys.argv[2] == "retried" else {}
    interceptors = [Own()]
    if sys.argv[2] == "native, put in by an agent":
        made, interceptors = grpc.aio.insecure_channel, []
        grpc.aio.insecure_channel = lambda *given, **more: made(*given, **more | {"interceptors": [Own()]})
    channel = rotating_channel(sys.argv[1], config=PoolConfig(mode="pool"), interceptors=interceptors, methods=methods)
    async with channel:
        await channel.channel_ready()
        print([one async for one in channel.unary_stream("/probe.Probe/List", request_serializer=bytes)(b"")])
        print(channel.stats().inflight)

asyncio.run(use())
"""


@pytest.mark.parametrize("way", ["native", "retried", "native, put in by an agent"])
async def test_an_interceptor_that_answers_a_stream_by_itself_keeps_no_place(
    tmp_path: Path, way: str
) -> None:
    async with fleet(tmp_path, 1) as [backend]:
        ended = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", ANSWERED, f"127.0.0.1:{backend.port}", way],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env=untraced.environment(),
        )
    assert (ended.returncode, ended.stdout) == (0, "[b'own']\n0\n"), ended.stderr
