from __future__ import annotations

import asyncpg
import pytest

from quickwins.demo.service.database import FEED_QUERY, create_feed

pytestmark = pytest.mark.engines("postgres")

TABLES = ("users", "posts", "follows", "messages")
GOLDEN = {
    "users": "36c4cdc376f83cfd066d159391b54b47",
    "posts": "143e78819960cac2d7f800f624849702",
    "follows": "940f34576b69ce84558e5273e4e2b112",
    "messages": "76cf4865339690e4cb1ee5d8fb022658",
}
"""MD5 of each table of 100 posts, all columns, in the order of the ids."""


async def digests(url: str) -> dict[str, str]:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET timezone = 'UTC'")
        return {
            table: await connection.fetchval(
                f"SELECT md5(string_agg(md5(row_text), '' ORDER BY id)) FROM "
                f"(SELECT id, each::text AS row_text FROM {table} AS each) AS rows"
            )
            for table in TABLES
        }
    finally:
        await connection.close()


@pytest.mark.asyncio
async def test_the_same_number_of_rows_gives_the_same_rows_on_every_machine(postgres_database: str) -> None:
    told: list[str] = []
    counts = await create_feed(postgres_database, 100, told.append)
    assert (counts.users, counts.posts, counts.follows, counts.messages) == (10, 100, 100, 50)
    assert told == [
        f"filling {table}: {number} rows" for table, number in zip(TABLES, (10, 100, 100, 50), strict=True)
    ]
    assert await digests(postgres_database) == GOLDEN


@pytest.mark.asyncio
async def test_there_is_no_index_but_the_primary_keys(postgres_database: str) -> None:
    await create_feed(postgres_database, 10, lambda _: None)
    connection = await asyncpg.connect(postgres_database)
    try:
        names = await connection.fetch("SELECT indexname FROM pg_indexes WHERE schemaname = 'public'")
    finally:
        await connection.close()
    assert {row["indexname"] for row in names} == {f"{table}_pkey" for table in TABLES}


@pytest.mark.asyncio
async def test_a_feed_holds_its_connection_for_the_service_time_even_when_it_is_empty(
    postgres_database: str,
) -> None:
    await create_feed(postgres_database, 100, lambda _: None)
    connection = await asyncpg.connect(postgres_database)
    try:
        full = await connection.fetch(FEED_QUERY, 1, 5, 0.0)
        assert len(full) == 5
        assert [row["created_at"] for row in full] == sorted(
            (row["created_at"] for row in full), reverse=True
        )
        # A stranger's feed is empty; the server still has to be cancelled out of its sleep.
        await connection.execute("SET statement_timeout = '50ms'")
        with pytest.raises(asyncpg.QueryCanceledError):
            await connection.fetch(FEED_QUERY, 999, 5, 30.0)
    finally:
        await connection.close()
