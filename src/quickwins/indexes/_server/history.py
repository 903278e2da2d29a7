"""The history: one row for each step, in the database itself, made at the first `apply`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from quickwins.indexes._core.past import Entry, State, past_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import asyncpg

    from quickwins.indexes._core.actions import Past

MAKE = (
    # Asked first: `IF NOT EXISTS` takes CREATE on the database even where a DBA has made the schema for us.
    "DO $$BEGIN IF to_regnamespace('quickwins') IS NULL THEN CREATE SCHEMA IF NOT EXISTS quickwins; END IF; END$$",
    """CREATE TABLE IF NOT EXISTS quickwins.index_history (
        id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at         timestamptz NOT NULL DEFAULT clock_timestamp(),
        who        text NOT NULL DEFAULT session_user,
        migration  text NOT NULL,
        digest     text NOT NULL,
        state      text NOT NULL,
        index_name text NOT NULL DEFAULT '',
        statement  text NOT NULL DEFAULT '',
        evidence   jsonb NOT NULL DEFAULT '{}'
    )""",
)
ADD = """
    INSERT INTO quickwins.index_history (migration, digest, state, index_name, statement, evidence)
    VALUES ($1, $2, $3, $4, $5, $6::jsonb)
"""
IS_THERE = """
    SELECT EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                   WHERE n.nspname = 'quickwins' AND c.relname = 'index_history'
                     AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'))
"""
READ = """
    SELECT id, at, who, state, digest, index_name, statement, evidence::text AS evidence
    FROM quickwins.index_history WHERE migration = $1 ORDER BY id
"""


async def is_there(connection: asyncpg.Connection) -> bool:
    """Whether the table has been made, and our role may read it."""
    return bool(await connection.fetchval(IS_THERE))


async def make(connection: asyncpg.Connection) -> None:
    """Make the table, if it is not there."""
    if not await is_there(connection):
        for statement in MAKE:
            await connection.execute(statement)


async def add(
    connection: asyncpg.Connection,
    migration: str,
    digest: str,
    state: State,
    *,
    index: str = "",
    statement: str = "",
    evidence: Mapping[str, object] | None = None,
) -> None:
    """Add one row."""
    await connection.execute(
        ADD, migration, digest, state.value, index, statement, json.dumps(evidence or {})
    )


async def read(connection: asyncpg.Connection, migration: str) -> list[asyncpg.Record]:
    """All rows of one migration, oldest first; none while there is no table."""
    return await connection.fetch(READ, migration) if await is_there(connection) else []


async def past(connection: asyncpg.Connection, migration: str) -> Past:
    """What they mean together."""
    rows = await read(connection, migration)
    return past_of(
        Entry(State(row["state"]), row["digest"], row["index_name"], row["statement"]) for row in rows
    )
