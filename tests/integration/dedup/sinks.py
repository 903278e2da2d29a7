"""A sink outside of the deduplicator's reach, and what it checks before it does what it is asked to."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import asyncpg

from tests.integration.dedup.consuming import apply

if TYPE_CHECKING:
    from quickwins.dedup import Context, Event

TABLES = """
CREATE TABLE IF NOT EXISTS sink_fences (topic text, partition int, fence bigint, PRIMARY KEY (topic, partition));
CREATE TABLE IF NOT EXISTS sink_keys (key text PRIMARY KEY);
CREATE TABLE IF NOT EXISTS effects (id bigint);
"""

END_WHO_LEFT_US_WAITING = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event = 'ClientRead' AND xact_start < now() - interval '1 s'
"""


class StaleFence(Exception):
    """It comes from somebody whose time is over."""


class Sink:
    """Does what an event says in a database of its own, in a transaction that nobody else sees.

    It refuses what comes with a lower fence than it has seen of the partition, and does nothing twice for one key.
    """

    def __init__(self, pool: Any, *, checks: bool = True, effect: Any = apply) -> None:
        self._pool = pool
        self._effect = effect
        self._checks = checks

    async def send(self, event: Event, ctx: Context) -> None:
        """Do it, and wait for no caller that was stopped amid its request and holds its locks.

        Before PostgreSQL 17 no limit of the server ends such a session while a statement is being prepared: it is not idle.
        """
        while True:
            try:
                await self._send(event, ctx)
            except asyncpg.LockNotAvailableError:
                async with self._pool.acquire() as connection:
                    await connection.execute(END_WHO_LEFT_US_WAITING)
            else:
                return

    async def _send(self, event: Event, ctx: Context) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '1s'")
            if self._checks:
                highest = await connection.fetchval(
                    "INSERT INTO sink_fences AS mine VALUES ($1, $2, $3) ON CONFLICT (topic, partition) DO UPDATE "
                    "SET fence = greatest(mine.fence, excluded.fence) RETURNING fence",
                    ctx.topic,
                    ctx.partition,
                    ctx.fence,
                )
                if highest > ctx.fence:
                    raise StaleFence
                new = await connection.fetchval(
                    "INSERT INTO sink_keys VALUES ($1) ON CONFLICT DO NOTHING RETURNING true",
                    ctx.idempotency_key(event),
                )
                if not new:
                    return
            await self._effect([event], dataclasses.replace(ctx, tx=connection))

    async def highest(self, topic: str, partition: int) -> int:
        """The floor of new fences."""
        async with self._pool.acquire() as connection:
            found: int | None = await connection.fetchval(
                "SELECT fence FROM sink_fences WHERE topic = $1 AND partition = $2", topic, partition
            )
        return found or 0
