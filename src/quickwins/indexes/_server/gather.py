"""All that a plan is made from, read in one go; nothing is written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import asyncpg

from quickwins.indexes._core.actions import Target
from quickwins.indexes._core.preconditions import Precondition
from quickwins.indexes._core.summary import Gathered
from quickwins.indexes._server import catalogue, history
from quickwins.indexes._server.holders import building, holders
from quickwins.indexes._server.probe import Probed, probe, size
from quickwins.indexes._statements import AttachIndex, CreateIndex, DropIndex, Reindex, Statement
from quickwins.indexes.errors import Blocked

if TYPE_CHECKING:
    from quickwins.indexes._core.facts import Server
    from quickwins.indexes.migration import Migration

LOCK_MILLISECONDS = 2000
LOCKED = """
    SELECT format('pid %s, application %L: %s', l.pid, a.application_name, left(a.query, 100)) AS who
    FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
    WHERE l.mode = 'AccessExclusiveLock' AND l.granted AND l.locktype = 'relation' AND l.relation >= 16384
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.pid <> pg_backend_pid()
    LIMIT 5
"""


class Gatherer:
    """Reads the facts, again and again; what an index would be is asked once for each table."""

    def __init__(self, migration: Migration, *, rollback: bool) -> None:
        self._migration = migration
        self._statements = migration.rollback if rollback else migration.statements
        self._probed: dict[tuple[Statement, int], Probed] = {}

    async def read(self, connection: asyncpg.Connection) -> Gathered:
        """The facts as they are now.

        Raises:
            Blocked: A table is locked as a whole, so that not even its size can be read.
        """
        await connection.execute(f"SET lock_timeout = {LOCK_MILLISECONDS}")
        try:
            return await self._read(connection)
        except asyncpg.LockNotAvailableError as error:
            who = "; ".join(row["who"] for row in await connection.fetch(LOCKED))
            raise Blocked(
                f"a table is locked as a whole, by {who or 'nobody any more'}", reason=Precondition.LOCKS
            ) from error
        finally:
            if not connection.is_closed():
                await connection.execute("SET lock_timeout = 0")

    async def _read(self, connection: asyncpg.Connection) -> Gathered:
        server = await catalogue.server(connection)
        # Before and after the indexes: one that begins or ends while they are read is no debris.
        running = await building(connection)
        targets = [await self._target(connection, one, server) for one in self._statements]
        whole = (target.table for target in targets if target.table is not None)
        tables = {one.oid: one for table in whole for one in table.tree()}
        return Gathered(
            server=server,
            targets=tuple(targets),
            building=tuple({*running, *await building(connection)}),
            holders=await holders(connection, tables.values()),
            past=await history.past(connection, self._migration.name),
        )

    async def _target(self, connection: asyncpg.Connection, one: Statement, server: Server) -> Target:
        if isinstance(one, CreateIndex):
            return await self._create(connection, one, server)
        if isinstance(one, Reindex) and one.of_table:
            oid = await catalogue.find(connection, one.target)
            return Target(one, table=await catalogue.table(connection, oid))
        name = (
            one.index
            if isinstance(one, DropIndex)
            else one.child
            if isinstance(one, AttachIndex)
            else one.target
        )
        oid = await catalogue.find(connection, name)
        table = await catalogue.table(connection, await catalogue.table_of(connection, oid))
        index = (
            next((index for index in table.indexes if index.oid == oid), None) if table is not None else None
        )
        return Target(one, table=table, index=index)

    async def _create(self, connection: asyncpg.Connection, one: CreateIndex, server: Server) -> Target:
        table = await catalogue.table(connection, await catalogue.find(connection, one.table))
        if table is None:
            return Target(one)
        target = Target(one, table=table)
        if table.kind not in {"r", "p", "m"} or server.standby or not table.owned:
            return target
        if (key := (one, table.oid)) not in self._probed:
            self._probed[key] = await probe(connection, one, table)
        probed = self._probed[key]
        if probed.shape is None and one.whole_row:
            return target
        if probed.shape is None:
            return replace(target, error=probed.error, lacking=probed.lacking)
        own = replace(table.name, name=one.index.name)
        taken = ""
        if table.index(one.index.name) is None and (oid := await catalogue.find(connection, own)):
            other = await catalogue.table(connection, await catalogue.table_of(connection, oid))
            taken = (
                f"an index on {other.name}"
                if other is not None
                else await catalogue.what_has(connection, own)
            )
        estimate = await size(connection, one, table, probed.shape)
        return replace(target, wanted=probed.shape, taken=taken, bytes=estimate)
