"""One of three backends behind one address is killed under load."""

from __future__ import annotations

from pathlib import Path

import pytest

from quickwins.channels import PoolConfig
from tests.backends.calls import GET, PUT, Seen, load
from tests.backends.fleet import Backend, behind_one_address, executions
from tests.eventually import eventually
from tests.integration.channels.kinds import bare, ours

pytestmark = [pytest.mark.asyncio, pytest.mark.no_cover]

WORKERS = 8
ROUNDS = pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.volume)])
"""How often one is killed and comes back."""


def busiest(backends: list[Backend], seen: Seen) -> Backend:
    """The one that answered most, so that a channel with one connection loses it."""
    name, _ = seen.by.most_common(1)[0]
    return next(backend for backend in backends if backend.name == name)


@ROUNDS
async def test_no_idempotent_call_fails_and_no_other_is_executed_twice(tmp_path: Path, rounds: int) -> None:
    async with behind_one_address(tmp_path, 3) as (balancer, backends):
        async with (
            ours(f"127.0.0.1:{balancer.port}", methods=[GET]) as channel,
            # Long enough for several to be under way on the victim.
            load(channel, GET, workers=WORKERS, sleep_seconds=0.02) as safe,
            load(channel, PUT, workers=WORKERS, sleep_seconds=0.02, seed=2) as once,
        ):
            for _ in range(rounds):
                await safe.more(60)
                await once.more(60)
                assert set(safe.by) == {backend.name for backend in backends}
                victim = busiest(backends, once)
                victim.kill()
                await once.more(150)
                await safe.more(150)
                await victim.restart()
        executed = executions(backends, "Put")
    assert safe.failed == {}
    assert max(executed.values()) == 1
    # Only what was under way on the victims may fail, and nothing else: one call of each worker, each time.
    assert len(once.failed) <= rounds * WORKERS
    assert set(once.failed.values()) <= {"UNAVAILABLE"}
    assert set(executed) >= {call for call in once.calls if call not in once.failed}


async def test_one_channel_of_grpcs_fails_for_what_was_under_way(tmp_path: Path) -> None:
    async with (
        behind_one_address(tmp_path, 3) as (balancer, backends),
        bare(f"127.0.0.1:{balancer.port}") as channel,
        load(channel, GET, workers=WORKERS, sleep_seconds=0.02) as seen,
    ):
        await seen.more(50)
        assert len(seen.by) == 1
        busiest(backends, seen).kill()
        await eventually(lambda: seen.failed)
    assert seen.failed


@pytest.mark.volume
async def test_a_method_is_not_repeated_unless_it_says_so(tmp_path: Path) -> None:
    """What our own safety test would miss: with `Put` declared idempotent, some are executed twice."""
    async with behind_one_address(tmp_path, 3) as (balancer, backends):
        async with (
            ours(
                f"127.0.0.1:{balancer.port}",
                methods=[PUT],
                config=PoolConfig(mode="pool", retry_budget_ratio=1),
            ) as channel,
            load(channel, PUT, workers=WORKERS, sleep_seconds=0.02) as seen,
        ):
            for _ in range(3):
                await seen.more(60)
                victim = busiest(backends, seen)
                victim.kill()
                await seen.more(60)
                await victim.restart()
        executed = executions(backends, "Put")
    assert seen.failed == {}
    assert max(executed.values()) == 2
