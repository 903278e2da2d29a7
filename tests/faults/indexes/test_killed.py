"""Whatever happens to the runner, nothing is left, or the next run ends where it should: no index is INVALID at the end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from urllib.parse import urlsplit

import asyncpg
import pytest

from quickwins.indexes import BuildFailed, Migration, Progress, Runner
from quickwins.rig import TcpBalancer
from tests.engines import Server, Servers, execute
from tests.eventually import eventually, wait_until
from tests.index_database import SLOW, Database
from tests.late_end import late_end
from tests.sighup import children_take_sighup_by

pytestmark = [pytest.mark.engines(), pytest.mark.asyncio]

IGNORED = ("--override", "locks", "--override", "snapshots", "--max-wait", "30")
OURS = "SELECT {}(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'quickwins indexes'"


@asynccontextmanager
async def writer(database: Database) -> AsyncIterator[None]:
    """A transaction that has written to the table."""
    async with database.session() as connection, connection.transaction():
        await connection.execute("UPDATE t SET b = b WHERE id = 1")
        yield


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[None]:
    """A REPEATABLE READ transaction that has read something else."""
    async with database.session() as connection, connection.transaction(isolation="repeatable_read"):
        await connection.fetch("SELECT 1 FROM pg_class LIMIT 1")
        yield


@asynccontextmanager
async def reader(database: Database) -> AsyncIterator[None]:
    """A transaction that reads the table, while an INVALID index of ours is there to be dropped."""
    database.run("CREATE INDEX i ON t (a)")
    database.broken()
    async with database.session() as connection, connection.transaction():
        await connection.fetch("SELECT 1 FROM t LIMIT 1")
        yield


@asynccontextmanager
async def lock(database: Database) -> AsyncIterator[None]:
    """Another runner."""
    async with database.session() as connection:
        await connection.execute(f"SELECT pg_advisory_lock({0x7177696478})")
        yield


def waits(phase: str) -> Callable[[Database], None]:
    return lambda database: database.reaches(phase)


def dropping(database: Database) -> None:
    wait_until(
        lambda: database.value(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'DROP INDEX%' AND wait_event_type = 'Lock'"
        )
    )


def connected(database: Database) -> None:
    wait_until(lambda: database.runners() == 2)


def second_begins(database: Database) -> None:
    wait_until(
        lambda: database.value(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%ON \"public\".\"u\"%' AND state = 'active' AND pid <> pg_backend_pid()"
        )
    )


PLAIN = ("CREATE INDEX CONCURRENTLY i ON t (a)",)
POINTS = [
    pytest.param(lock, PLAIN, connected, id="waiting for another runner", marks=pytest.mark.volume),
    pytest.param(writer, PLAIN, waits("waiting for writers before build"), id="before the build", marks=pytest.mark.volume),
    pytest.param(Database.braked, ("CREATE INDEX CONCURRENTLY i ON t (slow(a))",), waits("building index: scanning table"), id="building"),
    pytest.param(snapshot, PLAIN, waits("waiting for old snapshots"), id="before the end"),
    pytest.param(reader, PLAIN, dropping, id="dropping what an earlier run has left", marks=pytest.mark.volume),
    pytest.param(Database.braked, ("CREATE INDEX CONCURRENTLY i ON t (a)", "CREATE INDEX CONCURRENTLY j ON u (slow(a))"), second_begins, id="at the second", marks=pytest.mark.volume),
]  # fmt: skip
Point = tuple[
    Callable[[Database], AbstractAsyncContextManager[None]],
    tuple[str, ...],
    Callable[[Database], None],
]


@pytest.fixture
def prepared(database: Database) -> Database:
    database.run(
        SLOW, "CREATE TABLE u AS SELECT * FROM t LIMIT 300", "DELETE FROM t WHERE id > 300", "ANALYZE"
    )
    return database


def names(migration: Migration) -> list[str]:
    return ["i", "j"][: len(migration.statements)]


@pytest.mark.parametrize(("holding", "statements", "arrived"), POINTS)
async def test_a_killed_runner_leaves_a_build_that_ends_by_itself_and_the_next_run_converges(
    prepared: Database,
    holding: Callable[[Database], AbstractAsyncContextManager[None]],
    statements: tuple[str, ...],
    arrived: Callable[[Database], None],
) -> None:
    migration = prepared.migration(*statements)
    async with holding(prepared):
        with prepared.command(migration, *IGNORED) as command:
            await asyncio.to_thread(arrived, prepared)
            command.signal(signal.SIGKILL)
            assert command.code() == -signal.SIGKILL
        # The server looks whether its client is still there, so no build goes on without one.
        await asyncio.to_thread(wait_until, lambda: prepared.runners() == 0)

    await prepared.apply(migration)

    assert list(prepared.indexes()) == names(migration)
    assert not any(one.startswith("INVALID") for one in prepared.indexes().values())
    assert (await Runner(prepared.url).status(migration)).good


INTERRUPTED = [one for one in POINTS if one.values[0] not in {writer, reader}]


@pytest.mark.parametrize(("holding", "statements", "arrived"), INTERRUPTED)
async def test_ctrl_c_cancels_on_the_server_and_cleans_up(
    prepared: Database,
    holding: Callable[[Database], AbstractAsyncContextManager[None]],
    statements: tuple[str, ...],
    arrived: Callable[[Database], None],
) -> None:
    migration = prepared.migration(*statements)
    async with holding(prepared):
        with prepared.command(migration, *IGNORED) as command:
            await asyncio.to_thread(arrived, prepared)
            command.signal(signal.SIGINT)
            assert await asyncio.to_thread(command.code) == 130, command.said
            assert "stopped; nothing is left behind" in command.said

    assert list(prepared.indexes()) == names(migration)[:-1]
    await prepared.apply(migration)
    assert list(prepared.indexes()) == names(migration)


@pytest.mark.volume
async def test_ctrl_c_tries_to_clean_up_for_as_long_as_it_may_wait(prepared: Database) -> None:
    migration = prepared.migration()
    with prepared.command(migration, *IGNORED) as command:
        async with writer(prepared):
            await asyncio.to_thread(prepared.reaches, "waiting for writers before build")
            command.signal(signal.SIGTERM)
            # The drop waits for whoever uses the table, and then it is done.
            await asyncio.to_thread(dropping, prepared)
        assert await asyncio.to_thread(command.code) == 130, command.said
    assert prepared.indexes() == {}


async def test_ctrl_c_while_nothing_can_be_cleaned_up_says_what_is_left(prepared: Database) -> None:
    migration = prepared.migration()
    async with writer(prepared):
        with prepared.command(migration, "--override", "locks", "--max-wait", "2") as command:
            await asyncio.to_thread(prepared.reaches, "waiting for writers before build")
            command.signal(signal.SIGINT)
            code = await asyncio.to_thread(command.code)
            assert code == 6
            assert (
                'public.i is left INVALID, not written to: DROP INDEX CONCURRENTLY "public"."i";'
                in command.said
            )
    await prepared.apply(migration)
    assert prepared.indexes() == {"i": "CREATE INDEX i ON public.t USING btree (a)"}


async def test_a_loop_that_is_left_early_cancels_the_build_and_cleans_up(prepared: Database) -> None:
    migration = prepared.migration("CREATE INDEX CONCURRENTLY i ON t (slow(a))")
    runner = Runner(prepared.url)
    looks = runner.apply(await runner.plan(migration))
    async with prepared.braked():
        async for progress in looks:
            if progress.phase.startswith("building"):
                break
        await looks.aclose()

    assert runner.debris == ()
    assert (prepared.indexes(), prepared.runners()) == ({}, 0)


async def test_a_cancelled_task_cancels_the_build_and_cleans_up(prepared: Database) -> None:
    migration = prepared.migration("CREATE INDEX CONCURRENTLY i ON t (slow(a))")
    async with prepared.braked():
        task = asyncio.create_task(prepared.apply(migration))
        await asyncio.to_thread(prepared.reaches, "building index: scanning table")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (prepared.indexes(), prepared.runners()) == ({}, 0)


@pytest.mark.parametrize(
    "how", [pytest.param("pg_cancel_backend", marks=pytest.mark.volume), "pg_terminate_backend"]
)
async def test_a_build_that_a_dba_stops_is_an_error_and_nothing_is_left(prepared: Database, how: str) -> None:
    migration = prepared.migration("CREATE INDEX CONCURRENTLY i ON t (slow(a))")
    async with prepared.braked():
        task = asyncio.create_task(prepared.apply(migration))
        await asyncio.to_thread(prepared.reaches, "building index: scanning table")
        prepared.run(OURS.format(how))

        with pytest.raises(BuildFailed, match=r"slow\(a\)") as failed:
            await task

    assert failed.value.debris == ()
    assert prepared.indexes() == {}
    await prepared.apply(migration)
    assert list(prepared.indexes()) == ["i"]


async def test_a_build_that_a_dba_stops_is_cleaned_up_where_its_connection_ends_late(
    prepared: Database,
) -> None:
    migration = prepared.migration("CREATE INDEX CONCURRENTLY i ON t (slow(a))")

    async def build(runner: Runner) -> None:
        async for _ in runner.apply(await runner.plan(migration)):
            pass

    async with late_end(prepared.url) as url, prepared.braked():
        task = asyncio.create_task(build(Runner(url, max_wait_seconds=10)))
        await asyncio.to_thread(prepared.reaches, "building index: scanning table")
        await asyncio.to_thread(prepared.run, OURS.format("pg_terminate_backend"))

        with pytest.raises(BuildFailed, match=r"slow\(a\)") as failed:
            await task

    assert failed.value.debris == ()
    assert prepared.indexes() == {}


@pytest.mark.parametrize("way", [nullcontext, late_end])
async def test_a_watcher_that_is_terminated_comes_back(
    prepared: Database, way: Callable[[str], AbstractAsyncContextManager[str]]
) -> None:
    migration = prepared.migration("CREATE INDEX CONCURRENTLY i ON t (slow(a))")
    said = list[Progress]()

    async def follow(runner: Runner) -> None:
        async for progress in runner.apply(await runner.plan(migration)):
            said.append(progress)

    def looks() -> int:
        return sum(one.phase == "building index: scanning table" for one in said)

    async with way(prepared.url) as url:
        async with prepared.braked():
            task = asyncio.create_task(follow(Runner(url, max_wait_seconds=60)))
            await eventually(looks)
            await asyncio.to_thread(
                prepared.run,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'quickwins indexes watch'",
            )
            before = looks()
            await eventually(lambda: looks() > before + 2, said)  # one more may have been under way
        await task

    assert said[-1].ratio == 1
    assert list(prepared.indexes()) == ["i"]


@pytest.mark.volume
@pytest.mark.parametrize("how", ["restart", "kill"])
async def test_a_server_that_restarts_is_waited_for_and_cleaned_up(
    prepared: Database, server: Server, how: str
) -> None:
    migration = prepared.migration("CREATE INDEX CONCURRENTLY i ON t (slow(a))")
    task = asyncio.create_task(prepared.apply(migration))
    await asyncio.to_thread(prepared.reaches, "building index: scanning table")
    if how == "kill":
        await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.restart)

    with pytest.raises(BuildFailed) as failed:
        await task

    assert failed.value.debris == ()
    assert prepared.indexes() == {}
    await prepared.apply(migration)
    assert list(prepared.indexes()) == ["i"]


async def test_a_role_with_time_outs_of_its_own_builds_all_the_same(prepared: Database) -> None:
    role = prepared.value("SELECT current_user")
    database = prepared.value("SELECT current_database()")
    for name in (
        "statement_timeout",
        "lock_timeout",
        "idle_in_transaction_session_timeout",
        "idle_session_timeout",
    ):
        prepared.run(f'ALTER ROLE "{role}" IN DATABASE "{database}" SET {name} = 300')
    migration = prepared.migration("CREATE INDEX CONCURRENTLY i ON t (slow(a))")

    async with prepared.session() as connection:
        with pytest.raises(asyncpg.QueryCanceledError):
            await connection.execute("CREATE INDEX CONCURRENTLY i ON t (slow(a))")
    await prepared.apply(migration)

    assert list(prepared.indexes()) == ["i"]
    assert not prepared.indexes()["i"].startswith("INVALID")


async def test_a_terminal_that_is_closed_stops_it_as_ctrl_c_does(prepared: Database) -> None:
    migration = prepared.migration("CREATE INDEX CONCURRENTLY i ON t (slow(a))")
    async with prepared.braked():
        with children_take_sighup_by(signal.SIG_DFL), prepared.command(migration) as command:
            await asyncio.to_thread(prepared.reaches, "building index: scanning table")
            command.signal(signal.SIGHUP)
            assert await asyncio.to_thread(command.code) == 130, command.said
    assert prepared.indexes() == {}


async def test_nohup_builds_on_when_its_terminal_is_closed(prepared: Database) -> None:
    migration = prepared.migration("CREATE INDEX CONCURRENTLY i ON t (slow(a))")
    with children_take_sighup_by(signal.SIG_IGN), prepared.command(migration) as command:
        async with prepared.braked():
            await asyncio.to_thread(prepared.reaches, "building index: scanning table")
            command.signal(signal.SIGHUP)
        assert await asyncio.to_thread(command.code) == 0, command.said
    assert list(prepared.indexes()) == ["i"]


async def test_a_second_ctrl_c_while_it_cleans_up_does_not_say_that_nothing_is_left(
    prepared: Database,
) -> None:
    migration = prepared.migration("CREATE INDEX CONCURRENTLY i ON t (slow(a))")
    with prepared.command(migration, "--max-wait", "30") as command:
        async with prepared.braked():
            await asyncio.to_thread(prepared.reaches, "building index: scanning table")
            async with prepared.session() as connection, connection.transaction():
                await connection.fetch("SELECT 1 FROM t LIMIT 1")  # the drop waits for this reader
                command.signal(signal.SIGINT)
                await asyncio.to_thread(dropping, prepared)
                command.signal(signal.SIGINT)
                assert await asyncio.to_thread(command.code) == 6, command.said
    assert "public.i may be left INVALID" in command.said
    assert "nothing is left behind" not in command.said
    await prepared.apply(migration)
    assert prepared.indexes() == {"i": "CREATE INDEX i ON public.t USING btree (slow(a))"}


async def test_a_reader_of_its_output_that_leaves_does_not_stop_a_build(prepared: Database) -> None:
    migration = prepared.migration("CREATE INDEX CONCURRENTLY i ON t (slow(a))")
    words = [
        sys.executable,
        "-m",
        "quickwins",
        "indexes",
        "apply",
        str(migration.path),
        "--dsn",
        prepared.url,
    ]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        process = await asyncio.create_subprocess_exec(*words, stdout=writing, stderr=writing)
        assert await process.wait() == 0
    finally:
        os.close(writing)
    assert list(prepared.indexes()) == ["i"]


async def test_a_session_that_ends_while_it_waits_to_begin_is_an_error_with_a_name(
    prepared: Database,
) -> None:
    runner = Runner(prepared.url, max_wait_seconds=30)
    plan = await runner.plan(prepared.migration())
    async with snapshot(prepared):
        wait_until(
            lambda: prepared.value(
                "SELECT max(now() - xact_start) > '1 s' FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()"
            )
        )
        applying = runner.apply(plan)
        assert (await anext(applying)).phase == "waiting to begin"
        prepared.run(OURS.format("pg_terminate_backend"))
        with pytest.raises(BuildFailed, match=r"[Cc]onnection"):
            await anext(applying)
    assert prepared.indexes() == {}
    assert runner.debris == ()


async def test_a_session_that_watches_is_never_on_another_server(
    prepared: Database, servers: Servers
) -> None:
    here = urlsplit(prepared.url)
    there = urlsplit(servers.own("postgres").url)
    await execute(there.geturl(), f'CREATE DATABASE "{here.path[1:]}"')
    plan = await Runner(prepared.url).plan(prepared.migration())
    async with TcpBalancer([here.port or 0, there.port or 0]) as balancer:
        login = here.netloc.rpartition("@")[0]
        runner = Runner(here._replace(netloc=f"{login}@127.0.0.1:{balancer.port}").geturl())
        with pytest.raises(BuildFailed, match="not on the server of the one that works"):
            await anext(runner.apply(plan))
    assert prepared.indexes() == {}
