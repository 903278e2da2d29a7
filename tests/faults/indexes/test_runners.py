"""Several at once: runners, other tools' builds, and the service's own writers."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from quickwins.indexes import Runner
from tests.eventually import wait_until
from tests.index_database import SLOW, Database
from tests.soak import times

pytestmark = [pytest.mark.engines(), pytest.mark.asyncio]

DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
WAITING = """
    SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
    WHERE l.locktype = 'advisory' AND NOT l.granted AND d.datname = current_database()
"""
RUNNERS = 10


async def together(database: Database) -> None:
    migration = database.migration(
        "CREATE INDEX CONCURRENTLY i ON t (a) WHERE c IS NULL", "CREATE INDEX CONCURRENTLY j ON t (b)"
    )
    await asyncio.gather(*(database.apply(migration, max_wait_seconds=60) for _ in range(RUNNERS)))

    built = database.ask(
        "SELECT index_name, count(*) FROM quickwins.index_history WHERE state = 'building' GROUP BY 1 ORDER BY 1"
    )
    assert [tuple(row) for row in built] == [("public.i", 1), ("public.j", 1)]
    assert list(database.indexes()) == ["i", "j"]
    assert database.value(DEADLOCKS) == 0


async def test_ten_runners_build_each_index_once_and_nobody_deadlocks(database: Database) -> None:
    await together(database)


@pytest.mark.volume
@pytest.mark.any_server  # once on each version is enough: the test above
async def test_ten_runners_again_and_again(database: Database) -> None:
    for _ in range(times(6, soak=20)):
        await together(database)
        database.run("DROP INDEX i, j", "DROP SCHEMA quickwins CASCADE")


@pytest.mark.volume
async def test_a_runner_that_waits_for_its_turn_in_a_blocking_way_deadlocks(database: Database) -> None:
    """The negative control: with what others do, a blocking advisory lock, the server ends one of the two."""
    async with database.session() as one, database.session() as two:
        await one.execute("SELECT pg_advisory_lock(1)")
        waiting = asyncio.create_task(two.execute("SELECT pg_advisory_lock(1)"))
        await asyncio.to_thread(wait_until, lambda: database.value(WAITING))
        build = asyncio.create_task(one.execute("CREATE INDEX CONCURRENTLY i ON t (a)"))
        done, _ = await asyncio.wait({build, waiting}, return_when=asyncio.FIRST_COMPLETED)
        assert any(isinstance(task.exception(), asyncpg.DeadlockDetectedError) for task in done)
        one.terminate()
        await asyncio.wait({build, waiting})


@pytest.fixture
def slow(database: Database) -> Database:
    database.run(SLOW, "DELETE FROM t WHERE id > 300", "ANALYZE t")
    return database


async def write(database: Database, number: int) -> None:
    async with database.session(lock_timeout="200") as connection:
        await connection.execute("INSERT INTO t VALUES ($1, 1, 'new')", number)


async def test_writers_go_on_while_an_index_is_built(slow: Database) -> None:
    """No write waits for a lock of the build's, in any phase: each would give up after 0.2 s."""
    written = 0
    async with slow.braked():
        task = asyncio.create_task(
            slow.apply(slow.migration("CREATE INDEX CONCURRENTLY i ON t (slow(a))"), max_wait_seconds=60)
        )
        await asyncio.to_thread(slow.reaches, "building index: scanning table")
        while written < 10:
            await write(slow, 1000 + written)
            written += 1
    while not task.done():
        await write(slow, 1000 + written)
        written += 1
    await task
    assert slow.value("SELECT count(*) FROM t WHERE slow(a) = 1 AND id >= 1000") == written


async def test_a_plain_build_holds_them_up(slow: Database) -> None:
    """The negative control."""
    async with slow.session() as connection:
        async with slow.braked():
            build = asyncio.create_task(connection.execute("CREATE INDEX i ON t (slow(a))"))
            await asyncio.to_thread(slow.reaches, "building index: scanning table")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await write(slow, 1000)
        await build


@pytest.mark.volume
async def test_the_bar_of_a_long_build_moves_often_and_never_back(database: Database) -> None:
    """The build sleeps for five seconds, whatever the machine is busy with: time to be looked at, and a move at each look."""
    database.run(
        SLOW,
        "CREATE TABLE wide AS SELECT n AS a, repeat('x', 1500) AS filler FROM generate_series(1, 2500) AS n",
        "ANALYZE wide",
    )
    migration = database.migration("CREATE INDEX CONCURRENTLY i ON wide (slow(a))")
    said = await database.apply(migration, max_wait_seconds=60)
    ratios = [one.ratio for one in said if one.step == said[0].step]  # ANALYZE has a bar of its own
    assert ratios == sorted(ratios)
    assert len({*ratios}) >= 10


@pytest.mark.volume
async def test_the_size_that_is_foretold_is_about_that_of_the_index(database: Database) -> None:
    database.run(
        "CREATE TABLE large AS SELECT n AS id, md5(n::text) AS a, now() AS at FROM generate_series(1, 800000) AS n",
        "ANALYZE large",
    )
    migration = database.migration("CREATE INDEX CONCURRENTLY i ON large (a, at DESC)")
    plan = await Runner(database.url).plan(migration)
    estimate = plan.sizes[0][3]
    said = await database.apply(migration, max_wait_seconds=60)

    ratios = [one.ratio for one in said]
    assert ratios == sorted(ratios)
    real = database.value("SELECT pg_relation_size('i'::regclass)")
    assert estimate is not None
    assert abs(estimate / real - 1) <= 0.15
