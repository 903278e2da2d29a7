"""Effects in PostgreSQL of events in any order and any partition, each once by its id."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer, TopicPartition
from prometheus_client import CollectorRegistry

from quickwins.backpressure import Gate, GatedPool
from quickwins.core.errors import ConfigError
from quickwins.core.flags import Flags, MemorySource
from quickwins.dedup import DeadLetterTable, DebeziumPostgres, Decision, HeaderId, PostgresInbox
from quickwins.dedup.settings import DedupSettings
from quickwins.dedup.stores._base import Place
from tests.integration.dedup.consuming import House, house, send, truth
from tests.unit.dedup.records import Record, real_records, real_truth, record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from quickwins.dedup import Context, Event
    from quickwins.dedup.stores._base import Held
    from tests.engines import Target

pytestmark = [pytest.mark.asyncio, pytest.mark.engines("kafka", "postgres")]
REAL = ("nova.public.posts", "nova.public.events_keyless")
POSTS = "feed.public.posts"
PARTITIONS = 2


@pytest_asyncio.fixture
async def posts(kafka: Target, postgres_database: str, topic_prefix: str) -> AsyncIterator[House]:
    async with house(kafka.url, postgres_database, topic_prefix, (POSTS,), partitions=PARTITIONS) as made:
        yield made


def row(number: int, *, second: float = 1_000.0) -> Record:
    """An insert in a transaction of its own, that happened at `second`."""
    return record(
        key=b'{"id":%d}' % number,
        lsn=1_000 + 10 * number,
        commit=990 + 10 * number,
        transaction=number,
        after={"id": number, "user_id": 1, "body": "x", "likes": 0},
        ts_ms=int(second * 1000),
    )


async def produce(made: House, records: Sequence[Record], partition: int = 0) -> None:
    async with AIOKafkaProducer(bootstrap_servers=made.bootstrap) as producer:
        for one in records:
            await producer.send(
                made.topics[0], one.value, key=one.key, partition=partition, headers=[*one.headers]
            )


async def read_all(made: House, counts: dict[int, int], **options: Any) -> None:
    """Consume until Kafka was told that so many records of each partition had their effect."""
    options = {"store": PostgresInbox(made.pool, takeover_seconds=2), **options}
    dedup = made.dedup(**options)
    async with made.consumer(partitions=PARTITIONS) as consumer, dedup.attach(consumer) as run:
        task = asyncio.create_task(run())
        async with asyncio.timeout(20):
            for partition, count in counts.items():
                at = TopicPartition(made.topics[0], partition)
                while await consumer.committed(at) != count:
                    assert not task.done(), task
                    await asyncio.sleep(0.01)
        await dedup.stop()
        await task


async def buckets(made: House) -> list[str]:
    rows = await made.pool.fetch(
        "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid "
        "WHERE inhparent = 'quickwins.dedup_inbox'::regclass ORDER BY 1"
    )
    return [found["relname"].removeprefix("dedup_inbox_") for found in rows]


async def test_real_events_with_their_duplicates_end_in_the_sources_own_state(
    kafka: Target, postgres_database: str, topic_prefix: str
) -> None:
    async with house(kafka.url, postgres_database, topic_prefix, REAL) as real:
        counts = await send(real.bootstrap, real_records(), real.prefix)
        dedup = real.dedup(store=PostgresInbox(real.pool))
        async with real.consumer() as consumer, dedup.attach(consumer) as run:
            task = asyncio.create_task(run())
            async with asyncio.timeout(20):
                while await truth(real.pool) != real_truth():
                    assert not task.done(), task
                    await asyncio.sleep(0.05)
            await dedup.stop()
            await task
            told = {at.topic: await consumer.committed(at) for at in consumer.assignment()}
        assert await truth(real.pool) == real_truth()
        assert told == counts


async def test_an_event_is_applied_once_in_whatever_partition_and_order_it_comes(posts: House) -> None:
    await produce(posts, [row(number) for number in (3, 1, 2, 1)], partition=0)
    await produce(posts, [row(number) for number in (2, 4, 3)], partition=1)
    await read_all(posts, {0: 4, 1: 3})
    assert [found["id"] for found in await posts.pool.fetch("SELECT id FROM posts ORDER BY 1")] == [
        1,
        2,
        3,
        4,
    ]
    assert await posts.pool.fetchval("SELECT count(*) FROM applied") == 4
    await produce(posts, [row(4), row(5)], partition=0)
    await read_all(posts, {0: 6})
    assert await posts.pool.fetchval("SELECT count(*) FROM applied") == 5


async def test_batches_with_the_same_events_in_opposite_order_wait_for_each_other_and_never_in_a_circle(
    posts: House,
) -> None:
    store, identity = PostgresInbox(posts.pool), DebeziumPostgres(incarnation="pg1")
    await store.prepare()
    one, other = [
        await store.take(Place("group", "", POSTS, partition), identity, PARTITIONS) for partition in (0, 1)
    ]

    async def new(held: Held, records: Sequence[Record]) -> int:
        async with held.batch(records, on=True, puts_aside=False, passed={}) as work:
            return len(work.batch.events)

    for start in range(0, 12_000, 3_000):
        there = [replace(row(number), offset=number) for number in range(start, start + 3_000)]
        back = [replace(one, offset=start + at, partition=1) for at, one in enumerate(reversed(there))]
        assert sum(await asyncio.gather(new(one, there), new(other, back))) == 3_000


async def test_what_is_older_than_the_retention_is_dropped_and_an_event_from_then_put_aside(
    posts: House,
) -> None:
    inbox = {"store": PostgresInbox(posts.pool, retention_seconds=80)}
    poison = DeadLetterTable(posts.pool)
    await produce(posts, [row(1, second=1_000), row(2, second=1_050)])
    await read_all(posts, {0: 2}, **inbox)
    assert await buckets(posts) == ["1_100", "1_105"]
    await produce(posts, [row(3, second=1_085), row(4, second=1_130)])
    await read_all(posts, {0: 4}, **inbox)
    assert await buckets(posts) == ["1_105", "1_108", "1_113"]
    await produce(posts, [row(1, second=1_000), row(2, second=1_050)])
    await read_all(posts, {0: 6}, poison=poison, **inbox)
    letters = await posts.pool.fetch("SELECT record_offset, reason FROM quickwins.dead_letters")
    assert [tuple(letter) for letter in letters] == [(4, "too_old")]
    assert await posts.pool.fetchval("SELECT count(*) FROM applied") == 4


async def test_an_event_that_is_dated_in_the_future_has_nothing_forgotten_before_its_time(
    posts: House,
) -> None:
    inbox = {"store": PostgresInbox(posts.pool, retention_seconds=80), "poison": DeadLetterTable(posts.pool)}
    lately = int(time.time()) - 1_000
    ahead = [row(2, second=4_000_000_000), row(3, second=lately + 5_000)]
    await produce(posts, [row(1, second=lately), ahead[0]])
    await read_all(posts, {0: 2}, **inbox)
    await produce(posts, [row(4, second=lately + 10), *ahead, ahead[1], row(1, second=lately)])
    await read_all(posts, {0: 7}, **inbox)
    assert await posts.pool.fetch("SELECT reason FROM quickwins.dead_letters") == []
    assert await posts.pool.fetchval("SELECT count(*) FROM applied") == 4


async def test_a_partition_that_nobody_has_read_yet_keeps_everything(posts: House) -> None:
    inbox = PostgresInbox(posts.pool, retention_seconds=80)
    await produce(posts, [row(1, second=1_000)], partition=1)
    dedup = posts.dedup(store=inbox)
    async with posts.consumer(partitions=1) as consumer, dedup.attach(consumer) as run:
        task = asyncio.create_task(run())
        for number in range(2, 6):
            await produce(posts, [row(number, second=1_000 + 100 * number)])
            while await consumer.committed(TopicPartition(posts.topics[0], 0)) != number - 1:
                assert not task.done()
                await asyncio.sleep(0.01)
        await dedup.stop()
        await task
    assert len(await buckets(posts)) == 4
    await read_all(posts, {0: 4, 1: 1}, store=inbox)
    assert await posts.pool.fetchval("SELECT count(*) FROM applied") == 5


async def test_turned_off_every_event_is_applied_and_its_id_is_remembered_all_the_same(posts: House) -> None:
    await produce(posts, [row(1), row(1)])
    flags = Flags({"dedup": DedupSettings}, [MemorySource({"dedup": {"enabled": False}})])
    await read_all(posts, {0: 2}, flag=flags.flag("dedup"))
    assert await posts.pool.fetchval("SELECT count(*) FROM applied") == 2
    await produce(posts, [row(1), row(2)])
    await read_all(posts, {0: 4})
    assert await posts.pool.fetchval("SELECT count(*) FROM applied") == 3


async def test_an_id_that_comes_with_another_payload_is_no_new_event_and_is_counted(posts: House) -> None:
    async def nothing(_: Sequence[Event], __: Context) -> None: ...

    registry = CollectorRegistry()
    identity = HeaderId("id", time=lambda _: 1_000.0)
    named = [Record(key=b"k", value=value, headers=(("id", b"7"),)) for value in (b"1", b"1", b"2")]
    await produce(posts, named)
    await read_all(posts, {0: 3}, identity=identity, handler=nothing, registry=registry)
    await produce(posts, named[2:])
    await read_all(posts, {0: 4}, identity=identity, handler=nothing, registry=registry)
    found = {sample.name: sample.value for family in registry.collect() for sample in family.samples}
    assert found["kafka_dedup_altered_total"] == 2


async def test_a_pool_of_one_connection_is_enough(posts: House, postgres_database: str) -> None:
    await produce(posts, [row(number) for number in (1, 2, 1, 3)])
    await produce(posts, [row(number) for number in (3, 4)], partition=1)
    async with asyncpg.create_pool(postgres_database, min_size=1, max_size=1) as one:
        gated = GatedPool(one, gate=Gate.queue(), name="dedup")
        await read_all(
            posts,
            {0: 4, 1: 2},
            store=PostgresInbox(gated),
            poison=DeadLetterTable(gated),
            max_records=2,
        )
    assert await posts.pool.fetchval("SELECT count(*) FROM applied") == 4


async def test_explains_a_record_with_where_its_id_came_first(posts: House) -> None:
    await produce(posts, [row(1), row(2)])
    dedup = posts.dedup(store=PostgresInbox(posts.pool))
    topic = posts.topics[0]
    async with posts.consumer(partitions=PARTITIONS) as consumer, dedup.attach(consumer) as run:
        task = asyncio.create_task(run())
        await posts.until_true("SELECT count(*) = 2 FROM applied", task)
        await dedup.stop()
        await task
        again, new = row(2), row(9)
        known = await dedup.explain(Record(topic, 1, 5, again.key, again.value))
        assert known.decision is Decision.DUP_SOURCE
        assert (known.evidence["partition"], known.evidence["offset"]) == (0, 1)
        assert (await dedup.explain(Record(topic, 1, 5, new.key, new.value))).decision is Decision.NEW
        assert (await dedup.explain(Record(topic, 0, 0, b"1", b"x"))).decision is Decision.DUP_OFFSET


async def test_needs_to_know_when_events_happened(posts: House) -> None:
    with pytest.raises(ConfigError, match="give it `time`"):
        posts.dedup(identity=HeaderId("id"), store=PostgresInbox(posts.pool))
    dated = HeaderId("id", time=lambda _: 1.0)
    assert repr(posts.dedup(identity=dated, store=PostgresInbox(posts.pool)))
