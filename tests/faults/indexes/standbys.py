"""A server that follows another one, to take its place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quickwins.engines import PostgresServer
from tests.engines import apart
from tests.index_database import Database


@contextmanager
def standby_of(server: PostgresServer, database: Database, empty: Path) -> Iterator[PostgresServer]:
    """A hot standby of `server`: a copy of its files that follows it, in the folder `empty`, which every account may enter."""
    folder = empty / "data"

    async def copy() -> None:
        async with database.session() as connection:
            await connection.execute("SELECT pg_backup_start('a standby', true)")
            shutil.copytree(server.folder / "data", folder, ignore=shutil.ignore_patterns("postmaster.*"))
            label = await connection.fetchval("SELECT labelfile FROM pg_backup_stop()")
            (folder / "backup_label").write_text(label)

    apart(copy())
    (folder / "standby.signal").touch()
    with (folder / "postgresql.auto.conf").open("a") as settings:
        settings.write(f"primary_conninfo = 'host=127.0.0.1 port={server.port} user=quickwins'\n")
    owner = (server.folder / "data").stat()
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
    folder.chmod(0o700)
    with PostgresServer.start(folder=empty) as started:
        yield started
