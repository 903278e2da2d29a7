"""Dead weight: indexes that cost each write and help no read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.dsn import place
from quickwins.indexes._core.plan import is_underway
from quickwins.indexes._core.shapes import PAGE, covers
from quickwins.indexes._server import catalogue
from quickwins.indexes._server.holders import building
from quickwins.indexes._server.probe import expected_bytes
from quickwins.indexes.connecting import connect
from quickwins.indexes.report import Finding, Weight

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import asyncpg

    from quickwins.indexes._core.facts import Index, Table

TABLES = """
    SELECT c.oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 't') AND n.nspname !~ '^pg_(catalog|temp_|toast_temp_)' AND n.nspname <> 'information_schema'
      AND EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid)
    ORDER BY n.nspname, c.relname
"""
"""TOAST tables too: what a failed REINDEX has left there shows nowhere else."""
SCANS = "SELECT schemaname, indexrelname, idx_scan FROM pg_stat_user_indexes WHERE idx_scan > 0"
SINCE = """
    SELECT extract(epoch FROM clock_timestamp() - coalesce(stats_reset, pg_postmaster_start_time()))::float8 / 86400 AS days,
           stats_reset IS NULL AS never
    FROM pg_stat_database WHERE datname = current_database()
"""
STANDBYS = "SELECT count(*) FROM pg_stat_replication"
BLOATED = 2.0
BLOATED_FROM_PAGES = 128


async def audit(connection: asyncpg.Connection, standbys: Sequence[str]) -> list[Finding]:
    """See `Runner.audit`."""
    oids = [row["oid"] for row in await connection.fetch(TABLES)]
    # Before and after the indexes: one that begins or ends while they are read is no debris.
    running = await building(connection)
    tables = await catalogue.tables(connection, oids)
    running += await building(connection)
    used, since = await _used(connection, standbys)
    attached = int(await connection.fetchval(STANDBYS) or 0)
    found: list[Finding] = []
    for table in tables:
        for index in table.indexes:
            if is_underway(index, table, running):
                continue
            if not (index.valid and index.live):
                found.append(
                    _finding(
                        Weight.INVALID,
                        index,
                        table,
                        f"{index.state}: DROP INDEX CONCURRENTLY {index.name.sql};",
                    )
                )
                continue
            if (other := _does_its_work(index, table)) is not None:
                found.append(
                    _finding(Weight.REDUNDANT, index, table, f"{other.name} does its work: {other.shape}")
                )
            elif (
                _may_be_unused(index)
                and (index.name.schema, index.name.name) not in used
                and attached <= len(standbys)
            ):
                found.append(_finding(Weight.UNUSED, index, table, f"no scan {since}"))
            expected = await expected_bytes(connection, index, table)
            if (
                expected is not None
                and index.bytes > BLOATED * expected
                and index.bytes > BLOATED_FROM_PAGES * PAGE
            ):
                rebuilt = "" if index.exclusion else f": REINDEX INDEX CONCURRENTLY {index.name.sql};"
                detail = f"about {expected / 2**20:,.1f} MiB would do{rebuilt}"
                found.append(_finding(Weight.BLOATED, index, table, detail))
    return found


def _finding(weight: Weight, index: Index, table: Table, detail: str) -> Finding:
    return Finding(weight, str(index.name), str(table.name), index.bytes, detail)


def _may_be_unused(index: Index) -> bool:
    """A constraint's index, a unique one, or a part of a partitioned one has more to do than to be read."""
    return not (index.needed or index.shape.unique or index.parent is not None)


def _does_its_work(index: Index, table: Table) -> Index | None:
    """Another index that does all that this one does; of two equal ones the second is redundant."""
    if index.needed or index.parent is not None:
        return None
    return next((other for other in _others(index, table) if covers(other.shape, index.shape)), None)


def _others(index: Index, table: Table) -> Iterator[Index]:
    for other in table.indexes:
        if other is index or not (other.valid and other.live):
            continue
        same = covers(index.shape, other.shape) and not other.needed and other.parent is None
        if not same or other.oid < index.oid:
            yield other


async def _used(connection: asyncpg.Connection, standbys: Sequence[str]) -> tuple[set[tuple[str, str]], str]:
    """The indexes that were read, here or on a standby, and since when that is counted."""
    used, words = set(), []
    opened = [await connect(dsn, what="reads", database_only=True) for dsn in standbys]
    try:
        for one, where in zip((connection, *opened), ("here", *map(place, standbys)), strict=True):
            used |= {(row["schemaname"], row["indexrelname"]) for row in await one.fetch(SCANS)}
            since = await one.fetchrow(SINCE)
            start = (
                "since the server started, at least" if since["never"] else "since its statistics were reset"
            )
            words.append(f"{where}, {start} {since['days']:.1f} days ago")
    finally:
        for one in opened:
            await one.close(timeout=5)
    return used, "; ".join(words)
