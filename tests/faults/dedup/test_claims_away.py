"""Valkey is stopped, killed or loses its memory: claims hold or are forgotten, and fences keep their order."""

from __future__ import annotations

import pytest
import valkey as client

from quickwins.engines import ValkeyServer
from tests.engines import Server
from tests.integration.dedup.claiming import claims_at, events, place

AWAY = (client.exceptions.ConnectionError, client.exceptions.TimeoutError, TimeoutError)
pytestmark = [pytest.mark.asyncio, pytest.mark.no_cover]


async def test_stopped_it_says_so_in_time_and_goes_on_afterwards(own_valkey: Server) -> None:
    async with claims_at(own_valkey.url, lease_seconds=3) as store:
        hold = await store.hold(place("g"))
        await store.claim(hold, events(*range(20)))
        own_valkey.pause()
        try:
            with pytest.raises(AWAY) as raised:
                await store.complete(hold, events(*range(20)))
        finally:
            own_valkey.resume()
        assert isinstance(raised.value, TimeoutError) or store.transient(raised.value)
        assert await store.complete(hold, events(*range(20)))
        assert (await store.claim(hold, events(3)))[0].done_at == "0:3"


async def test_killed_and_started_again_with_its_log_it_has_forgotten_nothing(own_valkey: Server) -> None:
    async with claims_at(own_valkey.url) as store:
        hold = await store.hold(place("g"))
        await store.claim(hold, events(1, 2))
        await store.complete(hold, events(1))
        own_valkey.kill()
        with pytest.raises(AWAY) as raised:
            await store.renew(hold, events(2))
        assert isinstance(raised.value, TimeoutError) or store.transient(raised.value)
        own_valkey.restart()
        assert await store.renew(hold, events(2))
        later = await store.hold(place("g", 1))
        done, held = await store.claim(later, events(1, 2))
        assert done.done_at == "0:1"
        assert held.wait_seconds > 0


async def test_come_back_empty_its_fences_are_above_all_before() -> None:
    with ValkeyServer.start(settings={"appendonly": "no"}) as server:
        async with claims_at(server.url) as store:
            fences = [(await store.hold(place("g"))).fence for _ in range(20)]
            server.kill()
            server.restart()
            with client.Valkey.from_url(server.url) as admin:
                assert admin.dbsize() == 0
            fences += [(await store.hold(place("g"))).fence for _ in range(20)]
            assert fences == sorted(set(fences))


async def test_come_back_empty_with_a_clock_that_is_behind_the_sinks_floor_decides(
    own_valkey: Server,
) -> None:
    seen = 1 << 52  # what the sink has seen: far ahead of the server's clock

    async def floor(topic: str, partition: int) -> int:
        assert (topic, partition) == ("topic", 3)
        return seen

    async with claims_at(own_valkey.url, floor=floor) as store:
        first = await store.hold(place("g", 3))
        with client.Valkey.from_url(own_valkey.url) as admin:
            admin.flushall()
        second = await store.hold(place("g", 3))
        assert first.fence > seen
        assert second.fence > seen


async def test_come_back_empty_whoever_works_on_a_partition_tells_its_fence_again(own_valkey: Server) -> None:
    """So that another one gets a higher one, whatever the clock says."""
    ahead = 1 << 52

    async def floor(_topic: str, _partition: int) -> int:
        return ahead

    async with claims_at(own_valkey.url, floor=floor) as sure, claims_at(own_valkey.url) as store:
        hold = await sure.hold(place("g"))
        with client.Valkey.from_url(own_valkey.url) as admin:
            admin.flushall()
        assert (await sure.claim(hold, events(1)))[0].mine
        assert (await store.hold(place("g"))).fence > hold.fence


async def test_what_was_done_while_it_was_empty_is_done(own_valkey: Server) -> None:
    async with claims_at(own_valkey.url) as store:
        hold = await store.hold(place("g"))
        await store.claim(hold, events(1))
        with client.Valkey.from_url(own_valkey.url) as admin:
            admin.flushall()
        assert await store.complete(hold, events(1))
        assert (await store.claim(hold, events(1)))[0].done_at == "0:1"
