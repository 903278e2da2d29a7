"""Partitions that come and go, are paused, and are given back in the middle of a batch."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaConnectionError

from quickwins.core.errors import ConfigError
from tests.eventually import eventually
from tests.integration.dedup.consuming import House, apply, house, send
from tests.unit.dedup.records import Record, record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from quickwins.dedup import Context, Event
    from tests.engines import Target

pytestmark = [pytest.mark.asyncio, pytest.mark.engines("kafka", "postgres")]
POSTS = "feed.public.posts"
PARTITIONS = 3


def row(number: int) -> Record:
    """An insert in a transaction of its own."""
    return record(
        key=b'{"id":%d}' % number,
        lsn=1_000 + 10 * number,
        commit=990 + 10 * number,
        transaction=number,
        after={"id": number, "user_id": 1, "body": "x", "likes": 0},
    )


@pytest_asyncio.fixture
async def posts(kafka: Target, postgres_database: str, topic_prefix: str) -> AsyncIterator[House]:
    async with house(kafka.url, postgres_database, topic_prefix, (POSTS,), partitions=PARTITIONS) as made:
        yield made


async def spread(made: House, numbers: Sequence[int]) -> None:
    """Send rows over all partitions."""
    async with AIOKafkaProducer(bootstrap_servers=made.bootstrap) as producer:
        for number in numbers:
            one = row(number)
            await producer.send(made.topics[0], one.value, key=one.key, partition=number % PARTITIONS)


async def test_what_the_service_paused_stays_paused_and_its_listener_is_told(posts: House) -> None:
    told: list[set[Any]] = []

    class Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # -- aiokafka ships no types; until=never
        def on_partitions_revoked(self, revoked: Any) -> None: ...

        def on_partitions_assigned(self, assigned: Any) -> None:
            told.append(set(assigned))
            consumer.pause(TopicPartition(posts.topics[0], 0))

    await spread(posts, range(9))
    consumer = posts.consumer(subscribe=None)
    consumer.subscribe(pattern=f"^{posts.prefix}", listener=Listener())
    dedup = posts.dedup()
    async with consumer, dedup.attach(consumer) as run:
        task = asyncio.create_task(run())
        await posts.until(lambda offsets: sum(offsets.values()) >= 3, task)
        await eventually(lambda: "0 ready" in repr(run))
        await _applied(posts, 6, task)
        assert consumer.paused() == {TopicPartition(posts.topics[0], 0)}
        consumer.resume(TopicPartition(posts.topics[0], 0))
        await _applied(posts, 9, task)
        await dedup.stop()
        await task
    assert told[0] == {TopicPartition(posts.topics[0], number) for number in range(PARTITIONS)}


async def _applied(posts: House, count: int, *tasks: asyncio.Task[None]) -> None:
    """Wait for at least `count` effects, while all `tasks` run."""
    await posts.until_true(f"SELECT count(*) >= {count} FROM applied", *tasks)


async def test_cancelled_in_the_handler_nothing_had_an_effect_and_the_same_consumer_reads_it_again(
    posts: House,
) -> None:
    await send(posts.bootstrap, [row(3 * number) for number in range(5)], posts.prefix)
    entered = asyncio.Event()

    async def hangs(events: Sequence[Event], ctx: Context) -> None:
        await apply(events, ctx)
        entered.set()
        await asyncio.Event().wait()

    async with posts.consumer(partitions=PARTITIONS) as consumer:
        async with posts.dedup(handler=hangs).attach(consumer) as run:
            task = asyncio.create_task(run())
            await entered.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert await posts.pool.fetchval("SELECT count(*) FROM applied") == 0
        again = posts.dedup()
        async with again.attach(consumer) as run:
            task = asyncio.create_task(run())
            await _applied(posts, 5, task)
            await again.stop()
            await task


class Rebalanced:
    """A consumer that keeps its partitions in a rebalance while it fetches: what the fetch gives is of the new assignment."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self.fetches = 0
        self._assignment = frozenset(consumer.assignment())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    def assignment(self) -> frozenset[Any]:
        return self._assignment

    async def getmany(self, *partitions: Any, **options: Any) -> Any:
        found = await self._consumer.getmany(*partitions, **options)
        if found and self.fetches < PARTITIONS:
            self.fetches += 1
            self._assignment = frozenset([*self._assignment])  # an equal one, and another
        return found


async def test_what_a_fetch_gave_amid_a_rebalance_is_read_again(posts: House) -> None:
    await spread(posts, range(9))
    async with posts.consumer(partitions=PARTITIONS) as real:
        consumer, dedup = Rebalanced(real), posts.dedup(max_records=2)
        async with dedup.attach(consumer) as run:
            task = asyncio.create_task(run())
            await _applied(posts, 9, task)
            await dedup.stop()
            await task
    assert consumer.fetches == PARTITIONS
    assert await posts.pool.fetchval("SELECT count(*) FROM applied") == 9


class Revoked(Rebalanced):
    """A consumer from which all is taken while a batch takes effect, and given back at the next look."""

    def __init__(self, consumer: Any) -> None:
        super().__init__(consumer)
        self.takes = False
        self.took = 0

    def assignment(self) -> frozenset[Any]:
        if self.takes:
            self.takes, self.took = False, self.took + 1
            self._assignment = frozenset([*self._assignment])  # an equal one, and another
            return frozenset()
        return self._assignment

    def highwater(self, at: Any) -> int | None:
        assert not self.takes, "as aiokafka asserts that a partition is assigned"
        found: int | None = self._consumer.highwater(at)
        return found


async def test_what_is_taken_while_a_batch_takes_effect_does_not_end_the_run(posts: House) -> None:
    async with posts.consumer(partitions=PARTITIONS) as real:
        consumer = Revoked(real)

        async def revoking(events: Sequence[Event], ctx: Context) -> None:
            await apply(events, ctx)
            consumer.takes = consumer.took < PARTITIONS

        await spread(posts, range(9))
        dedup = posts.dedup(handler=revoking, max_records=1)
        async with dedup.attach(consumer) as run:
            task = asyncio.create_task(run())
            await _applied(posts, 9, task)
            await dedup.stop()
            await task
    assert consumer.took == PARTITIONS
    assert await posts.pool.fetchval("SELECT count(*) FROM applied") == 9


class Untold(Rebalanced):
    """A consumer whose broker is not told where partitions begin, nor at first what has had its effect."""

    refused = told = 0

    async def commit(self, offsets: Any) -> None:
        effects = any(offsets.values())
        if not effects or not self.refused:
            self.refused += effects
            raise KafkaConnectionError
        await self._consumer.commit(offsets)
        self.told += 1


async def test_what_kafka_could_not_be_told_it_is_told_the_next_time(posts: House) -> None:
    await spread(posts, range(3))
    async with posts.consumer(partitions=PARTITIONS) as real:
        consumer, dedup = Untold(real), posts.dedup()
        async with dedup.attach(consumer) as run:
            task = asyncio.create_task(run())
            await eventually(lambda: consumer.told)  # nothing new has come since it was refused
            await dedup.stop()
            await task
        assert await real.committed(TopicPartition(posts.topics[0], 0)) == 1


async def test_a_quarantined_partition_holds_up_no_other(posts: House) -> None:
    async with AIOKafkaProducer(bootstrap_servers=posts.bootstrap) as producer:
        await producer.send(posts.topics[0], b"not json", partition=0)
    await spread(posts, range(9))
    async with posts.running(posts.dedup(), partitions=PARTITIONS) as (run, task):
        await _applied(posts, 6, task)
        assert run.quarantined == [TopicPartition(posts.topics[0], 0)]


async def test_a_consumer_that_commits_by_itself_is_refused(posts: House) -> None:
    async with posts.consumer(enable_auto_commit=True) as consumer:
        with pytest.raises(ConfigError, match="enable_auto_commit=False"):
            async with posts.dedup().attach(consumer):
                pytest.fail("it was attached to")


@pytest.mark.volume
@pytest.mark.timeout(240)
async def test_members_that_come_take_partitions_over_and_each_event_is_applied_once(posts: House) -> None:
    async with AsyncExitStack() as stack:
        tasks: list[asyncio.Task[None]] = []
        for number in range(PARTITIONS):
            await spread(posts, range(60 * number, 60 * number + 60))
            dedup = posts.dedup(max_records=5)
            _, task = await stack.enter_async_context(
                posts.running(dedup, subscribe=True, request_timeout_ms=5_000)
            )
            tasks.append(task)
            await _applied(posts, 60 * number + 20, *tasks)
        await _applied(posts, 60 * PARTITIONS, *tasks)
    assert await posts.pool.fetchval("SELECT count(*) FROM posts") == 60 * PARTITIONS
    assert await posts.pool.fetchval("SELECT count(*) FROM applied") == 60 * PARTITIONS
