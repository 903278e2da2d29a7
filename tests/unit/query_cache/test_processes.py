"""Several processes over one store, whose messages come late: nothing outdated is served, and nobody waits for ever."""

from __future__ import annotations

import pytest

from tests.unit.query_cache.house import House

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(
    ("steps", "seed"),
    [*((700, seed) for seed in range(3)), *(pytest.param(30_000, seed, marks=pytest.mark.volume) for seed in range(10, 14))],
)  # fmt: skip
async def test_nothing_outdated_is_served_and_nobody_waits_for_ever(steps: int, seed: int) -> None:
    house = House(seed, processes=2 + seed % 2)
    counted = await house.live(steps)
    assert counted.stale == []
    assert counted.served > steps / 3
    assert counted.executed < counted.served, "some was served from what was stored"
    assert min(counted.mutations, counted.cancelled) > steps / 50
    assert counted.outages > steps / 300
    found = [one.serving.counts.stats() for one in house.processes]
    assert sum(one.fence_refusals for one in found) > 0, "some executions were overtaken"
    assert sum(one.coalesced for one in found) > 0
