"""What an interrupted build, drop or rebuild has left is repaired in one run."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from quickwins.indexes import BuildFailed, MigrationError, Runner
from tests.index_database import SLOW, Database

pytestmark = [pytest.mark.engines("postgres"), pytest.mark.asyncio]

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


@pytest.fixture
def slow(database: Database) -> Database:
    database.run(SLOW, "DELETE FROM t WHERE id > 300", "ANALYZE t")
    return database


async def test_somebody_elses_build_of_the_index_is_waited_for(slow: Database) -> None:
    async with slow.session(application_name="psql") as connection:
        other = asyncio.create_task(connection.execute("CREATE INDEX CONCURRENTLY i ON t (slow(a))"))
        await asyncio.to_thread(slow.reaches, "building index: scanning table")
        said = await slow.apply(slow.migration("CREATE INDEX CONCURRENTLY i ON t (slow(a))"))
        await other

    assert any(one.action.startswith("wait for the build that runs of public.i, pid") for one in said)
    assert slow.indexes() == {"i": "CREATE INDEX i ON public.t USING btree (slow(a))"}
    states = {row["state"] for row in slow.ask("SELECT state FROM quickwins.index_history")}
    assert "building" not in states


async def test_it_is_cancelled_and_built_again_where_that_is_asked_for(slow: Database) -> None:
    async with slow.session(application_name="psql") as connection:
        other = asyncio.create_task(connection.execute("CREATE INDEX CONCURRENTLY i ON t (slow(a))"))
        await asyncio.to_thread(slow.reaches, "building index: scanning table")
        await slow.apply(slow.migration("CREATE INDEX CONCURRENTLY i ON t (slow(a))"), cancel_orphan=True)
        with pytest.raises(asyncpg.QueryCanceledError):
            await other

    assert slow.indexes() == {"i": "CREATE INDEX i ON public.t USING btree (slow(a))"}
    assert (await Runner(slow.url).status(slow.migration("CREATE INDEX CONCURRENTLY i ON t (slow(a))"))).good


@pytest.mark.volume
async def test_a_running_build_can_be_followed(slow: Database) -> None:
    migration = slow.migration("CREATE INDEX CONCURRENTLY i ON t (slow(a))")
    task = asyncio.create_task(slow.apply(migration))
    await asyncio.to_thread(slow.reaches, "building index: scanning table")

    seen = [one async for one in Runner(slow.url).watch(migration)]

    await task
    assert "building index: scanning table" in {one.phase for one in seen}
    ratios = [one.ratio for one in seen]
    assert ratios == sorted(ratios)
