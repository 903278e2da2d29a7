"""A feed's two large tables, filled by COPY, for the benchmarks of indexes."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import asyncpg

SCHEMA = """
    CREATE TABLE messages (id bigint PRIMARY KEY, sender_id bigint NOT NULL, body text NOT NULL,
                           created_at timestamptz NOT NULL, deleted_at timestamptz);
    CREATE TABLE posts (id bigint PRIMARY KEY, user_id bigint NOT NULL, body text NOT NULL,
                        created_at timestamptz NOT NULL, soft_delete timestamptz)
"""
START = datetime(2025, 1, 1, tzinfo=UTC)
DELETED_SHARE = 0.1
ROWS_PER_USER = 200


async def create(connection: asyncpg.Connection, messages: int, posts: int) -> int:
    """Make and fill both tables.

    Returns:
        How many users there are: each has some two hundred rows of either.
    """
    await connection.execute(SCHEMA)
    users = max(10, messages // ROWS_PER_USER)
    for table, rows in (("messages", messages), ("posts", posts)):
        await connection.copy_records_to_table(table, records=_rows(rows, users, seed=rows))
    await connection.execute("VACUUM ANALYZE messages")
    await connection.execute("VACUUM ANALYZE posts")
    return users


def _rows(count: int, users: int, seed: int) -> Iterator[tuple[int, int, str, datetime, datetime | None]]:
    rng = random.Random(seed)
    second = timedelta(seconds=1)
    for number in range(count):
        at = START + number * second
        yield (
            number,
            int(rng.random() * users),
            f"row {number} of the feed",
            at,
            at if rng.random() < DELETED_SHARE else None,
        )
