"""Who holds a migration up is named, waited for, and given up on; nothing is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import asyncpg
import pytest

from quickwins.indexes import Blocked, BuildFailed, Migration, Plan, Precondition, Progress, Runner
from tests.engines import apart
from tests.eventually import wait_until
from tests.index_database import Database

pytestmark = [pytest.mark.engines(), pytest.mark.asyncio]

Holding = Callable[[Database], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def writer(database: Database) -> AsyncIterator[None]:
    async with database.session(application_name="nightly job") as connection, connection.transaction():
        await connection.execute("UPDATE t SET b = b WHERE id = 1")
        yield


@asynccontextmanager
async def repeatable(database: Database) -> AsyncIterator[None]:
    async with (
        database.session(application_name="nightly job") as connection,
        connection.transaction(isolation="repeatable_read"),
    ):
        await connection.fetch("SELECT 1")
        yield


@asynccontextmanager
async def statement(database: Database) -> AsyncIterator[None]:
    async with database.session(application_name="nightly job") as connection:
        task = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))
        await asyncio.sleep(0)
        yield
        task.cancel()
        await asyncio.wait({task})


@asynccontextmanager
async def idle_with_parameters(database: Database) -> AsyncIterator[None]:
    """An idle READ COMMITTED transaction keeps the snapshot of a SELECT with parameters while its portal is open."""
    async with database.session(application_name="nightly job") as connection, connection.transaction():
        cursor = await connection.cursor("SELECT id FROM t WHERE id > $1", 1)
        await cursor.fetch(1)
        yield


@asynccontextmanager
async def prepared(database: Database) -> AsyncIterator[None]:
    database.run("BEGIN; UPDATE t SET b = b WHERE id = 1; PREPARE TRANSACTION 'transfer 42'")
    yield
    database.run("ROLLBACK PREPARED 'transfer 42'")


HOLDING = [
    pytest.param(writer, Precondition.LOCKS, "application 'nightly job'", id="a writer of the table"),
    pytest.param(repeatable, Precondition.SNAPSHOTS, "application 'nightly job'", id="a repeatable read"),
    pytest.param(
        statement,
        Precondition.SNAPSHOTS,
        "SELECT pg_sleep(60)",
        id="a long statement",
        marks=pytest.mark.volume,
    ),
    pytest.param(
        idle_with_parameters,
        Precondition.SNAPSHOTS,
        "idle in transaction",
        id="an open cursor",
        marks=pytest.mark.volume,
    ),
    pytest.param(
        prepared, Precondition.PREPARED, "prepared transaction 'transfer 42'", id="a prepared transaction"
    ),
]


async def old(database: Database, precondition: Precondition) -> None:
    """Wait until what holds us up is old enough to be worth a word."""
    runner, migration = Runner(database.url), database.migration()

    def named() -> bool:
        return precondition in {one.precondition for one in apart(runner.plan(migration)).obstacles}

    await asyncio.to_thread(wait_until, named)


@pytest.mark.parametrize(("holding", "precondition", "named"), HOLDING)
async def test_it_is_named_waited_for_and_given_up_on_before_anything_begins(
    database: Database, holding: Holding, precondition: Precondition, named: str
) -> None:
    async with holding(database):
        await old(database, precondition)
        with pytest.raises(Blocked, match="waited 1 s for") as blocked:
            await database.apply(database.migration(), max_wait_seconds=1)

    assert blocked.value.reason is precondition
    assert named in str(blocked.value)
    assert database.indexes() == {}
    assert database.value("SELECT to_regclass('quickwins.index_history') IS NULL")


@pytest.mark.volume
async def test_it_begins_when_the_way_is_free(database: Database) -> None:
    migration = database.migration()
    async with writer(database):
        await old(database, Precondition.LOCKS)
        looks = Runner(database.url, max_wait_seconds=60).apply(await Runner(database.url).plan(migration))
        first = await anext(looks)
    rest = [one async for one in looks]

    assert first.phase == "waiting to begin"
    assert "nightly job" in first.blockers[0]
    assert rest[-1].ratio == 1


async def followed(runner: Runner, plan: Plan, seen: list[Progress]) -> None:
    """Apply, and keep what was said, also when it ends in an error."""
    async for progress in runner.apply(plan):
        seen += [progress]


@pytest.mark.parametrize(
    ("holding", "precondition", "phase"),
    [
        pytest.param(repeatable, Precondition.SNAPSHOTS, "waiting for old snapshots", id="a snapshot"),
        pytest.param(prepared, Precondition.PREPARED, "waiting for writers before build", id="a prepared transaction", marks=pytest.mark.volume),
    ],
)  # fmt: skip
async def test_in_the_middle_of_a_build_it_is_named_at_once_and_the_build_ends_in_time(
    database: Database, holding: Holding, precondition: Precondition, phase: str
) -> None:
    seen: list[Progress] = []
    runner = Runner(database.url, max_wait_seconds=1.5, overrides=[precondition])
    async with holding(database):
        await old(database, precondition)
        plan = await runner.plan(database.migration())
        with pytest.raises((Blocked, BuildFailed)) as ended:
            await followed(runner, plan, seen)

    assert plan.overridden
    assert seen[-1].waited_seconds >= 1.5
    # From the second look on, if not from the first, which may come before the build waits.
    looks = [bool(one.blockers) for one in seen if one.phase == phase]
    assert any(looks)
    assert all(looks[1:])
    if holding is repeatable:
        # It has no lock on the table, so the drop that cleans up does not wait for it.
        assert isinstance(ended.value, Blocked)
        assert database.indexes() == {}
    else:
        assert isinstance(ended.value, BuildFailed)
        assert ended.value.debris == runner.debris
        await database.apply(database.migration())
        assert not database.indexes()["i"].startswith("INVALID")


@pytest.mark.parametrize(
    "harmless",
    [
        pytest.param("SELECT 1 FROM t LIMIT 1", id="an idle reader of the table"),
        pytest.param("SELECT 1", id="an idle transaction", marks=pytest.mark.volume),
        pytest.param("INSERT INTO other VALUES (1)", id="a writer of another table"),
        pytest.param("SELECT pg_advisory_xact_lock(1)", id="an advisory lock", marks=pytest.mark.volume),
    ],
)
async def test_who_does_not_hold_a_build_up_is_not_accused(database: Database, harmless: str) -> None:
    database.run("CREATE TABLE other (a int)")
    async with database.session() as connection, connection.transaction():
        await connection.execute(harmless)
        await connection.execute("SELECT pg_sleep(1.1)")
        plan = await Runner(database.url).plan(database.migration())
        await database.apply(database.migration(), max_wait_seconds=2)

    assert plan.obstacles == ()
    assert list(database.indexes()) == ["i"]


async def test_a_reader_holds_up_a_drop_alone(database: Database) -> None:
    migration = database.migration()
    await database.apply(migration)
    async with database.session() as connection, connection.transaction():
        await connection.execute("SELECT 1 FROM t LIMIT 1")
        await connection.execute("SELECT pg_sleep(1.1)")
        plan = await Runner(database.url).plan(migration, rollback=True)
        with pytest.raises(Blocked, match="SELECT pg_sleep"):
            await database.apply(migration, rollback=True, max_wait_seconds=0.5)

    assert [one.precondition for one in plan.obstacles] == [Precondition.LOCKS]
    assert not database.indexes()["i"].startswith("INVALID")


async def test_sessions_of_a_named_application_are_terminated_and_no_others(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with database.session(application_name="nightly job") as connection:
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        await old(database, Precondition.SNAPSHOTS)
        with pytest.raises(Blocked):
            await database.apply(database.migration(), max_wait_seconds=0.5, terminate=["another job"])
        await database.apply(database.migration(), terminate=["nightly job"])
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
            await connection.execute("SELECT 1")

    assert list(database.indexes()) == ["i"]
    said = [
        record.getMessage() for record in caplog.records if "index.session_terminated" in record.getMessage()
    ]
    assert said
    assert all("application=nightly job" in one for one in said)


async def test_another_change_of_the_table_is_waited_for(database: Database) -> None:
    async with database.session() as connection:
        await connection.execute("BEGIN; LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE")
        plan = await Runner(database.url).plan(database.migration())
        with pytest.raises(Blocked) as blocked:
            await database.apply(database.migration(), max_wait_seconds=0.3)

    assert [one.precondition for one in plan.obstacles] == [Precondition.BUILDS]
    assert blocked.value.reason is Precondition.BUILDS


async def test_another_runner_is_waited_for(database: Database) -> None:
    async with database.session() as connection:
        await connection.execute(f"SELECT pg_advisory_lock({0x7177696478})")
        with pytest.raises(Blocked, match="another runner is at work") as blocked:
            await database.apply(database.migration(), max_wait_seconds=0.3)
    assert blocked.value.reason is Precondition.RUNNER


async def test_outside_of_its_window_nothing_begins_and_nothing_to_do_is_no_obstacle(
    database: Database,
) -> None:
    now = datetime.now(UTC)
    window = f"{now + timedelta(hours=2):%H:%M}-{now + timedelta(hours=3):%H:%M} UTC"
    migration = database.migration()

    with pytest.raises(Blocked, match=r"it is \d\d:\d\d UTC, outside of") as blocked:
        await database.apply(migration, window=window)
    assert blocked.value.reason is Precondition.WINDOW
    assert database.indexes() == {}
    await database.apply(migration, window=window, overrides=["window"])
    assert await database.apply(migration, window=window) == []


async def test_a_role_that_may_not_is_told_so(database: Database) -> None:
    role = f"limited_{database.value('SELECT current_database()')}"
    database.run(f"CREATE ROLE {role} LOGIN PASSWORD 'of-the-test'", f"GRANT SELECT ON t TO {role}")
    parts = urlsplit(database.url)
    address = parts.netloc.rpartition("@")[2]
    limited = Runner(parts._replace(netloc=f"{role}:of-the-test@{address}").geturl())
    try:
        plan = await limited.plan(database.migration())
    finally:
        database.run(f"REVOKE ALL ON t FROM {role}", f"DROP ROLE {role}")

    said = [str(one) for one in plan.obstacles]
    assert said[0] == "permissions: our role does not own public.t, or may not create in its schema"
    assert "quickwins.index_history" in said[1]
    assert any("pg_read_all_stats" in note for note in plan.notes)


async def test_a_table_that_is_locked_as_a_whole_is_waited_for_and_named(database: Database) -> None:
    migration = database.migration()
    async with database.session(application_name="alter") as connection:
        await connection.execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Blocked, match="application 'alter': BEGIN; LOCK TABLE t") as blocked:
            await Runner(database.url).plan(migration)
        waiting = asyncio.create_task(database.apply(migration, rollback=False, max_wait_seconds=30))
        await connection.execute("ROLLBACK")
        await waiting

    assert blocked.value.reason is Precondition.LOCKS
    assert list(database.indexes()) == ["i"]


TOAST = "SELECT count(*) FROM pg_class WHERE relname ~ '^pg_toast.*_ccnew'"


@pytest.mark.parametrize("owner", [False, True], ids=["a superuser", "the owner"])
async def test_a_rebuild_of_a_table_that_is_given_up_clears_its_long_values_too_or_says_who_can(
    database: Database, owner: bool
) -> None:
    """The table beside it for long values is rebuilt along with it, in a schema that its owner may not even name."""
    role = f"toast_{database.value('SELECT current_database()')}"
    database.run(
        f"CREATE ROLE {role} LOGIN PASSWORD 'of-the-test'",
        f"ALTER TABLE t OWNER TO {role}",
        f"GRANT CREATE ON SCHEMA public TO {role}",
        f"CREATE SCHEMA quickwins AUTHORIZATION {role}",
    )
    url = database.as_role(role, "of-the-test") if owner else database.url
    migration = database.migration("REINDEX TABLE CONCURRENTLY t")
    try:
        async with writer(database):
            with pytest.raises(BuildFailed, match="t_pkey_ccnew is left INVALID") as failed:
                await finished(Runner(url, max_wait_seconds=1, overrides=["locks"]), migration)
        assert ["pg_toast" in one for one in failed.value.debris] == [False, True][: 1 + owner]
        assert database.value(TOAST) == int(owner)
        plan = await Runner(url).plan(migration)
        assert ["superuser's to drop" in one for one in plan.notes if "pg_toast" in one] == [True] * owner
        await finished(Runner(url, max_wait_seconds=10), migration)
        assert set(database.indexes()) == set()
    finally:
        database.run(f"DROP OWNED BY {role} CASCADE", f"DROP ROLE {role}")


async def finished(runner: Runner, migration: Migration) -> None:
    async for _ in runner.apply(await runner.plan(migration)):
        pass
