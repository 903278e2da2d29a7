"""A sink outside of the deduplicator's reach, and what it checks before it does what it is asked to."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from tests.integration.dedup.consuming import apply

if TYPE_CHECKING:
    from quickwins.dedup import Context, Event

TABLES = """
CREATE TABLE IF NOT EXISTS sink_fences (topic text, partition int, fence bigint, PRIMARY KEY (topic, partition));
CREATE TABLE IF NOT EXISTS sink_keys (key text PRIMARY KEY);
CREATE TABLE IF NOT EXISTS effects (id bigint);
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
        async with self._pool.acquire() as connection, connection.transaction():
            # A server bounds a request whose caller was stopped. Amid a statement that is being prepared such a session is
            # not idle, whence the second limit.
            await connection.execute("SET LOCAL idle_in_transaction_session_timeout = '1s'")
            if connection.get_server_version().major >= 17:
                await connection.execute("SET LOCAL transaction_timeout = '2s'")
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
