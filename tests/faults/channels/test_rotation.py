"""Connections that are replaced all the time: no call notices, and nothing is left of them."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import psutil
import pytest

from quickwins.channels import PoolConfig
from tests.backends.calls import GET, PUT, load
from tests.backends.fleet import behind_one_address, fleet
from tests.backends.tls import certificate, trusting
from tests.eventually import DEADLINE_SECONDS, eventually
from tests.integration.channels.conformance.service import HANG, TICK, serving
from tests.integration.channels.kinds import ours
from tests.soak import times

pytestmark = [pytest.mark.asyncio, pytest.mark.no_cover]

WORKERS = 8
SIZE = 3
MANY = times(300, soak=1_000)
"""Rotations, of three connections each: of 20 KB that one leaves the memory of 900 tells."""


@asynccontextmanager
async def rotating(channel: Any, *, every_seconds: float) -> AsyncIterator[list[float]]:
    """Replace all connections again and again; when each round was over."""
    rounds: list[float] = []

    async def go_on() -> None:
        while True:
            await channel.rotate()
            rounds.append(time.monotonic())
            await asyncio.sleep(every_seconds)

    task = asyncio.ensure_future(go_on())
    try:
        yield rounds
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("rotations", "every_seconds"),
    # A call notices when it is made, or is under way, amid a replacement: their number counts, not the time between them.
    [(10, 0.05), pytest.param(55, times(0.05, soak=1.0), marks=pytest.mark.volume)],
)
async def test_no_call_notices(tmp_path: Path, rotations: int, every_seconds: float) -> None:
    async with (
        behind_one_address(tmp_path, 3) as (balancer, _),
        ours(f"127.0.0.1:{balancer.port}", methods=[GET]) as channel,
        load(channel, GET, workers=WORKERS, timeout_seconds=None) as safe,
        load(channel, PUT, workers=WORKERS, timeout_seconds=None, seed=2) as once,
        rotating(channel, every_seconds=every_seconds) as rounds,
    ):
        await eventually(
            lambda: len(rounds) >= rotations, seconds=DEADLINE_SECONDS + 2 * rotations * every_seconds
        )
    print(f"{len(rounds)} rotations, {safe.ended + once.ended} calls")
    assert safe.failed == once.failed == {}


async def test_the_server_never_sees_more_than_one_connection_too_many(tmp_path: Path) -> None:
    async with fleet(tmp_path, 1) as [backend]:
        async with (
            ours(f"127.0.0.1:{backend.port}") as channel,
            load(channel, GET, workers=4) as seen,
        ):
            await seen.more(50)
            await eventually(lambda: backend.connections() == SIZE)
            counts = set()
            for _ in range(5):
                turning = asyncio.ensure_future(channel.rotate())
                while not turning.done():
                    counts.add(backend.connections())
                    await asyncio.sleep(0.001)
                await turning
                await eventually(
                    lambda: backend.connections() == SIZE, f"it stays at {backend.connections()}"
                )
        await eventually(lambda: backend.connections() == 0)
    assert seen.failed == {}
    assert counts <= {SIZE, SIZE + 1}


def census() -> dict[str, float]:
    gc.collect()
    process = psutil.Process()
    return {
        "descriptors": process.num_fds(),
        "tasks": len(asyncio.all_tasks()),
        "threads": process.num_threads(),
        "megabytes": process.memory_info().rss / 2**20,
    }


@pytest.mark.parametrize(
    ("rotations", "encrypted"),
    [
        pytest.param(20, False, id="20"),
        pytest.param(MANY, False, id="many", marks=pytest.mark.volume),
        pytest.param(MANY, True, id="many with TLS", marks=pytest.mark.volume),
    ],
)
async def test_nothing_is_left_of_them(tmp_path: Path, rotations: int, encrypted: bool) -> None:
    tls = certificate(tmp_path) if encrypted else None
    credentials = trusting(tls) if tls is not None else None
    async with (
        fleet(tmp_path, 1, tls=tls) as [backend],
        ours(
            f"localhost:{backend.port}" if encrypted else f"127.0.0.1:{backend.port}", credentials=credentials
        ) as channel,
    ):
        async with load(channel, GET, workers=2, sleep_seconds=0) as seen:
            for _ in range(max(10, rotations // 5)):  # until caches and pools of threads have their size
                await channel.rotate()
        await eventually(lambda: backend.connections() == SIZE)
        before = census()
        async with load(channel, GET, workers=2, sleep_seconds=0, seed=2) as seen:
            for _ in range(rotations):
                await channel.rotate()
        await eventually(
            lambda: backend.connections() == SIZE, f"{backend.connections()} connections are left"
        )
        after = census()
    print(f"{rotations} rotations, TLS {encrypted}: {before} -> {after}; {seen.ended} calls")
    assert seen.failed == {}
    assert after["descriptors"] <= before["descriptors"] + 2
    assert after["tasks"] <= before["tasks"]
    assert after["threads"] <= before["threads"] + 2
    assert after["megabytes"] <= before["megabytes"] * 1.1 + 8


async def test_what_is_replaced_ends_its_calls_first() -> None:
    async with serving() as (service, port), ours(f"127.0.0.1:{port}") as channel:
        calls = [channel.unary_unary(HANG)(b"%d" % number) for number in range(6)]
        stream = channel.unary_stream(TICK)(b"")
        assert await stream.read() == b"tick"
        await eventually(lambda: service.calls == 7)
        await channel.rotate()
        assert not any(call.done() for call in calls)
        service.release.set()
        assert [await call for call in calls] == [b"%d" % number for number in range(6)]
        assert await stream.read() == b"tock"
        assert await stream.code() is grpc.StatusCode.OK


async def test_callables_that_were_made_before_go_to_the_new_ones(tmp_path: Path) -> None:
    async with fleet(tmp_path, 1) as [backend]:
        async with ours(f"127.0.0.1:{backend.port}", methods=[GET]) as channel:
            old = [channel.unary_unary(method) for method in (GET, PUT)]
            for number in range(6):
                await old[number % 2](b"sleep 0 before%d" % number)
            await channel.rotate()
            for number in range(6):
                await old[number % 2](b"sleep 0 after%d" % number)
        peers = {
            when: {entry.peer for entry in backend.entries() if entry.call.startswith(when)}
            for when in ("before", "after")
        }
    assert len(peers["before"]) == len(peers["after"]) == SIZE
    assert not peers["before"] & peers["after"]


async def test_the_new_ones_have_the_options_and_interceptors_of_the_old(tmp_path: Path) -> None:
    intercepted = 0

    class Counting(grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc]  # -- grpc ships no types; until=2027-05-31
        async def intercept_unary_unary(
            self, continuation: Any, client_call_details: Any, request: Any
        ) -> Any:
            nonlocal intercepted
            intercepted += 1
            return await continuation(client_call_details, request)

    async with (
        fleet(tmp_path, 1) as [backend],
        ours(
            f"127.0.0.1:{backend.port}",
            options=[("grpc.max_receive_message_length", -1)],
            interceptors=[Counting()],
            compression=grpc.Compression.Gzip,
        ) as channel,
    ):
        await channel.rotate()
        assert len(await channel.unary_unary(GET)(b"large 6000000 big")) == 6_000_000
        slow = channel.unary_unary(GET)(b"sleep 0.5 slow")
        await eventually(lambda: len(backend.entries()) == 2)
        await channel.rotate()
        assert await slow == b"backend0"
    assert intercepted == 2


async def test_ages_replace_them_without_being_asked(tmp_path: Path) -> None:
    async with fleet(tmp_path, 1) as [backend]:
        config = PoolConfig(mode="pool", size=SIZE, max_age_seconds=0.5)
        async with (
            ours(f"127.0.0.1:{backend.port}", config=config) as channel,
            load(channel, PUT, workers=4) as seen,
        ):
            await eventually(lambda: len({entry.peer for entry in backend.entries()}) >= 4 * SIZE)
    assert seen.failed == {}
