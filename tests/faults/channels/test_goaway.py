"""Servers that send their clients away: by the age of connections, and because they stop."""

from __future__ import annotations

from pathlib import Path

import pytest

from quickwins.channels import PoolConfig
from tests.backends.calls import GET, PUT, load
from tests.backends.fleet import behind_one_address, executions
from tests.eventually import eventually
from tests.integration.channels.kinds import bare, ours
from tests.soak import times

pytestmark = [pytest.mark.asyncio, pytest.mark.no_cover]

MAX_AGE_MS = 300
WORKERS = 8


@pytest.mark.parametrize(
    ("calls", "max_age_ms"),
    [
        (500, MAX_AGE_MS),
        pytest.param(times(4_000, soak=20_000), MAX_AGE_MS, id="many", marks=pytest.mark.volume),
    ],
)
async def test_connections_that_are_sent_away_all_the_time_cost_no_call(
    tmp_path: Path, calls: int, max_age_ms: int
) -> None:
    async with behind_one_address(tmp_path, 3, max_age_ms=max_age_ms) as (balancer, backends):
        async with (
            ours(f"127.0.0.1:{balancer.port}", methods=[GET]) as channel,
            # Who waited for ever would be seen at the end; a time limit would be a busy machine's, too.
            load(channel, GET, workers=WORKERS, timeout_seconds=None) as safe,
            load(channel, PUT, workers=WORKERS, timeout_seconds=None, seed=2) as once,
        ):
            await safe.more(calls, seconds=120)
            await once.more(calls, seconds=120)
        peers = {entry.peer for backend in backends for entry in backend.entries()}
        executed = executions(backends, "Put")
    print(f"{safe.ended + once.ended} calls on {len(peers)} connections")
    assert safe.failed == once.failed == {}, [safe.details, once.details]
    assert set(safe.by) == set(once.by) == {backend.name for backend in backends}
    assert len(peers) > 3 * calls // 500  # it did happen
    assert max(executed.values()) == 1


@pytest.mark.volume
async def test_a_backend_that_comes_gets_calls_within_an_age(tmp_path: Path) -> None:
    async with behind_one_address(tmp_path, 3) as (balancer, _backends):
        late = balancer.targets.pop()
        config = PoolConfig(mode="pool", size=3, max_age_seconds=2.0)
        async with (
            ours(f"127.0.0.1:{balancer.port}", methods=[GET], config=config) as channel,
            load(channel, GET, workers=2, sleep_seconds=0.01) as seen,
        ):
            await seen.more(50)
            assert len(seen.by) == 2
            before = {one.number for one in channel.stats().members}
            balancer.targets.append(late)
            await eventually(lambda: len(seen.by) == 3, "it got nothing")
            # All were replaced once for it, and perhaps once more before somebody looked.
            assert {one.number for one in channel.stats().members} - before <= {*range(4, 10)}
    assert seen.failed == {}


@pytest.mark.volume
async def test_so_it_does_where_servers_send_their_clients_away(tmp_path: Path) -> None:
    """Each connection is placed once in an age: so the newcomer has one of the next three."""
    async with behind_one_address(tmp_path, 3, max_age_ms=MAX_AGE_MS) as (balancer, backends):
        late = balancer.targets.pop()
        async with (
            ours(f"127.0.0.1:{balancer.port}", methods=[GET]) as channel,
            load(channel, GET, workers=2, sleep_seconds=0.01) as seen,
        ):
            await seen.more(50)
            before = {entry.peer for backend in backends for entry in backend.entries()}
            balancer.targets.append(late)
            await eventually(lambda: len(seen.by) == 3, "it got nothing")
            after = {entry.peer for backend in backends for entry in backend.entries()}
    # What was under way when it came, the age in which it had one of three, and perhaps another before somebody looked.
    assert len(after - before) <= 3 * PoolConfig().size
    assert seen.failed == {}


async def test_with_one_channel_of_grpcs_it_gets_none(tmp_path: Path) -> None:
    async with (
        behind_one_address(tmp_path, 3) as (balancer, _),
        bare(f"127.0.0.1:{balancer.port}") as channel,
        load(channel, GET, workers=2) as seen,
    ):
        await seen.more(200)
    assert len(seen.by) == 1


@pytest.mark.volume
@pytest.mark.parametrize("noticed", [True, False], ids=["taken out of the balancer first", "not taken out"])
async def test_a_rolling_restart(tmp_path: Path, noticed: bool) -> None:
    async with behind_one_address(tmp_path, 3) as (balancer, backends):
        async with (
            ours(f"127.0.0.1:{balancer.port}", methods=[GET]) as channel,
            load(channel, GET, workers=WORKERS, sleep_seconds=0.01) as safe,
            load(channel, PUT, workers=WORKERS, sleep_seconds=0.01, seed=2) as once,
        ):
            await safe.more(50)
            for backend in backends:
                if noticed:
                    balancer.targets.remove(backend.port)
                await backend.restart()
                if noticed:
                    balancer.targets.append(backend.port)
                await safe.more(50)
                await once.more(50)
        executed = executions(backends, "Put")
    print(f"of {once.ended} calls that are made once {len(once.failed)} failed: {once.codes}")
    assert safe.failed == {}
    assert max(executed.values()) == 1
    assert set(once.failed.values()) <= {"CANCELLED", "UNAVAILABLE"}
