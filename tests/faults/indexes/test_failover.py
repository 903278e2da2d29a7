"""A standby takes the place of the server that builds: a clear error, and the next run goes on there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from quickwins.engines import PostgresServer
from quickwins.indexes import Blocked, BuildFailed, Precondition, Runner
from quickwins.rig import TcpBalancer
from tests.engines import apart, execute
from tests.faults.indexes.standbys import standby_of
from tests.index_database import SLOW, TABLE, Database

pytestmark = [pytest.mark.engines(), pytest.mark.asyncio, pytest.mark.volume]

BUILD = "CREATE INDEX CONCURRENTLY i ON t (slow(a))"
DONE = {"i": "CREATE INDEX i ON public.t USING btree (slow(a))"}
SCANS = "building index: scanning table"
KEEPALIVE = "02"


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server on this machine, whose files we can reach."""
    with PostgresServer.start() as started:
        yield started


@pytest.fixture
def database(server: PostgresServer, tmp_path: Path) -> Database:
    made = Database(server.url, tmp_path)
    made.run(TABLE, SLOW, "DELETE FROM t WHERE id > 1000")
    return made


@pytest.fixture
def standby(server: PostgresServer, database: Database, open_folder: Path) -> Iterator[PostgresServer]:
    with standby_of(server, database, open_folder) as started:
        yield started


class Quick:
    """A clock by which everything takes fifty times as long."""

    def monotonic(self) -> float:
        return time.monotonic() * 50

    def wall(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 50)


def moved(url: str, *ports: int, query: str = "") -> str:
    """`url` on other ports of this machine."""
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    return parts._replace(netloc=f"{login}@{hosts}", query=query).geturl()


async def take_over(standby: PostgresServer) -> None:
    await asyncio.to_thread(apart, execute(standby.url, "SELECT pg_promote()"))


async def test_an_address_with_both_servers_leads_the_next_run_to_the_new_primary(
    server: PostgresServer, standby: PostgresServer, database: Database, tmp_path: Path
) -> None:
    both = moved(database.url, server.port, standby.port, query="target_session_attrs=primary")
    there, migration = Database(both, tmp_path), database.migration(BUILD)
    task = asyncio.create_task(there.apply(migration))
    await asyncio.to_thread(database.reaches, SCANS)
    await asyncio.to_thread(server.kill)
    await take_over(standby)

    with pytest.raises(BuildFailed, match="connection was closed in the middle of operation") as failed:
        await task
    assert failed.value.debris == ()
    assert Database(standby.url, tmp_path).indexes() == {}

    await there.apply(migration)
    assert Database(standby.url, tmp_path).indexes() == DONE


async def test_until_the_standby_is_promoted_it_is_refused_and_then_what_was_begun_is_gone_on_with(
    server: PostgresServer, standby: PostgresServer, database: Database, tmp_path: Path
) -> None:
    migration = database.migration(BUILD)
    async with TcpBalancer([server.port]) as address:
        there = Database(moved(database.url, address.port), tmp_path)
        task = asyncio.create_task(there.apply(migration))
        await asyncio.to_thread(database.reaches, SCANS)
        address.targets[:] = [standby.port]
        await asyncio.to_thread(server.kill)

        with pytest.raises(BuildFailed, match="i may be left INVALID") as failed:
            await task
        assert len(failed.value.debris) == 1
        with pytest.raises(Blocked, match="this server is a standby") as blocked:
            await there.apply(migration)
        assert blocked.value.reason is Precondition.STANDBY
        status = await Runner(there.url).status(migration)
        assert (status.state, len(status.debris)) == ("unfinished", 1)

        await take_over(standby)
        await there.apply(migration)
        assert (await Runner(there.url).status(migration)).state == "applied"
    assert Database(standby.url, tmp_path).indexes() == DONE


async def test_a_server_that_falls_silent_is_given_up_and_its_successor_cleaned_up(
    server: PostgresServer, standby: PostgresServer, database: Database, tmp_path: Path
) -> None:
    """As where a host is cut off: nobody closes its connections."""
    migration = database.migration(BUILD)
    async with TcpBalancer([server.port]) as address:
        there = Database(moved(database.url, address.port), tmp_path)
        task = asyncio.create_task(there.apply(migration, clock=Quick(), max_wait_seconds=600))
        await asyncio.to_thread(database.reaches, SCANS)
        server.pause()
        try:
            await take_over(standby)
            address.targets[:] = [standby.port]

            with pytest.raises(BuildFailed, match="the server has not answered for 120 s") as failed:
                await task
            assert failed.value.debris == ()
            await there.apply(migration)
        finally:
            server.resume()
    assert Database(standby.url, tmp_path).indexes() == DONE


async def test_a_run_is_stopped_though_its_server_has_fallen_silent(
    server: PostgresServer, database: Database, tmp_path: Path
) -> None:
    there = Database(f"{database.url}?connect_timeout=1", tmp_path)
    task = asyncio.create_task(there.apply(database.migration(BUILD), clock=Quick()))
    await asyncio.to_thread(database.reaches, SCANS)
    server.pause()
    try:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    finally:
        server.resume()


async def test_the_system_looks_whether_the_server_is_still_there(
    server: PostgresServer, database: Database
) -> None:
    """A build says nothing for hours: without that, a connection to a machine that is gone is never noticed."""
    runner = Runner(database.url)
    async with aclosing(runner.apply(await runner.plan(database.migration(BUILD)))) as looks:
        phases = [progress.phase async for progress in looks if timers(server.port) >= {KEEPALIVE}]
    assert SCANS in phases


def timers(port: int) -> set[str]:
    """What kinds of timers the connections to `port` have at this end, as Linux counts them."""
    rows = [row.split() for row in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    return {row[5].partition(":")[0] for row in rows if int(row[2].partition(":")[2], 16) == port}
