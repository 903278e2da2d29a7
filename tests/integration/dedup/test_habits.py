"""What handlers and services do out of habit: each has its effect once, or is told what is wrong, and nothing waits for ever."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
import pytest_asyncio

from quickwins.core.errors import ConfigError
from quickwins.dedup import DeadLetterTable, DebeziumPostgres, Deduplicator, PostgresState
from tests.eventually import DEADLINE_SECONDS
from tests.integration.dedup.consuming import House, apply, house, send
from tests.integration.dedup.test_logs import POSTS, rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Sequence

    from quickwins.dedup import Context, Event
    from tests.engines import Target

pytestmark = [pytest.mark.asyncio, pytest.mark.engines("kafka", "postgres")]


@pytest_asyncio.fixture
async def posts(kafka: Target, postgres_database: str, topic_prefix: str) -> AsyncIterator[House]:
    async with house(kafka.url, postgres_database, topic_prefix, (POSTS,)) as made:
        await send(made.bootstrap, rows(4), made.prefix)
        yield made


async def swallows(events: Sequence[Event], ctx: Context) -> None:
    """Goes on behind an error of the database's, as one does without a transaction."""
    await apply(events, ctx)
    for event in events:
        if event.after["id"] == 2:
            with suppress(asyncpg.UniqueViolationError):
                await ctx.tx.execute("INSERT INTO posts VALUES (2)")  # it is there


async def ends(events: Sequence[Event], ctx: Context) -> None:
    await apply(events, ctx)
    await ctx.tx.execute("ROLLBACK")


def not_async(events: Sequence[Event], ctx: Context) -> None:
    """Forgets the word before `def`."""


def awaitable(events: Sequence[Event], ctx: Context) -> Awaitable[None]:
    """As a decorator without the word returns what is to be awaited."""
    return apply(events, ctx)


async def test_an_error_that_a_handler_has_swallowed_is_its_events_and_holds_up_no_partition(
    posts: House,
) -> None:
    dedup = posts.dedup(handler=swallows, poison=DeadLetterTable(posts.pool, max_attempts=2))
    async with posts.running(dedup) as (_, task):
        await posts.until(lambda offsets: list(offsets.values()) == [4], task)
    kept = await posts.pool.fetch("SELECT record_offset, error FROM quickwins.dead_letters")
    assert [row["record_offset"] for row in kept] == [2]
    assert kept[0]["error"].startswith("ErrorSwallowed")
    assert await posts.pool.fetchval("SELECT array_agg(id ORDER BY id) FROM posts") == [0, 1, 3]


@pytest.mark.parametrize("poison", [False, True])
@pytest.mark.parametrize(
    ("handler", "said"),
    [
        pytest.param(ends, "has ended the transaction", id="ends its transaction"),
        pytest.param(not_async, "make it with `async def`", id="is not async"),
    ],
)
@pytest.mark.parametrize("way", ["batch", "each"])
async def test_a_handler_that_cannot_be_one_ends_the_run_and_is_no_events_fault(
    posts: House, handler: Any, said: str, poison: bool, way: str
) -> None:
    dedup = Deduplicator(
        group=f"{posts.prefix}group",
        identity=DebeziumPostgres(incarnation="pg1"),
        store=PostgresState(posts.pool),
        poison=DeadLetterTable(posts.pool) if poison else None,
    )
    if way == "each":
        dedup.each()(lambda event, ctx: handler([event], ctx))
    else:
        dedup.batch()(handler)
    async with posts.consumer() as consumer, dedup.attach(consumer) as run:
        with pytest.raises(ConfigError, match=said):
            await asyncio.wait_for(run(), DEADLINE_SECONDS)
    if poison:
        assert await posts.pool.fetchval("SELECT count(*) FROM quickwins.dead_letters") == 0


async def test_a_function_that_returns_what_is_to_be_awaited_is_a_handler(posts: House) -> None:
    def decode(value: bytes) -> Any:
        return json.loads(value)

    async with posts.running(
        posts.dedup(handler=awaitable), value_deserializer=decode, key_deserializer=decode
    ) as (_, task):
        await posts.until(lambda offsets: list(offsets.values()) == [4], task)
    assert await posts.pool.fetchval("SELECT count(*) FROM posts") == 4


async def test_a_consumer_that_was_not_started_is_told_so(posts: House) -> None:
    dedup = posts.dedup()
    for consumer in (posts.consumer(), posts.consumer(subscribe=True)):
        async with dedup.attach(consumer) as run:
            with pytest.raises(ConfigError, match="was not started"):
                await asyncio.wait_for(run(), DEADLINE_SECONDS)
        await consumer.stop()


async def test_a_consumer_that_reads_no_topic_is_told_so(posts: House) -> None:
    async with posts.consumer(subscribe=None) as consumer, posts.dedup().attach(consumer) as run:
        with pytest.raises(ConfigError, match="reads no topic"):
            await asyncio.wait_for(run(), DEADLINE_SECONDS)
