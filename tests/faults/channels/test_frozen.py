"""A backend that is stopped answers nothing, while its system goes on accepting and acknowledging."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack
from pathlib import Path

import grpc.aio
import pytest

from quickwins.channels import PoolConfig
from quickwins.rig import TcpBalancer, TcpProxy
from tests.backends.calls import GET, load
from tests.backends.fleet import Backend, behind_one_address, executions, fleet
from tests.eventually import eventually
from tests.integration.channels.kinds import bare, ours

pytestmark = [pytest.mark.asyncio, pytest.mark.no_cover]

WORKERS = 8
EJECT_AFTER = 3
TIMEOUT_SECONDS = 3.0
"""Longer than this process or a server stands still on a busy machine: whoever times out was with the frozen one."""

HASTY_SECONDS = 0.3
"""For counting how often callers fail who are with the frozen one again and again."""

POOL = PoolConfig(mode="pool", size=3, eject_after=EJECT_AFTER, ejection_seconds=1.0)


async def failures_of(channel: grpc.aio.Channel, victim: Backend, healthy: list[Backend], seed: int) -> float:
    """Of the calls of the next seconds, the share that failed and that none but the victim can have had."""
    async with load(channel, GET, workers=WORKERS, timeout_seconds=HASTY_SECONDS, seed=seed) as seen:
        await seen.more(100)
        before = len(seen.calls)
        victim.pause()
        await asyncio.sleep(3.0)  # the time that is compared, not one that is waited for
    victim.resume()
    elsewhere = executions(healthy, "Get")
    calls = seen.calls[before:]
    return sum(call in seen.failed and call not in elsewhere for call in calls) / len(calls)


async def test_it_is_given_up_after_a_few_calls(tmp_path: Path) -> None:
    async with (
        behind_one_address(tmp_path, 3) as (balancer, backends),
        ours(f"127.0.0.1:{balancer.port}", config=POOL) as channel,
        load(channel, GET, workers=WORKERS, timeout_seconds=TIMEOUT_SECONDS) as seen,
    ):
        await seen.more(100)
        assert len(seen.by) == 3
        backends[1].pause()
        started = time.monotonic()
        await seen.more(1_000)
        probes = 1 + (time.monotonic() - started) / POOL.ejection_seconds
        # Those that were under way or went out before the third had failed, and one for each probe.
        assert len(seen.failed) <= EJECT_AFTER + WORKERS + probes
        assert set(seen.failed.values()) <= {"DEADLINE_EXCEEDED"}


async def test_most_connections_are_to_it(tmp_path: Path) -> None:
    """At most half may be kept out at a time, and yet the others must not stay where nothing comes back."""
    async with (
        behind_one_address(tmp_path, 2) as (balancer, backends),
        ours(f"127.0.0.1:{balancer.port}", config=POOL) as channel,
        load(channel, GET, workers=WORKERS, timeout_seconds=TIMEOUT_SECONDS) as seen,
    ):
        await seen.more(100)
        frozen = max(backends, key=lambda backend: backend.connections())
        assert frozen.connections() == 2
        frozen.pause()
        started = time.monotonic()
        await seen.more(1_000)
        probes = 2 * (1 + (time.monotonic() - started) / POOL.ejection_seconds)
        frozen.resume()
    print(f"{len(seen.failed)} of {seen.ended} failed in {time.monotonic() - started:.1f} s")
    assert len(seen.failed) <= 2 * EJECT_AFTER + 2 * WORKERS + probes


async def test_it_gets_calls_again_once_it_answers(tmp_path: Path) -> None:
    async with (
        behind_one_address(tmp_path, 3) as (balancer, backends),
        ours(f"127.0.0.1:{balancer.port}", config=POOL) as channel,
        load(channel, GET, workers=WORKERS, timeout_seconds=TIMEOUT_SECONDS) as seen,
    ):
        await seen.more(100)
        backends[1].pause()
        await seen.more(500)
        backends[1].resume()
        failed, served = len(seen.failed), seen.by.copy()
        await seen.more(800)
        # On two or three connections, wherever those went: nobody is left out for good, and no call fails any more.
        assert len(seen.failed) <= failed + EJECT_AFTER
        assert len(seen.by - served) >= 2


async def test_one_channel_of_grpcs_fails_until_it_goes_on(tmp_path: Path) -> None:
    async with (
        behind_one_address(tmp_path, 3) as (balancer, backends),
        bare(f"127.0.0.1:{balancer.port}") as channel,
        load(channel, GET, workers=WORKERS, timeout_seconds=HASTY_SECONDS) as seen,
    ):
        await seen.more(100)
        for backend in backends:
            if backend.connections():
                backend.pause()
        failed = len(seen.failed)
        # Those under way may still have been answered; after that each worker fails, again and again.
        await eventually(lambda: len(seen.failed) >= failed + WORKERS)
        served = seen.served
        await eventually(lambda: len(seen.failed) >= failed + 4 * WORKERS)
        assert seen.served == served


@pytest.mark.volume
async def test_it_fails_fewer_calls_than_outlier_detection_of_grpcs(tmp_path: Path) -> None:
    outliers = {
        "interval": "1s",
        "baseEjectionTime": "5s",
        "maxEjectionPercent": 50,
        "failurePercentageEjection": {"threshold": 50, "minimumHosts": 2, "requestVolume": 5},
        "childPolicy": [{"round_robin": {}}],
    }
    config = json.dumps({"loadBalancingConfig": [{"outlier_detection_experimental": outliers}]})
    async with fleet(tmp_path, 3) as backends, TcpBalancer(one.port for one in backends) as balancer:
        addresses = ",".join(f"127.0.0.1:{backend.port}" for backend in backends)
        async with bare(f"ipv4:{addresses}", options=[("grpc.service_config", config)]) as channel:
            theirs = await failures_of(channel, backends[1], backends[::2], 1)
        async with ours(f"127.0.0.1:{balancer.port}", config=POOL) as channel:
            own = await failures_of(channel, backends[1], backends[::2], 2)
    print(f"outlier detection: {theirs:.2%}; ours: {own:.2%}")
    assert own < theirs


async def test_a_network_that_loses_every_packet_of_one_connection(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        backends = await stack.enter_async_context(fleet(tmp_path, 3))
        proxies = [
            await stack.enter_async_context(TcpProxy("127.0.0.1", backend.port)) for backend in backends
        ]
        balancer = await stack.enter_async_context(TcpBalancer(proxy.port for proxy in proxies))
        channel = await stack.enter_async_context(ours(f"127.0.0.1:{balancer.port}", config=POOL))
        async with load(channel, GET, workers=WORKERS, timeout_seconds=TIMEOUT_SECONDS) as seen:
            await seen.more(100)
            proxies[0].blackhole()
            started = time.monotonic()
            await seen.more(800)
            probes = 1 + (time.monotonic() - started) / POOL.ejection_seconds
            await proxies[0].heal()
        assert len(seen.failed) <= EJECT_AFTER + WORKERS + probes


async def test_a_connection_that_never_gets_ready_is_passed_over(tmp_path: Path) -> None:
    async with behind_one_address(tmp_path, 3) as (balancer, backends):
        backends[2].pause()  # its system accepts, and nobody says a word
        async with (
            ours(f"127.0.0.1:{balancer.port}", config=POOL) as channel,
            load(channel, GET, workers=WORKERS, timeout_seconds=10.0) as seen,
        ):
            await seen.more(300)
            assert len(seen.by) == 2
            backends[2].resume()
            await eventually(lambda: {one.state for one in channel.stats().members} == {"ready"})
            await seen.more(100)
    assert seen.failed == {}
