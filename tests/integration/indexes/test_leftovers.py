"""What an interrupted build, drop or rebuild has left is repaired in one run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio

from quickwins.indexes import BuildFailed, MigrationError, Runner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from quickwins.indexes import Progress
    from tests.index_database import Database

pytestmark = [pytest.mark.engines("postgres"), pytest.mark.asyncio]

HELD = """
    CREATE FUNCTION held(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
        $$BEGIN PERFORM pg_advisory_lock_shared(42), pg_advisory_unlock_shared(42); RETURN $1; END$$
"""
HELD_INDEX = "CREATE INDEX CONCURRENTLY i ON t (held(a))"
WHOLE = {"i": "CREATE INDEX i ON public.t USING btree (a)"}
STATES = [
    pytest.param(False, True, id="interrupted before the build"),
    pytest.param(True, True, id="interrupted before the end", marks=pytest.mark.volume),
    pytest.param(False, False, id="an interrupted drop", marks=pytest.mark.volume),
    pytest.param(True, False, id="half of an interrupted drop"),
]


@pytest.mark.parametrize(("ready", "live"), STATES)
async def test_an_invalid_index_in_any_state_is_built_again(
    database: Database, ready: bool, live: bool
) -> None:
    database.run("CREATE INDEX i ON t (a)")
    database.broken(ready=ready, live=live)

    async with database.session() as connection:
        # What everybody writes says that all is well, and leaves it as it is.
        await connection.execute("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)")
    assert database.indexes() == {"i": f"INVALID {ready} {live}"}
    await database.apply(database.migration())

    assert database.indexes() == WHOLE


@pytest.mark.parametrize(("ready", "live"), STATES[::3])
async def test_a_rollback_takes_an_invalid_one_along(database: Database, ready: bool, live: bool) -> None:
    migration = database.migration()
    await database.apply(migration)
    database.broken(ready=ready, live=live)
    await database.apply(migration, rollback=True)
    assert database.indexes() == {}


async def test_what_a_failed_build_of_psql_leaves_is_built_again(database: Database) -> None:
    async with database.session() as connection:
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)")
    assert database.indexes()["i"].startswith("INVALID")

    with pytest.raises(BuildFailed, match="there are duplicates"):
        await database.apply(database.migration("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)"))
    assert database.indexes() == {}


async def test_an_invalid_index_of_another_definition_that_is_not_ours_is_left_alone(
    database: Database,
) -> None:
    database.run("CREATE INDEX i ON t (b)")
    database.broken()
    with pytest.raises(MigrationError, match=r'if nobody needs it: DROP INDEX CONCURRENTLY "public"\."i";'):
        await database.apply(database.migration())
    assert list(database.indexes()) == ["i"]


async def test_a_file_that_was_corrected_after_a_failure_replaces_what_its_last_try_has_left(
    database: Database,
) -> None:
    with pytest.raises(BuildFailed):
        await database.apply(database.migration("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)"))
    database.run("CREATE UNIQUE INDEX i ON t (id, a)")
    database.broken()

    await database.apply(database.migration())

    assert database.indexes() == WHOLE


@pytest.mark.parametrize("suffix", ["_ccnew", "_ccold12"])
async def test_what_a_failed_reindex_leaves_is_dropped(database: Database, suffix: str) -> None:
    database.run(
        f"CREATE INDEX i{suffix} ON t (a)", "CREATE INDEX i ON t (a)", "CREATE INDEX j_ccnew ON t (a)"
    )
    database.broken(f"i{suffix}")
    database.broken("j_ccnew")

    await database.apply(database.migration())

    assert database.indexes() == WHOLE | {"j_ccnew": "INVALID False True"}


async def test_a_rebuild_that_failed_is_done_again_without_its_remains(database: Database) -> None:
    database.run("CREATE INDEX i ON t (a)", "CREATE INDEX i_ccnew ON t (a)")
    database.broken("i_ccnew")
    await database.apply(database.migration("REINDEX INDEX CONCURRENTLY i"))
    assert database.indexes() == WHOLE


@pytest_asyncio.fixture
async def gate(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A session that holds each build up in its first scan, until it lets them through."""
    database.run(HELD)
    async with database.session() as connection:
        await connection.execute("SELECT pg_advisory_lock(42)")
        yield connection


async def open_to_builds(gate: asyncpg.Connection) -> None:
    await gate.execute("SELECT pg_advisory_unlock(42)")


async def test_somebody_elses_build_of_the_index_is_waited_for(
    database: Database, gate: asyncpg.Connection
) -> None:
    runner = Runner(database.url, max_wait_seconds=10)
    plan = await runner.plan(database.migration(HELD_INDEX))
    said: list[str] = []
    async with database.session(application_name="psql") as connection:
        other = asyncio.create_task(connection.execute(HELD_INDEX))
        await asyncio.to_thread(database.reaches, "building index: scanning table")
        async for progress in runner.apply(plan):
            said.append(progress.action)
            if (
                progress.action.startswith("wait for the build that runs of public.i, pid")
                and not other.done()
            ):
                await open_to_builds(gate)
                await other

    assert any(one.startswith("wait for the build that runs of public.i, pid") for one in said)
    assert database.indexes() == {"i": "CREATE INDEX i ON public.t USING btree (held(a))"}
    states = {row["state"] for row in database.ask("SELECT state FROM quickwins.index_history")}
    assert "building" not in states


async def test_it_is_cancelled_and_built_again_where_that_is_asked_for(
    database: Database, gate: asyncpg.Connection
) -> None:
    migration = database.migration(HELD_INDEX)
    async with database.session(application_name="psql") as connection:
        other = asyncio.create_task(connection.execute(HELD_INDEX))
        await asyncio.to_thread(database.reaches, "building index: scanning table")
        mine = asyncio.create_task(database.apply(migration, cancel_orphan=True))
        with pytest.raises(asyncpg.QueryCanceledError):
            await other
    await open_to_builds(gate)
    await mine

    assert database.indexes() == {"i": "CREATE INDEX i ON public.t USING btree (held(a))"}
    assert (await Runner(database.url).status(migration)).good


async def test_a_running_build_can_be_followed(database: Database, gate: asyncpg.Connection) -> None:
    migration = database.migration(HELD_INDEX)
    task = asyncio.create_task(database.apply(migration))
    await asyncio.to_thread(database.reaches, "building index: scanning table")

    seen: list[Progress] = []
    async for one in Runner(database.url).watch(migration):
        if not seen:
            await open_to_builds(gate)
        seen.append(one)

    await task
    assert seen[0].phase == "building index: scanning table"
    ratios = [one.ratio for one in seen]
    assert ratios == sorted(ratios)
