"""Who would hold a build up, and who does: sessions, prepared transactions, other builds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.indexes._core.facts import Building, Holder, Holding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

    from quickwins.indexes._core.facts import Table
    from quickwins.indexes._statements import Name

SNAPSHOTS = """
    SELECT a.pid, coalesce(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.query_start)), 0)::float8 AS age,
           a.application_name, a.query, a.state, a.usename
    FROM pg_stat_activity AS a
    LEFT JOIN pg_stat_progress_create_index AS p ON p.pid = a.pid
    LEFT JOIN pg_index AS i ON i.indexrelid = p.index_relid
    WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_xmin IS NOT NULL
      -- The server itself waits for none of these: vacuums, senders, and builds of plain columns.
      AND a.backend_type NOT IN ('autovacuum worker', 'walsender', 'parallel worker')
      AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum AS v WHERE v.pid = a.pid)
      AND (i.indexrelid IS NULL OR i.indpred IS NOT NULL OR i.indexprs IS NOT NULL)
    ORDER BY age DESC
    LIMIT 50
"""
"""Whoever has a snapshot: the last phase of a build waits for it, on whichever table it is. An idle READ COMMITTED
transaction has none, nor has another database's session."""

LOCKS = """
    SELECT l.relation, l.pid, l.mode, l.granted, a.application_name, coalesce(a.query, '') AS query, a.state, a.usename,
           a.backend_type, x.gid, x.owner,
           coalesce(extract(epoch FROM clock_timestamp() - coalesce(x.prepared, a.xact_start, a.query_start)), 0)::float8 AS age
    FROM pg_locks AS l
    LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
    LEFT JOIN pg_locks AS t ON l.pid IS NULL AND t.locktype = 'transactionid' AND t.virtualtransaction = l.virtualtransaction
    LEFT JOIN pg_prepared_xacts AS x ON x.transaction = t.transactionid
    WHERE l.locktype = 'relation' AND l.relation = ANY($1::oid[]) AND l.pid IS DISTINCT FROM pg_backend_pid()
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY age DESC
"""
"""Who has the table locked. A prepared transaction has no process: it is found by the number of its transaction."""

BUILDING = """
    SELECT p.pid, p.index_relid, p.relid, a.application_name
    FROM pg_stat_progress_create_index AS p JOIN pg_stat_activity AS a ON a.pid = p.pid
    WHERE p.datname = current_database() AND p.pid <> pg_backend_pid() AND p.relid IS NOT NULL
"""

BLOCKERS = """
    SELECT a.pid, a.application_name, a.query, a.state, a.usename, a.backend_type,
           coalesce(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.query_start)), 0)::float8 AS age
    FROM pg_stat_activity AS a WHERE a.pid = ANY($1::int[])
"""

_READING = {"AccessShareLock", "RowShareLock"}
_CHANGING = {"ShareUpdateExclusiveLock", "AccessExclusiveLock", "ShareLock"}
_WRAPAROUND = "to prevent wraparound"


async def holders(connection: asyncpg.Connection, tables: Iterable[Table]) -> dict[Name, tuple[Holder, ...]]:
    """Who would hold up a build on each of `tables`; those with a snapshot are in the list of each."""
    named = {table.oid: table.name for table in tables}
    snapshots = [
        Holder(
            Holding.SNAPSHOT,
            row["pid"],
            row["age"],
            row["application_name"] or "",
            row["query"] or "",
            row["state"] or "",
            row["usename"] or "",
        )
        for row in await connection.fetch(SNAPSHOTS)
    ]
    found: dict[Name, list[Holder]] = {name: [] for name in named.values()}
    for row in await connection.fetch(LOCKS, list(named)):
        if (holder := _of_lock(row)) is not None:
            found[named[row["relation"]]].append(holder)
    return {name: (*locks, *snapshots) for name, locks in found.items()}


def _of_lock(row: asyncpg.Record) -> Holder | None:
    get = row.__getitem__
    mode, query = get("mode"), get("query")
    if get("pid") is None:
        if mode in _READING:
            return None
        return Holder(Holding.PREPARED, 0, get("age"), query=get("gid") or "unknown", user=get("owner") or "")
    if get("backend_type") == "autovacuum worker":
        if _WRAPAROUND not in query:
            return None  # it gives way to a build after a second
        holding = Holding.VACUUM
    elif mode in _READING:
        holding = Holding.READER
    elif mode in _CHANGING:
        holding = Holding.BUILD
    else:
        holding = Holding.LOCK
    return Holder(
        holding,
        get("pid"),
        get("age"),
        get("application_name") or "",
        query,
        get("state") or "",
        get("usename") or "",
    )


async def building(connection: asyncpg.Connection) -> list[Building]:
    """The builds of this database that our role may see; those of other roles take `pg_read_all_stats`."""
    return [
        Building(row["pid"], row["index_relid"] or 0, row["relid"] or 0, row["application_name"] or "")
        for row in await connection.fetch(BUILDING)
    ]


async def blockers(connection: asyncpg.Connection, pids: Sequence[int], table: int) -> tuple[Holder, ...]:
    """Who holds up the session whose `pg_blocking_pids` these are; 0 stands for a prepared transaction."""
    named = {row["pid"]: row for row in await connection.fetch(BLOCKERS, [pid for pid in pids if pid])}
    found = [
        Holder(
            Holding.VACUUM if row["backend_type"] == "autovacuum worker" else Holding.LOCK,
            pid, row["age"], row["application_name"] or "", row["query"] or "", row["state"] or "", row["usename"] or "",
        )
        for pid, row in named.items()
    ]  # fmt: skip
    if 0 in pids:
        locks = [_of_lock(row) for row in await connection.fetch(LOCKS, [table])]
        found += [one for one in locks if one is not None and one.holding is Holding.PREPARED]
    return tuple(found)
