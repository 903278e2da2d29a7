"""A tablespace that is full, and a standby."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from quickwins.engines import PostgresServer
from quickwins.indexes import Blocked, BuildFailed, Precondition, Runner
from tests.faults.indexes.standbys import standby_of
from tests.index_database import TABLE, Database

pytestmark = [pytest.mark.engines(), pytest.mark.asyncio, pytest.mark.volume]


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server on this machine, whose files we can reach."""
    with PostgresServer.start() as started:
        yield started


@pytest.fixture
def database(server: PostgresServer, tmp_path: Path) -> Database:
    made = Database(server.url, tmp_path)
    made.run(TABLE)
    return made


@pytest.fixture
def small_disk(server: PostgresServer) -> Iterator[Path]:
    """A disk of one megabyte that the server may write to."""
    folder = server.folder / "small"
    folder.mkdir()
    owner = (server.folder / "data").stat()
    options = f"size=1m,mode=0700,uid={owner.st_uid},gid={owner.st_gid}"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_full_tablespace_ends_a_build_and_nothing_is_left(
    database: Database, small_disk: Path
) -> None:
    database.run(
        "INSERT INTO t SELECT n, n, 'row ' || n FROM generate_series(10000, 99999) AS n",
        f"CREATE TABLESPACE small LOCATION '{small_disk}'",
    )
    migration = database.migration("CREATE INDEX CONCURRENTLY i ON t (b, id) TABLESPACE small")

    with pytest.raises(BuildFailed, match="No space left on device") as failed:
        await database.apply(migration)

    assert failed.value.debris == ()
    assert database.indexes() == {}
    database.run("DELETE FROM t WHERE id > 1000", "ANALYZE t")
    await database.apply(migration)
    assert list(database.indexes()) == ["i"]


@pytest.fixture
def standby(server: PostgresServer, database: Database, open_folder: Path) -> Iterator[PostgresServer]:
    with standby_of(server, database, open_folder) as started:
        yield started


async def test_on_a_standby_nothing_begins(standby: PostgresServer, database: Database) -> None:
    migration = database.migration()
    runner = Runner(standby.url, max_wait_seconds=5)

    plan = await runner.plan(migration)
    with pytest.raises(Blocked, match="this server is a standby") as blocked:
        await anext(runner.apply(plan))

    assert [one.precondition for one in plan.obstacles] == [Precondition.STANDBY]
    assert blocked.value.reason is Precondition.STANDBY
    assert (await runner.status(migration)).state == "not applied"


async def test_no_index_is_called_unused_while_a_standby_was_not_asked(
    standby: PostgresServer, database: Database
) -> None:
    database.run("CREATE INDEX i ON t (a)")
    alone = await Runner(database.url).audit()
    together = await Runner(database.url).audit(standbys=[standby.url])

    assert [one.weight for one in alone] == []
    assert [one.weight for one in together] == ["unused"]
    assert "here, since the server started, at least 0.0 days ago; 127.0.0.1:" in together[0].detail
