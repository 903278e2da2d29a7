"""A database with a table to index, and short ways to run migrations on it: in this process, or by the command."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from quickwins.indexes import Migration, Progress, Runner
from tests.engines import apart
from tests.eventually import DEADLINE_SECONDS, wait_until

TABLE = """
    CREATE TABLE t (id bigint PRIMARY KEY, a int NOT NULL, b text NOT NULL, c timestamptz);
    INSERT INTO t SELECT n, n % 1000, 'row ' || n, CASE WHEN n % 10 > 0 THEN now() END FROM generate_series(1, 5000) AS n;
    ANALYZE t
"""
SLOW = """
    CREATE FUNCTION slow(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
        $$BEGIN PERFORM pg_advisory_xact_lock_shared(1), pg_sleep(0.002); RETURN $1; END$$
"""
"""An index on this takes two milliseconds for each row, and is not built at all while somebody has the lock."""
BRAKE = "SELECT pg_advisory_lock(1)"
PHASE = "SELECT coalesce((SELECT phase FROM pg_stat_progress_create_index WHERE datname = current_database() LIMIT 1), '')"
ALL_INDEXES = """
    SELECT c.relname, i.indisvalid, i.indisready, i.indislive, pg_get_indexdef(c.oid) AS definition
    FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'quickwins' AND c.relname !~ '_pkey$' ORDER BY 1
"""


class Command:
    """A command that runs."""

    def __init__(self, process: subprocess.Popen[str], said: Path) -> None:
        self.process = process
        self._said = said

    @property
    def said(self) -> str:
        return self._said.read_text()

    def says(self, text: str) -> None:
        """Wait until it says `text`."""
        wait_until(lambda: text in self.said or self.process.poll() is not None, f"it never said {text!r}")
        assert text in self.said, self.said

    def signal(self, which: signal.Signals) -> None:
        self.process.send_signal(which)

    def code(self) -> int:
        """Wait for its end."""
        return self.process.wait(timeout=DEADLINE_SECONDS)


class Database:
    """A database of this test's own, asked in a loop of its own."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self._folder = folder

    def as_role(self, role: str, password: str) -> str:
        """The DSN with another role."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=f"{role}:{password}@{parts.netloc.rpartition('@')[2]}").geturl()

    def run(self, *statements: str) -> None:
        async def go() -> None:
            async with self.session() as connection:
                for statement in statements:
                    await connection.execute(statement)

        apart(go())

    def ask(self, query: str, *values: Any) -> list[Any]:
        async def go() -> list[Any]:
            async with self.session() as connection:
                return list(await connection.fetch(query, *values))

        return apart(go())

    def value(self, query: str, *values: Any) -> Any:
        return self.ask(query, *values)[0][0]

    def indexes(self) -> dict[str, str]:
        """Each index but primary keys, and its state or definition."""
        rows = self.ask(ALL_INDEXES)
        return {
            row["relname"]: row["definition"]
            if row["indisvalid"] and row["indislive"]
            else f"INVALID {row['indisready']} {row['indislive']}"
            for row in rows
        }

    def broken(self, name: str = "i", *, ready: bool = False, live: bool = True) -> None:
        """Put the index into the state in which an interrupted build or drop leaves it."""
        self.run(
            f"UPDATE pg_index SET indisvalid = false, indisready = {ready}, indislive = {live} WHERE indexrelid = '{name}'::regclass"
        )

    @asynccontextmanager
    async def session(self, **settings: str) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(self.url, server_settings=settings)
        try:
            yield connection
        finally:
            connection.terminate()

    @asynccontextmanager
    async def braked(self) -> AsyncIterator[None]:
        """No index on `slow` is built."""
        async with self.session() as brake:
            await brake.execute(BRAKE)
            yield

    def migration(
        self, *deploy: str, name: str = "001_x", verify: str | None = None, rollback: str | None = None
    ) -> Migration:
        """A migration of these statements; by default `rollback` drops `i`, and `verify` is empty."""
        statements = deploy or ("CREATE INDEX CONCURRENTLY i ON t (a)",)
        path = self._folder / f"{name}.sql"
        path.write_text("".join(f"{one};\n" for one in statements))
        path.with_name(f"{name}.rollback.sql").write_text(rollback or "DROP INDEX CONCURRENTLY IF EXISTS i;")
        path.with_name(f"{name}.verify.sql").write_text(verify or "")
        return Migration.load(path)

    @contextmanager
    def command(self, migration: Migration, *options: str, verb: str = "apply") -> Iterator[Command]:
        """`quickwins indexes apply` as a process of its own; killed at the end, if it is still there."""
        words = [
            sys.executable,
            "-m",
            "quickwins",
            "indexes",
            verb,
            str(migration.path),
            "--dsn",
            self.url,
            *options,
        ]
        with (self._folder / "said").open("w") as said:
            process = subprocess.Popen(words, cwd=self._folder, stdout=said, stderr=said, text=True)
        try:
            yield Command(process, self._folder / "said")
        finally:
            process.kill()
            process.wait()

    def reaches(self, phase: str) -> None:
        """Wait until a build is in this phase."""
        wait_until(lambda: self.value(PHASE) == phase, f"no build has come to {phase!r}")

    def runners(self) -> int:
        """How many sessions of ours the server knows."""
        return int(
            self.value(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name LIKE 'quickwins indexes%'"
            )
        )

    async def apply(self, migration: Migration, *, rollback: bool = False, **options: Any) -> list[Progress]:
        """Plan and apply; all that was said on the way."""
        options = {"max_wait_seconds": 10, **options}
        runner = Runner(self.url, **options)
        return [one async for one in runner.apply(await runner.plan(migration, rollback=rollback))]
