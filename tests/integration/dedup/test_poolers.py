"""PgBouncer between a consumer and the database of its effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio

from quickwins.dedup import DeadLetterTable, PostgresState
from tests.integration.dedup.consuming import House, apply, house, send, truth
from tests.pgbouncer import Mode, pgbouncer
from tests.unit.dedup.records import real_records, real_truth, record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from quickwins.dedup import Context, Event
    from tests.engines import Target

pytestmark = [pytest.mark.asyncio, pytest.mark.engines("kafka", "postgres")]
REAL = ("nova.public.posts", "nova.public.events_keyless")


@pytest_asyncio.fixture
async def posts(kafka: Target, postgres_database: str, topic_prefix: str) -> AsyncIterator[House]:
    async with house(kafka.url, postgres_database, topic_prefix, ("feed.public.posts",)) as made:
        yield made


@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_real_events_take_effect_once_behind_a_pooler(
    kafka: Target, postgres_database: str, topic_prefix: str, open_folder: Path, mode: Mode
) -> None:
    async with house(kafka.url, postgres_database, topic_prefix, REAL) as real:
        with pgbouncer(postgres_database, mode, open_folder) as url:
            async with asyncpg.create_pool(url, min_size=1, max_size=4, statement_cache_size=0) as pool:
                counts = await send(real.bootstrap, real_records(), real.prefix)
                dedup = real.dedup(store=PostgresState(pool, takeover_seconds=2))
                async with real.running(dedup) as (_, task):
                    await real.until(lambda offsets: offsets == counts, task)
        assert await truth(real.pool) == real_truth()


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.InvalidSQLStatementNameError,
        asyncpg.DuplicatePreparedStatementError,
        asyncpg.InvalidCachedStatementError,
        asyncpg.InternalClientError,  # the session is over, and its connection isn't yet
    ],
)
async def test_no_event_is_put_aside_for_a_statement_that_its_session_does_not_know(
    posts: House, error: type[Exception]
) -> None:
    """As behind a pooler in transaction mode, where the driver keeps statements all the same."""
    insert = record(key=b'{"id":1}', lsn=1_000, commit=990, transaction=1, after={"id": 1, "user_id": 1, "body": "x", "likes": 0})  # fmt: skip
    await send(posts.bootstrap, [insert], posts.prefix)
    left = 3

    async def unlucky(events: Sequence[Event], ctx: Context) -> None:
        nonlocal left
        if left:
            left -= 1
            raise error("prepared statement")
        await apply(events, ctx)

    dedup = posts.dedup(handler=unlucky, poison=DeadLetterTable(posts.pool, max_attempts=1))
    async with posts.running(dedup) as (_, task):
        await posts.until(lambda offsets: list(offsets.values()) == [1], task)
    assert await posts.pool.fetchval("SELECT count(*) FROM quickwins.dead_letters") == 0
    assert await posts.pool.fetchval("SELECT count(*) FROM posts") == 1
