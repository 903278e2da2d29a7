"""All backends gone at once: what it costs while it lasts, and how soon it is over."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from quickwins.channels import PoolConfig, RotatingChannel
from tests.backends.calls import GET, load
from tests.backends.fleet import behind_one_address, executions
from tests.eventually import eventually
from tests.integration.channels.kinds import ours

pytestmark = [pytest.mark.asyncio, pytest.mark.no_cover]

WORKERS = 8
RATIO = 1.2


def refused(_name: str) -> str:
    return "fail UNAVAILABLE"


async def test_servers_that_refuse_everything_get_a_fifth_more_and_no_more(tmp_path: Path) -> None:
    async with (
        behind_one_address(tmp_path, 3) as (balancer, backends),
        ours(f"127.0.0.1:{balancer.port}", methods=[GET]) as channel,
    ):
        async with load(channel, GET, workers=WORKERS, request=refused) as first:
            await eventually(lambda: first.ended >= 300)
        before = executions(backends, "Get").total()
        async with load(channel, GET, workers=WORKERS, request=refused, seed=2) as then:
            await eventually(lambda: then.ended >= 500)
        attempts = executions(backends, "Get").total() - before
    print(f"attempts/calls {attempts / then.ended:.3f}; in the burst {before / first.ended:.3f}")
    assert set(then.codes) == {"UNAVAILABLE"}
    assert attempts <= RATIO * then.ended + 1  # the budget may begin with a part of a token


WITHIN_SECONDS = 10.0
"""Far more than a backoff takes and than a busy machine adds, and far less than the two minutes of grpc's own backoff."""


@pytest.mark.parametrize("backoff_seconds", [0.3, pytest.param(1.0, marks=pytest.mark.volume)])
async def test_it_is_over_soon_after_they_are_back(tmp_path: Path, backoff_seconds: float) -> None:
    config = PoolConfig(mode="pool", size=3, backoff_max_seconds=backoff_seconds)
    async with (
        behind_one_address(tmp_path, 3) as (balancer, backends),
        ours(f"127.0.0.1:{balancer.port}", methods=[GET], config=config) as channel,
        load(channel, GET, workers=WORKERS, timeout_seconds=1.0, pause_seconds=0.02) as seen,
    ):
        await seen.more(200)
        for backend in backends:
            backend.kill()
        await eventually(lambda: len(seen.failed) > 50)
        ended = seen.ended
        await asyncio.sleep(3 * backoff_seconds)  # long enough for every backoff to reach its top
        assert seen.ended > ended
        targets, balancer.targets = balancer.targets, []
        await asyncio.gather(*(backend.restart() for backend in backends))
        balancer.targets = targets  # not before: the first that is back would get all connections
        back, served = time.monotonic(), seen.by.copy()
        await eventually(lambda: seen.by - served, "nothing is served", WITHIN_SECONDS)
        first = time.monotonic() - back
        await eventually(lambda: connected(channel) == 3, "not all are connected", WITHIN_SECONDS)
        everything = time.monotonic() - back
        failed = len(seen.failed)
        await seen.more(200)
        assert len(seen.failed) == failed
        assert len(seen.by - served) >= 2
    print(f"first answer after {first:.2f} s, all connected after {everything:.2f} s")


def connected(channel: RotatingChannel) -> int:
    return sum(one.state == "ready" for one in channel.stats().members)
