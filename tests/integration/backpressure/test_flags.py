"""The flag and the settings change while connections are held: permits stay right."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from quickwins.backpressure import BackpressureSettings, Gate, GatedPool, PoolExhausted, Rule
from quickwins.core.flags import Flags, MemorySource, pinned
from tests.integration.backpressure.conftest import Pools, all_is_back, gated_over

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

pytestmark = [pytest.mark.engines("postgres"), pytest.mark.any_server, pytest.mark.asyncio]


class Switch:
    """A flag and the hand on it."""

    def __init__(self, registry: CollectorRegistry, **fields: object) -> None:
        self._source = MemorySource({"backpressure": fields})
        self._flags = Flags({"backpressure": BackpressureSettings}, [self._source], registry=registry)
        self.flag = self._flags.flag("backpressure")

    def set(self, **fields: object) -> None:
        self._source.set("backpressure", **fields)
        assert self._flags.poll()


async def test_turned_on_it_finds_the_users_that_came_while_it_was_off(
    pools: Pools, registry: CollectorRegistry
) -> None:
    switch = Switch(registry, enabled=False)
    gated = gated_over(await pools(4), 0.5, flag=switch.flag)
    assert not gated.stats().gated
    held = [await gated.acquire() for _ in range(3)]
    assert gated.stats().inflight == 3, "above the limit of 2: ungated users are counted"
    switch.set(enabled=True)
    assert gated.stats().gated
    with pytest.raises(PoolExhausted):
        await gated.acquire()
    for connection in held[:2]:
        await gated.release(connection)
    async with gated.acquire() as connection:
        assert await connection.fetchval("SELECT 1") == 1
    await gated.release(held[2])
    await all_is_back(gated)


async def test_turned_off_it_keeps_the_permits_that_it_gave(
    pools: Pools, registry: CollectorRegistry
) -> None:
    switch = Switch(registry, enabled=True)
    gated = gated_over(await pools(4), 0.5, flag=switch.flag)
    held = [await gated.acquire() for _ in range(2)]
    with pytest.raises(PoolExhausted):
        await gated.acquire()
    switch.set(killed=True)
    held += [await gated.acquire() for _ in range(2)]
    assert gated.stats().inflight == 4
    for connection in held:
        await gated.release(connection)
    await all_is_back(gated)


async def test_waiting_in_the_pool_while_the_flag_turns(pools: Pools, registry: CollectorRegistry) -> None:
    switch = Switch(registry, enabled=False)
    gated = gated_over(await pools(1), 0.5, flag=switch.flag)
    first = await gated.acquire()
    waiting = asyncio.create_task(gated.fetchval("SELECT 1"))
    await asyncio.sleep(0)
    assert gated.stats().inflight == 1, "an ungated user that waits holds nothing yet"
    switch.set(enabled=True)
    with pytest.raises(PoolExhausted):
        await gated.fetchval("SELECT 1")
    await gated.release(first)
    assert await waiting == 1
    await all_is_back(gated)


async def test_flipped_at_random_under_load_nothing_is_lost_and_no_error_comes_from_it(
    pools: Pools, registry: CollectorRegistry
) -> None:
    switch = Switch(registry, enabled=True)
    gated = gated_over(await pools(3), 0.6, flag=switch.flag)
    answers: list[object] = []

    async def use() -> None:
        for _ in range(20):
            try:
                answers.append(await gated.fetchval("SELECT 1", timeout=10))
            except PoolExhausted:
                answers.append(None)
                await asyncio.sleep(0)

    users = asyncio.gather(*(use() for _ in range(8)))
    on = True
    while not users.done():
        on = not on
        switch.set(enabled=on)
        await asyncio.sleep(0.001)
    await users
    assert set(answers) <= {1, None}
    assert len(answers) == 160
    await all_is_back(gated)


async def test_a_request_sees_one_version_from_start_to_end(
    pools: Pools, registry: CollectorRegistry
) -> None:
    switch = Switch(registry, enabled=True)
    gated = gated_over(await pools(4), 0.25, flag=switch.flag)
    async with gated.acquire():
        with pinned("user"):
            with pytest.raises(PoolExhausted):
                await gated.acquire()
            switch.set(enabled=False)
            with pytest.raises(PoolExhausted):  # this request began while it was on
                await gated.acquire()
        await gated.release(await gated.acquire())
    await all_is_back(gated)


async def test_below_a_hundred_percent_only_the_chosen_are_refused(
    pools: Pools, registry: CollectorRegistry
) -> None:
    switch = Switch(registry, enabled=True, percent=50)
    gated = gated_over(await pools(4), 0.25, flag=switch.flag)
    assert not gated.stats().gated
    refused = served = 0
    async with gated.acquire():  # without a key: ungated
        for number in range(40):
            with pinned(f"user-{number}"):
                chosen = switch.flag.active()
                try:
                    await gated.fetchval("SELECT 1")
                except PoolExhausted:
                    assert chosen
                    refused += 1
                else:
                    assert not chosen
                    served += 1
    assert refused > 5
    assert served > 5
    await all_is_back(gated)


async def test_a_threshold_that_changes_under_holders_strands_nothing(pools: Pools) -> None:
    gated = gated_over(await pools(4))
    held = [await gated.acquire() for _ in range(4)]
    gated.reconfigure(Rule(threshold=0.25))
    assert (gated.stats().limit, gated.stats().inflight) == (1, 4)
    for connection in held[:3]:
        await gated.release(connection)
        with pytest.raises(PoolExhausted):
            await gated.acquire()
    await gated.release(held[3])
    async with gated.acquire():
        gated.reconfigure(Rule(threshold=1.0))
        assert (gated.stats().limit, gated.stats().gated) == (None, False)
        async with gated.acquire():
            assert gated.stats().inflight == 2
    await all_is_back(gated)


async def test_a_pools_gate_may_be_made_of_a_rule(pools: Pools, registry: CollectorRegistry) -> None:
    gated = GatedPool(await pools(4), gate=Gate(Rule(threshold=0.5)), registry=registry)
    assert gated.stats().limit == 2
