"""How many connections there are, and who gets the calls, as the servers see it."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from pathlib import Path

import grpc
import pytest

from quickwins.channels import PoolConfig
from tests.backends.calls import GET, PUT, load
from tests.backends.fleet import Backend, behind_one_address, fleet
from tests.eventually import eventually
from tests.integration.channels.conformance.service import ECHO, HANG, serving
from tests.integration.channels.kinds import bare, ours

pytestmark = [pytest.mark.asyncio, pytest.mark.no_cover]


def connections(backend: Backend) -> int:
    """As the server sees them. gRPC keeps one until its last call object is collected, which are cycles since 1.83."""
    gc.collect()
    return backend.connections()


def by_connection(backend: Backend, prefix: str = "") -> Counter[str]:
    return Counter(entry.peer for entry in backend.entries() if entry.call.startswith(prefix))


@pytest.mark.parametrize("size", [pytest.param(1, marks=pytest.mark.volume), 3])
async def test_there_are_as_many_connections_as_members(tmp_path: Path, size: int) -> None:
    async with fleet(tmp_path, 1) as [backend]:
        config = PoolConfig(mode="pool", size=size)
        async with ours(f"127.0.0.1:{backend.port}", config=config) as channel:
            await channel.unary_unary(GET)(b"sleep 0 first")
            await eventually(lambda: connections(backend) == size)
            async with load(channel, GET, workers=4) as seen:
                await seen.more(100)
            assert connections(backend) == size
            assert len(by_connection(backend)) == size
        await eventually(lambda: connections(backend) == 0)


async def test_equal_channels_of_grpcs_share_one_connection(tmp_path: Path) -> None:
    async with fleet(tmp_path, 1) as [backend]:
        channels = [bare(f"127.0.0.1:{backend.port}") for _ in range(3)]
        for channel in channels:
            await channel.unary_unary(GET)(b"sleep 0 one")
        assert backend.connections() == 1
        for channel in channels:
            await channel.close()


@pytest.mark.parametrize(
    ("calls", "method"),
    [
        pytest.param(1_000, PUT, id="1000"),
        pytest.param(10_000, PUT, id="10000", marks=pytest.mark.volume),
        pytest.param(10_000, GET, id="10000 that may be retried", marks=pytest.mark.volume),
    ],
)
async def test_each_connection_gets_as_many_calls_as_the_others(
    tmp_path: Path, calls: int, method: str
) -> None:
    async with fleet(tmp_path, 1) as [backend]:
        config = PoolConfig(mode="pool", size=4)
        async with ours(f"127.0.0.1:{backend.port}", config=config, methods=[GET]) as channel:
            for number in range(8):
                await channel.unary_unary(method)(b"sleep 0 warm%d" % number)
            await eventually(lambda: [one.state for one in channel.stats().members] == ["ready"] * 4)
            async with load(channel, method, workers=16, sleep_seconds=0) as seen:
                await eventually(lambda: seen.ended >= calls)
        counts = by_connection(backend, "1-")
    skew = max(counts.values()) / min(counts.values())
    print(f"{counts.total()} calls on {len(counts)} connections: max/min {skew:.4f}")
    assert seen.failed == {}
    assert len(counts) == 4
    assert skew <= 1.01


@pytest.mark.volume
async def test_each_backend_gets_its_share_again_after_all_were_away_once(tmp_path: Path) -> None:
    async with (
        behind_one_address(tmp_path, 3) as (balancer, backends),
        ours(
            f"127.0.0.1:{balancer.port}", methods=[GET], config=PoolConfig(mode="pool", max_age_seconds=2.0)
        ) as channel,
        load(channel, GET, workers=4) as seen,
    ):
        for backend in backends:
            await seen.more(50)
            await backend.restart()

        def connected() -> list[int]:
            return [backend.connections() for backend in backends]

        await eventually(lambda: all(connected()), f"connections: {connected()}")
        served = seen.by.copy()
        await seen.more(150)
        assert len(seen.by - served) == 3
    assert seen.failed == {}


async def test_connections_that_fell_asleep_are_woken(tmp_path: Path) -> None:
    async with fleet(tmp_path, 1) as [backend]:
        options = [("grpc.client_idle_timeout_ms", 1_000)]  # the least that gRPC takes
        async with ours(f"127.0.0.1:{backend.port}", options=options) as channel:
            async with load(channel, PUT, workers=4) as seen:
                await seen.more(50)
                assert len(by_connection(backend)) == 3
            await eventually(lambda: connections(backend) == 0, "they never fell asleep")
            async with load(channel, PUT, workers=4, seed=2) as again:
                await again.more(50)
                await eventually(lambda: backend.connections() == 3)
    assert seen.failed == again.failed == {}


async def test_many_calls_at_once_on_a_new_channel(tmp_path: Path) -> None:
    """None waits for a connection that is slower than another, and each has its answer."""
    async with behind_one_address(tmp_path, 3) as (balancer, backends):
        async with ours(f"127.0.0.1:{balancer.port}") as channel:
            call = channel.unary_unary(PUT)
            calls = [call(b"sleep 0 c%d" % number, timeout=20) for number in range(200)]
            codes = Counter(await asyncio.gather(*(one.code() for one in calls)))
        assert sum(len(backend.entries()) for backend in backends) == 200
    assert codes == {grpc.StatusCode.OK: 200}


async def test_a_server_that_takes_one_call_on_each_connection_gets_one_on_each() -> None:
    one_stream = [("grpc.max_concurrent_streams", 1)]
    async with serving(options=one_stream) as (service, port), ours(f"127.0.0.1:{port}") as channel:
        await channel.unary_unary(ECHO)(b"x")
        await eventually(lambda: {one.state for one in channel.stats().members} == {"ready"})
        begun, calls = service.calls, [channel.unary_unary(HANG)(b"%d" % number) for number in range(3)]
        await eventually(lambda: service.calls == begun + 3, "one waits for another")
        service.release.set()
        assert [await call for call in calls] == [b"0", b"1", b"2"]
