"""A topic of real change events, a consumer in front of it, and the database that they must end in."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from quickwins.dedup import DebeziumPostgres, Deduplicator, Op, PostgresState
from tests.eventually import DEADLINE_SECONDS
from tests.integration.kafka.topics import create_topic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from quickwins.dedup import Context, Event, Record, Run

TABLES = """
CREATE TABLE posts (id bigint PRIMARY KEY, user_id bigint, body text, likes bigint);
CREATE TABLE events_keyless (kind text, n bigint);
CREATE TABLE applied (topic text, record_offset bigint);
"""


async def apply(events: Sequence[Event], ctx: Context) -> None:
    """What a projector does: not one of these statements may be done twice."""
    for event in events:
        await ctx.tx.execute("INSERT INTO applied VALUES ($1, $2)", ctx.topic, event.record.offset)
        if event.table == "public.events_keyless":
            row = event.after
            await ctx.tx.execute("INSERT INTO events_keyless VALUES ($1, $2)", row["kind"], row["n"])
        elif event.op is Op.DELETE:
            await ctx.tx.execute("DELETE FROM posts WHERE id = $1", event.before["id"])
        elif event.table == "public.posts":
            row = event.after
            await ctx.tx.execute(
                "INSERT INTO posts VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE "
                "SET user_id = excluded.user_id, body = excluded.body, likes = excluded.likes",
                *(row[name] for name in ("id", "user_id", "body", "likes")),
            )


async def truth(pool: asyncpg.Pool) -> dict[str, list[list[Any]]]:
    """What the database holds, as the real one's final state is written down."""
    posts = await pool.fetch("SELECT id, user_id, body, likes FROM posts")
    keyless = await pool.fetch("SELECT kind, n, count(*) FROM events_keyless GROUP BY 1, 2")
    return {
        "posts": sorted([*row] for row in posts),
        "events_keyless": sorted([*row] for row in keyless),
    }


async def send(bootstrap: str, records: Sequence[Record], prefix: str) -> dict[str, int]:
    """Send records to topics of this test, each to its partition, in order; how many each topic has then."""
    counts: dict[str, int] = {}
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5) as producer:
        for record in records:
            topic = f"{prefix}{record.topic}"
            counts[topic] = counts.get(topic, 0) + 1
            await producer.send(
                topic, record.value, key=record.key, partition=record.partition, headers=record.headers
            )
    return counts


@dataclass
class House:
    """A broker's topics, a database, and what consumes the one into the other."""

    bootstrap: str
    pool: asyncpg.Pool
    prefix: str
    topics: list[str]

    def consumer(
        self, *, partitions: int = 1, subscribe: bool | None = False, **options: Any
    ) -> AIOKafkaConsumer:
        """One with all partitions; with `subscribe` one of a group, which takes seconds to come together; `None`: neither."""
        made = AIOKafkaConsumer(
            **{
                "bootstrap_servers": self.bootstrap,
                "group_id": f"{self.prefix}group",
                "auto_offset_reset": "earliest",
                "enable_auto_commit": False,
                "heartbeat_interval_ms": 300,
                "session_timeout_ms": 6_000,
                **options,
            },
        )
        if subscribe:
            made.subscribe(self.topics)
        elif subscribe is not None:
            made.assign(
                [TopicPartition(topic, number) for topic in self.topics for number in range(partitions)]
            )
        return made

    def dedup(self, *, handler: Any = apply, max_records: int = 200, **options: Any) -> Deduplicator:
        made = Deduplicator(
            **{
                "group": f"{self.prefix}group",
                "identity": DebeziumPostgres(incarnation="pg1"),
                "store": PostgresState(self.pool, takeover_seconds=2),
                **options,
            }
        )
        made.batch(max_records=max_records)(handler)
        return made

    async def next_offsets(self) -> dict[str, int]:
        if not await self.pool.fetchval("SELECT to_regclass('quickwins.dedup_cursors') IS NOT NULL"):
            return {}
        rows = await self.pool.fetch("SELECT topic, coalesce(next_offset, 0) FROM quickwins.dedup_cursors")
        return {topic: offset for topic, offset in rows}  # noqa: C416 -- rows are no pairs to mypy; until=never

    @asynccontextmanager
    async def running(
        self, dedup: Deduplicator, **options: Any
    ) -> AsyncIterator[tuple[Run, asyncio.Task[None]]]:
        async with self.consumer(**options) as consumer, dedup.attach(consumer) as run:
            task = asyncio.create_task(run())
            try:
                yield run, task
            finally:
                await dedup.stop()
                await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), DEADLINE_SECONDS)

    async def until_true(self, query: str, *tasks: asyncio.Task[None]) -> None:
        """Wait for the database to say yes; a task that ends before is a failure."""
        async with asyncio.timeout(2 * DEADLINE_SECONDS):
            while not await self.pool.fetchval(query):
                for task in tasks:
                    assert not task.done(), task
                await asyncio.sleep(0.01)

    async def until(self, condition: Callable[[dict[str, int]], bool], *tasks: asyncio.Task[None]) -> None:
        """Wait for the cursors to be so; a task that ends before is a failure."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not condition(await self.next_offsets()):
                for task in tasks:
                    assert not task.done(), task
                await asyncio.sleep(0.01)


@asynccontextmanager
async def house(
    bootstrap: str, dsn: str, prefix: str, topics: Sequence[str], *, partitions: int = 1
) -> AsyncIterator[House]:
    """Everything there, and nothing consumed."""
    named = [f"{prefix}{topic}" for topic in topics]
    for topic in named:
        await create_topic(bootstrap, topic, partitions)
    async with asyncpg.create_pool(dsn, min_size=1, max_size=4) as pool:
        await pool.execute(TABLES)
        yield House(bootstrap, pool, prefix, named)
