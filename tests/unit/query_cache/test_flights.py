"""Flights under tasks that begin, and may end, where they are made."""

from __future__ import annotations

import pytest

from quickwins.query_cache._flights import Flights
from tests.unit.query_cache.service import Service

pytestmark = pytest.mark.asyncio


async def test_a_flight_that_has_landed_is_joined_by_nobody(eager: None) -> None:
    flights: Flights[int] = Flights()

    async def work() -> int:
        return 1

    assert await flights.lead("key", work) == 1
    assert flights.get("key") is None


async def test_what_may_not_be_stored_is_asked_for_again_by_the_same_task(eager: None) -> None:
    service = Service()
    for _ in range(3):
        assert (await service.ask("{ unstored }")).data == {"unstored": "x"}
    assert service.world.executed["unstored"] == 3
    assert "contended" not in {reason for reason, number in service.cache.stats().misses.items() if number}
