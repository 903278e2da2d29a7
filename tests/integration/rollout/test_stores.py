"""What every store promises, the file's and the database's alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from quickwins.core.clock import FakeClock
from quickwins.rollout import (
    FileStore,
    Phase,
    PostgresStore,
    Record,
    RolloutBlocked,
    RolloutController,
    RolloutReason,
    Store,
)
from quickwins.rollout._core.state import begun
from tests.unit.rollout.toys import Toy, plan

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture(params=["file", pytest.param("postgres", marks=pytest.mark.engines("postgres"))])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "file":
        yield FileStore(tmp_path / "rollout.json")
        return
    url: str = request.getfixturevalue("postgres_database")
    async with asyncpg.create_pool(url, min_size=1, max_size=5) as pool:
        yield PostgresStore(pool)


def record(feature: str = "feed") -> Record:
    return Record(begun(feature, plan(), 1.0), holder="a", token=3, until=9.5)


async def test_what_is_put_is_there_for_the_next_and_none_before(store: Store) -> None:
    async with store.exclusive("feed") as held:
        assert (held.record, held.others) == (None, {})
        await held.put(record())
        assert held.record == record()
    async with store.exclusive("feed") as held:
        assert held.record == record()
    async with store.exclusive("logs") as held:
        assert (held.record, held.others) == (None, {"feed": record().state})


async def test_nobody_else_is_in_while_one_is(store: Store) -> None:
    inside = most = 0

    async def enter() -> None:
        nonlocal inside, most
        async with store.exclusive("feed") as held:
            inside += 1
            most = max(most, inside)
            old = held.record
            await asyncio.sleep(0)
            await held.put(record() if old is None else old.with_state(old.state))
            inside -= 1

    await asyncio.gather(*(enter() for _ in range(5)))
    async with store.exclusive("feed") as held:
        assert held.record is not None
        assert (most, held.record.version) == (1, 5)


async def test_one_who_waits_for_too_long_is_told(store: Store) -> None:
    async with store.exclusive("feed"):
        with pytest.raises(RolloutBlocked) as caught:
            async with store.exclusive("feed"):
                pass
    assert caught.value.reason is RolloutReason.BUSY


async def test_a_ramp_goes_through_it(store: Store) -> None:
    clock = FakeClock()
    toy = Toy(clock)
    controller = RolloutController(toy, toy, store, clock=clock, feature="feed")
    await controller.start(plan())
    for _ in range(60):
        look = await controller.tick()
        await clock.advance(1)
    assert look.phase is Phase.DONE
    assert toy.percent == 100


async def test_the_table_is_made_behind_the_lock(postgres_database: str) -> None:
    """Two that made it at once met in the catalogue, where one of them failed."""
    there = "SELECT to_regclass('quickwins_rollouts') IS NOT NULL"
    async with asyncpg.create_pool(postgres_database, min_size=2, max_size=2) as pool:
        async with PostgresStore(pool).exclusive("feed"):
            assert not await pool.fetchval(there)
        assert await pool.fetchval(there)


async def test_services_share_a_table_and_a_group_but_no_ramp(postgres_database: str) -> None:
    async with asyncpg.create_pool(postgres_database, min_size=1, max_size=2) as pool:
        ours, theirs = PostgresStore(pool, service="feed"), PostgresStore(pool, service="shop")
        async with ours.exclusive("feed") as held:
            await held.put(record())
        async with theirs.exclusive("feed") as held:
            assert (held.record, held.others) == (None, {"feed of feed": record().state})
            await held.put(record().with_state(record().state))
        async with ours.exclusive("feed") as held:
            assert held.record == record()


@pytest.mark.engines("postgres")
async def test_a_server_that_is_away_is_an_error_of_the_system(tmp_path: Path) -> None:
    class Away:
        def acquire(self) -> None:
            raise asyncpg.InterfaceError("pool is closed")

    with pytest.raises(OSError, match="pool is closed"):
        async with PostgresStore(Away()).exclusive("feed"):
            pass
