"""Logs that are cut, or made anew under their name, while nobody looks or while somebody reads them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from quickwins.dedup import MemoryWindow, PostgresInbox
from quickwins.engines import Capability
from tests.eventually import DEADLINE_SECONDS, eventually
from tests.integration.dedup.consuming import House, house, send
from tests.integration.kafka.topics import create_topic
from tests.unit.dedup.records import Record, record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from quickwins.dedup import Context, Event, Store
    from tests.engines import Target

pytestmark = [pytest.mark.asyncio, pytest.mark.engines("kafka", "postgres")]
POSTS = "feed.public.posts"
NOW_MS = 1_700_000_000_000


def rows(count: int, *, first: int = 0) -> list[Record]:
    """Inserts, each in a transaction of its own."""
    return [
        record(
            key=b'{"id":%d}' % number,
            lsn=1_000 + 10 * number,
            commit=990 + 10 * number,
            transaction=number,
            after={"id": number, "user_id": 1, "body": "x", "likes": 0},
            ts_ms=NOW_MS,
        )
        for number in range(first, first + count)
    ]


@pytest_asyncio.fixture
async def posts(kafka: Target, postgres_database: str, topic_prefix: str) -> AsyncIterator[House]:
    async with house(kafka.url, postgres_database, topic_prefix, (POSTS,)) as made:
        yield made


async def cut(posts: House, before: int) -> None:
    """Delete all records before an offset, as retention does."""
    admin = AIOKafkaAdminClient(bootstrap_servers=posts.bootstrap)
    await admin.start()
    try:
        await admin.delete_records(
            {TopicPartition(posts.topics[0], 0): RecordsToDelete(before_offset=before)}
        )
    finally:
        await admin.close()


async def make_anew(posts: House) -> None:
    """Delete the topic, and make another one of its name."""
    admin = AIOKafkaAdminClient(bootstrap_servers=posts.bootstrap)
    await admin.start()
    try:
        await admin.delete_topics(posts.topics)
        await create_topic(posts.bootstrap, posts.topics[0])
    finally:
        await admin.close()


@pytest.mark.capability(Capability.DELETE_RECORDS)
async def test_what_came_after_all_before_it_had_expired_is_not_jumped_over(posts: House) -> None:
    await send(posts.bootstrap, rows(5), posts.prefix)
    async with posts.running(posts.dedup()) as (_, task):
        await posts.until(lambda offsets: list(offsets.values()) == [5], task)
    await cut(posts, 5)
    await send(posts.bootstrap, rows(3, first=5), posts.prefix)
    async with posts.running(posts.dedup(), auto_offset_reset="latest") as (_, task):
        await send(posts.bootstrap, rows(1, first=8), posts.prefix)
        await posts.until(lambda offsets: list(offsets.values()) == [9], task)
    assert await posts.pool.fetchval("SELECT count(*) FROM posts") == 9


async def test_whoever_comes_next_begins_where_the_first_one_did_though_nothing_had_its_effect_yet(
    posts: House,
) -> None:
    for number in range(2):
        await send(posts.bootstrap, rows(1, first=number), posts.prefix)
    at = TopicPartition(posts.topics[0], 0)
    dedup = posts.dedup()
    async with posts.consumer(auto_offset_reset="latest") as consumer, dedup.attach(consumer) as run:
        task = asyncio.create_task(run())
        async with asyncio.timeout(DEADLINE_SECONDS):
            while await consumer.committed(at) != 2:
                assert not task.done()
                await asyncio.sleep(0.01)
        await dedup.stop()
        await task
    await send(posts.bootstrap, rows(1, first=2), posts.prefix)
    async with posts.running(posts.dedup(), auto_offset_reset="latest") as (_, task):
        await posts.until(lambda offsets: list(offsets.values()) == [3], task)
    assert await posts.pool.fetchval("SELECT count(*) FROM posts") == 1


async def test_a_topic_made_anew_while_it_is_read_stops_its_partition(posts: House, caplog: Any) -> None:
    await send(posts.bootstrap, rows(5), posts.prefix)
    async with posts.running(posts.dedup()) as (run, task):
        await posts.until(lambda offsets: list(offsets.values()) == [5], task)
        await make_anew(posts)
        await send(posts.bootstrap, rows(3, first=5), posts.prefix)
        await eventually(lambda: run.quarantined or task.done())
        assert not task.done()
    assert "was deleted and created again" in caplog.text


@pytest.mark.parametrize(
    "store",
    [
        pytest.param(PostgresInbox, id="inbox"),
        pytest.param(lambda _: MemoryWindow(ttl_seconds=60, max_entries=1_000), id="window"),
    ],
)
async def test_a_topic_made_anew_while_it_is_read_is_told_by_its_ids(
    posts: House, store: Callable[[Any], Store]
) -> None:
    seen: list[int] = []

    async def note(events: Sequence[Event], _: Context) -> None:
        seen.extend(event.after["id"] for event in events)

    await send(posts.bootstrap, rows(5), posts.prefix)
    async with posts.running(posts.dedup(store=store(posts.pool), handler=note)) as (_, task):
        await eventually(lambda: len(seen) == 5 or task.done())
        await make_anew(posts)
        await send(posts.bootstrap, rows(4, first=3), posts.prefix)
        await eventually(lambda: len(seen) == 7 or task.done())
    assert seen == [*range(7)]
