"""What an index would be: made on an empty temporary copy of its table, in a transaction that is rolled back.

So the server itself says whether it can be made, how it spells it, and which operator classes and collations it takes;
nothing stays, and the table is locked for a moment as any reader would.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from quickwins.indexes._core.shapes import estimated_bytes
from quickwins.indexes._server.catalogue import indexes_on
from quickwins.indexes._statements import Name

if TYPE_CHECKING:
    from quickwins.indexes._core.facts import Index, Shape, Table
    from quickwins.indexes._statements import CreateIndex

COPY = Name("quickwins_probe", "pg_temp")
WIDTHS = """
    SELECT a.attname, s.avg_width::float8 AS width, s.n_distinct::float8 AS distinct, s.null_frac::float8 AS nulls,
           CASE WHEN a.attlen = -1 THEN 1 WHEN a.attalign = 'c' THEN 1 WHEN a.attalign = 's' THEN 2 WHEN a.attalign = 'i' THEN 4 ELSE 8 END
               AS alignment
    FROM pg_attribute AS a
    JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_stats AS s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
    WHERE a.attrelid = $1 AND s.inherited = (c.relkind = 'p')
"""
"""Short texts and the like stand unaligned in an index, whatever their type says."""
UNKNOWN_WIDTH = 16.0


@dataclass(frozen=True, slots=True)
class Probed:
    """What the server made of a statement, or what it said."""

    shape: Shape | None = None
    error: str = ""
    lacking: str = ""


async def probe(connection: asyncpg.Connection, one: CreateIndex, table: Table) -> Probed:
    """What `one` makes of `table`."""
    await connection.execute("BEGIN READ WRITE; SET LOCAL lock_timeout = '2s'")
    try:
        try:
            # What is unique in all partitions has their key in it: the server says so of a copy that is parted alike.
            parted = await connection.fetchval("SELECT ' PARTITION BY ' || pg_get_partkeydef($1)", table.oid)
            await connection.execute(
                f"CREATE TEMP TABLE {COPY.name} (LIKE {table.name.sql} INCLUDING GENERATED){parted or ''}"
            )
        except asyncpg.LockNotAvailableError:
            raise
        except asyncpg.PostgresError as error:  # no right to, or an event trigger's no
            return Probed(lacking=f"it cannot be tried on an empty copy: {error}")
        await connection.execute(one.on(COPY, index=Name("quickwins_probed")))
        oid = await connection.fetchval(f"SELECT '{COPY.name}'::regclass::oid")
        made = (await indexes_on(connection, [oid]))[oid]
        return Probed(shape=made[0].shape)
    except (asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError) as error:
        return Probed(lacking=str(error))
    except asyncpg.LockNotAvailableError:
        raise
    except asyncpg.PostgresError as error:
        if error.server_source_function == "exec_stmt_raise":
            # An event trigger's no. To what is built in the end it may be yes: some let CONCURRENTLY pass, and nothing else.
            return Probed(lacking=f"it cannot be tried on an empty copy: {error}")
        return Probed(error=str(error).replace(f'"{COPY.name}"', str(table.name)))
    finally:
        if not connection.is_closed():
            await connection.execute("ROLLBACK")


async def size(connection: asyncpg.Connection, one: CreateIndex, table: Table, shape: Shape) -> int | None:
    """How large the index will be; `None` where nobody can tell: no B-tree, or a table that was never analysed."""
    return await _size(connection, table, shape, one.where)


async def expected_bytes(connection: asyncpg.Connection, index: Index, table: Table) -> int | None:
    """How large an index would be if it were built now; `None` where nobody can tell."""
    predicate = index.shape.predicate
    known = not any(key.expression for key in index.shape.keys) and not index.shape.options
    return (
        await _size(connection, table, index.shape, f" WHERE {predicate}" if predicate else "")
        if known
        else None
    )


async def _size(connection: asyncpg.Connection, table: Table, shape: Shape, where: str) -> int | None:
    if shape.method != "btree" or table.rows < 0:
        return None
    rows = table.rows
    if where:
        query = f"EXPLAIN (FORMAT JSON) SELECT 1 FROM {table.name.sql}{where}"  # noqa: S608 -- quoted, and parsed; until=never
        try:
            explained = await connection.fetchval(query)
        except asyncpg.InsufficientPrivilegeError:  # row security, or an owner without SELECT
            return None
        document = json.loads(explained) if isinstance(explained, str) else explained
        rows = min(rows, float(document[0]["Plan"]["Plan Rows"]))
    known = {row["attname"]: row for row in await connection.fetch(WIDTHS, table.oid)}
    widths: list[tuple[float, int]] = []
    distinct, filled = 1.0, 1.0
    for text in (*(key.text for key in shape.keys), *shape.include):
        row = known.get(text.strip('"'))
        if row is None:
            widths.append((UNKNOWN_WIDTH, 8))
            distinct = rows
            continue
        long = row["alignment"] == 1 and row["width"] > 126  # noqa: PLR2004 -- longer ones have an aligned header; until=never
        widths.append((row["width"], 4 if long else row["alignment"]))
        distinct *= max(1.0, row["distinct"] if row["distinct"] >= 0 else -row["distinct"] * table.rows)
        filled *= 1 - row["nulls"]
    if shape.include:
        distinct = rows  # an index with included columns is never deduplicated
    return estimated_bytes(rows, widths, min(distinct, rows), null_share=1 - filled)
