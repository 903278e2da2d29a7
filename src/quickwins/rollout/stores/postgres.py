"""Ramps in a table of PostgreSQL, for controllers on several machines.

A ramp is exclusive for as long as its transaction lasts, by an advisory lock on all ramps: they are few, and a group is about
several of them. What is put is there when the transaction commits.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from quickwins.core.errors import needs_extra
from quickwins.rollout.errors import RolloutBlocked, RolloutReason
from quickwins.rollout.stores.record import Record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from quickwins.rollout._core.state import State

CREATE = """CREATE TABLE IF NOT EXISTS quickwins_rollouts (
    service text, feature text, record jsonb NOT NULL, PRIMARY KEY (service, feature)
)"""
LOCK = 0x71775F726F6C6C  # "qw_roll"
WAIT_MILLISECONDS = 2000


class PostgresStore:
    """A table, `quickwins_rollouts`, which is made at the first use. Services share it: a group is one across all of them."""

    def __init__(self, pool: Any, *, service: str = "") -> None:
        """Keep ramps where `pool` connects to.

        Args:
            pool: An `asyncpg.Pool`, or what acquires as one does. It stays its owner's.
            service: Whose ramps: another service has its own ones of the same features.
        """
        self._pool = pool
        self._service = service
        self._has_table = False

    def __repr__(self) -> str:
        return "<PostgresStore>"

    @asynccontextmanager
    async def exclusive(self, feature: str) -> AsyncIterator[_Held]:
        """See `Store`; waits for 2 s at most.

        Raises:
            OSError: The server can't be reached, or says no.
        """
        with needs_extra("rollout"):
            import asyncpg

            from quickwins.core.asyncpg_errors import FAILED

        try:
            async with self._pool.acquire() as connection:
                async with connection.transaction():
                    await connection.execute(f"SET LOCAL lock_timeout = {WAIT_MILLISECONDS}")
                    await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
                    if not self._has_table:  # two that made it at once would meet in the catalogue
                        await connection.execute(CREATE)
                    rows = await connection.fetch(
                        "SELECT service, feature, record::text FROM quickwins_rollouts"
                    )
                    records = {
                        (row["service"], row["feature"]): Record.from_json(json.loads(row["record"]))
                        for row in rows
                    }
                    yield _Held(connection, (self._service, feature), records)
                self._has_table = True
        except asyncpg.LockNotAvailableError:
            raise RolloutBlocked(
                "another controller has had the ramps for 2 s", reason=RolloutReason.BUSY
            ) from None
        except FAILED as error:
            raise OSError(f"{type(error).__name__}: {error}") from error


class _Held:
    """See `stores.record.Held`."""

    def __init__(self, connection: Any, key: tuple[str, str], records: dict[tuple[str, str], Record]) -> None:
        self._connection = connection
        self._key = key
        self.record = records.pop(key, None)
        self.others: dict[str, State] = {
            feature if service == key[0] else f"{feature} of {service}": one.state
            for (service, feature), one in records.items()
        }

    async def put(self, record: Record) -> None:
        """See `stores.record.Held`."""
        self.record = record
        await self._connection.execute(
            "INSERT INTO quickwins_rollouts VALUES ($1, $2, $3::text::jsonb) "
            "ON CONFLICT (service, feature) DO UPDATE SET record = excluded.record",
            *self._key,
            json.dumps(record.as_json()),
        )
