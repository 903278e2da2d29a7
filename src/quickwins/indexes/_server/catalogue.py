"""What the catalogue says of tables and indexes; look-ups go by schema, and by names as the server cuts them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from quickwins.indexes._core.facts import Index, Key, Server, Shape, Table
from quickwins.indexes._statements import Name

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg


SERVER = """
    SELECT current_setting('server_version_num')::int AS version, pg_is_in_recovery() AS standby, pg_backend_pid() AS pid,
           current_database() AS database, pg_has_role('pg_read_all_stats', 'USAGE') AS sees_others,
           CASE WHEN NOT has_schema_privilege(to_regnamespace('quickwins'), 'USAGE') THEN false
                WHEN to_regclass('quickwins.index_history') IS NOT NULL
                THEN has_table_privilege('quickwins.index_history', 'INSERT') AND has_table_privilege('quickwins.index_history', 'SELECT')
                WHEN to_regnamespace('quickwins') IS NOT NULL THEN has_schema_privilege('quickwins', 'CREATE')
                ELSE has_database_privilege(current_database(), 'CREATE') END AS may_keep_history
"""

TABLES = """
    SELECT c.oid, n.nspname, c.relname, c.reltoastrelid AS toast, c.relkind::text AS kind, c.reltuples::float8 AS rows, pg_table_size(c.oid) AS bytes,
           pg_has_role(c.relowner, 'USAGE') AND has_schema_privilege(n.oid, 'CREATE') AS owned,
           ARRAY(SELECT i.inhrelid FROM pg_inherits AS i JOIN pg_class AS p ON p.oid = i.inhrelid
                 WHERE i.inhparent = c.oid AND c.relkind = 'p' ORDER BY p.relname) AS partitions
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = ANY($1::oid[])
"""

IN_SCHEMA = """
    SELECT c.oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2
"""

INDEXES = """
    SELECT i.indrelid, c.oid, n.nspname, c.relname, c.relkind = 'I' AS partitioned, am.amname, i.indisunique, i.indisvalid,
           i.indisready, i.indislive, i.indnkeyatts::int AS keys, c.reloptions, pg_relation_size(c.oid) AS bytes,
           coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false) AS nulls_not_distinct,
           coalesce(pg_get_expr(i.indpred, i.indrelid), '') AS predicate,
           ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, false) FROM generate_series(1, i.indnatts) AS k) AS texts,
           ARRAY(SELECT a.attnum = 0 FROM unnest(i.indkey::int2[]) AS a (attnum)) AS expressions,
           ARRAY(SELECT coalesce(s.nspname || '.' || o.opcname, '') || coalesce(x.attoptions::text, '')
                 FROM unnest(i.indclass::oid[]) WITH ORDINALITY AS u (oid, k)
                 LEFT JOIN pg_opclass AS o ON o.oid = u.oid LEFT JOIN pg_namespace AS s ON s.oid = o.opcnamespace
                 LEFT JOIN pg_attribute AS x ON x.attrelid = i.indexrelid AND x.attnum = u.k ORDER BY u.k) AS opclasses,
           ARRAY(SELECT coalesce(s.nspname || '.' || o.collname, '')
                 FROM unnest(i.indcollation::oid[]) WITH ORDINALITY AS u (oid, k)
                 LEFT JOIN pg_collation AS o ON o.oid = u.oid LEFT JOIN pg_namespace AS s ON s.oid = o.collnamespace
                 ORDER BY u.k) AS collations,
           i.indoption::int2[] AS options, pn.nspname AS parent_schema, p.relname AS parent_name,
           i.indisexclusion, i.indisreplident,
           EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x')) AS constrained,
           EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = c.oid AND k.contype = 'f') AS referenced,
           i.indexprs IS NULL OR EXISTS (SELECT FROM pg_stats AS s WHERE s.schemaname = n.nspname AND s.tablename = c.relname)
               AS has_statistics,
           has_schema_privilege(n.oid, 'USAGE') AS reachable
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_am AS am ON am.oid = c.relam
    LEFT JOIN pg_inherits AS h ON h.inhrelid = c.oid
    LEFT JOIN pg_class AS p ON p.oid = h.inhparent
    LEFT JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
    WHERE i.indrelid = ANY($1::oid[])
    ORDER BY c.relname
"""


async def server(connection: asyncpg.Connection) -> Server:
    """The server, and what our role may do on it."""
    row = await connection.fetchrow(SERVER)
    assert row is not None
    return Server(
        version=row["version"],
        standby=row["standby"],
        # A pooler gives its clients numbers of its own.
        proxied=row["pid"] != connection.get_server_pid(),
        may_keep_history=row["may_keep_history"],
        sees_others=row["sees_others"],
        database=row["database"],
    )


async def find(connection: asyncpg.Connection, name: Name) -> int:
    """The number of the relation that `name` means in this session; 0: there is none."""
    if name.schema:  # `to_regclass` fails for a schema that our role may not use
        return int(await connection.fetchval(IN_SCHEMA, name.schema, name.name) or 0)
    return int(await connection.fetchval("SELECT coalesce(to_regclass($1)::oid, 0)", name.sql) or 0)


async def what_has(connection: asyncpg.Connection, name: Name) -> str:
    """What has the name `name`, unless it is an index: for people."""
    kinds = "('r','a table'),('p','a table'),('v','a view'),('m','a materialized view'),('S','a sequence'),('c','a type'),('f','a table')"
    query = (
        f"SELECT k.what FROM pg_class AS c JOIN (VALUES {kinds}) AS k (kind, what) ON k.kind = c.relkind::text "  # noqa: S608 -- a constant; until=never
        "WHERE c.oid = to_regclass($1)"
    )
    return str(await connection.fetchval(query, name.sql) or "")


async def table_of(connection: asyncpg.Connection, index: int) -> int:
    """The number of the table that the index with that number is on; 0: it is no index."""
    return int(await connection.fetchval("SELECT indrelid FROM pg_index WHERE indexrelid = $1", index) or 0)


async def table(connection: asyncpg.Connection, oid: int) -> Table | None:
    """The table with that number, its indexes and all its partitions."""
    found = await tables(connection, [oid])
    return found[0] if found else None


async def tables(connection: asyncpg.Connection, oids: Sequence[int]) -> list[Table]:
    """The tables with these numbers, with their indexes and all their partitions."""
    rows = await connection.fetch(TABLES, oids)
    indexes = await indexes_on(connection, [*oids, *(row["toast"] for row in rows)])
    below = [oid for row in rows for oid in row["partitions"]]
    partitions = {one.oid: one for one in await tables(connection, below)} if below else {}
    made = {
        row["oid"]: Table(
            oid=row["oid"],
            name=Name(row["relname"], row["nspname"]),
            kind=row["kind"],
            rows=row["rows"],
            bytes=row["bytes"] or 0,
            indexes=tuple(indexes.get(row["oid"], ())),
            toast=tuple(indexes.get(row["toast"], ())),
            partitions=tuple(partitions[oid] for oid in row["partitions"] if oid in partitions),
            owned=row["owned"],
        )
        for row in rows
    }
    whole = [made[oid] for oid in oids if oid in made]
    return [_summed(one) if one.partitioned else one for one in whole]


def _summed(one: Table) -> Table:
    counted = [max(0.0, part.rows) for part in one.partitions]
    return replace(one, rows=sum(counted), bytes=sum(part.bytes for part in one.partitions))


async def indexes_on(connection: asyncpg.Connection, oids: Sequence[int]) -> dict[int, list[Index]]:
    """The indexes of each of these tables."""
    found: dict[int, list[Index]] = {}
    for row in await connection.fetch(INDEXES, oids):
        found.setdefault(row["indrelid"], []).append(_index(row))
    return found


def _index(row: Any) -> Index:
    count = row["keys"]
    keys = zip(
        row["texts"][:count],
        row["opclasses"],
        row["collations"],
        row["options"],
        row["expressions"],
        strict=False,
    )
    parent = Name(row["parent_name"], row["parent_schema"]) if row["parent_name"] else None
    return Index(
        oid=row["oid"],
        name=Name(row["relname"], row["nspname"]),
        shape=Shape(
            method=row["amname"],
            keys=tuple(Key(*key) for key in keys),
            unique=row["indisunique"],
            nulls_not_distinct=row["nulls_not_distinct"],
            include=tuple(row["texts"][count:]),
            predicate=row["predicate"],
            options=tuple(sorted(map(_option, row["reloptions"] or ()))),
        ),
        valid=row["indisvalid"],
        ready=row["indisready"],
        live=row["indislive"],
        partitioned=row["partitioned"],
        parent=parent,
        needed=_needed(row),
        exclusion=row["indisexclusion"],
        bytes=row["bytes"] or 0,
        has_statistics=row["has_statistics"],
        reachable=row["reachable"],
    )


def _option(text: str) -> str:
    """A storage parameter: the server keeps the word for yes or no that was said, and takes several for the same."""
    name, _, value = text.partition("=")
    return f"{name}={_SAME.get(value.lower(), value)}"


_SAME = {"true": "on", "yes": "on", "false": "off", "no": "off", "on": "on", "off": "off"}


def _needed(row: Any) -> str:
    if row["constrained"]:
        return "a constraint"
    if row["referenced"]:
        return "another table's foreign key"
    return "replication, as the table's identity" if row["indisreplident"] else ""
