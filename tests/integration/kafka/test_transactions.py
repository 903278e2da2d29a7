"""What only a complete broker can do: producers that are idempotent or transactional, and who sees what of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import ProducerFenced

from quickwins.engines import Capability
from tests.integration.kafka.topics import create_topic

if TYPE_CHECKING:
    from tests.engines import Target

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.engines("kafka"),
]

idempotent = pytest.mark.capability(Capability.IDEMPOTENT_PRODUCER)
transactional = pytest.mark.capability(Capability.TRANSACTIONS)


class OnPurpose(Exception):
    """Ends a transaction."""


async def read(kafka: Target, topic: str, number: int, *, isolation: str) -> list[bytes]:
    """The first `number` values that a consumer of this isolation sees."""
    async with (
        AIOKafkaConsumer(
            topic, bootstrap_servers=kafka.url, auto_offset_reset="earliest", isolation_level=isolation
        ) as consumer,
        asyncio.timeout(30),
    ):
        return [(await consumer.getone()).value for _ in range(number)]


async def write(kafka: Target, topic: str, *values: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka.url) as producer:
        for value in values:
            await producer.send_and_wait(topic, value)


@idempotent
async def test_an_idempotent_producer_writes_each_once_and_in_order(kafka: Target, topic_prefix: str) -> None:
    topic = f"{topic_prefix}idempotent"
    await create_topic(kafka.url, topic)
    values = [b"%d" % number for number in range(300)]
    async with AIOKafkaProducer(
        bootstrap_servers=kafka.url, enable_idempotence=True, max_batch_size=256
    ) as producer:
        sent = [await producer.send(topic, value) for value in values]
        offsets = [metadata.offset for metadata in await asyncio.gather(*sent)]
    assert offsets == list(range(300))
    assert await read(kafka, topic, 300, isolation="read_uncommitted") == values


@transactional
async def test_aborted_records_are_invisible_to_read_committed_alone(
    kafka: Target, topic_prefix: str
) -> None:
    topic = f"{topic_prefix}aborted"
    await create_topic(kafka.url, topic)
    async with AIOKafkaProducer(bootstrap_servers=kafka.url, transactional_id=topic) as producer:
        async with producer.transaction():
            await producer.send_and_wait(topic, b"committed")
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"aborted")
        await producer.abort_transaction()
    await write(kafka, topic, b"last")
    assert await read(kafka, topic, 2, isolation="read_committed") == [b"committed", b"last"]
    assert await read(kafka, topic, 3, isolation="read_uncommitted") == [b"committed", b"aborted", b"last"]


@transactional
async def test_an_open_transaction_holds_read_committed_back_until_it_ends(
    kafka: Target, topic_prefix: str
) -> None:
    topic = f"{topic_prefix}open"
    await create_topic(kafka.url, topic)
    async with (
        AIOKafkaProducer(bootstrap_servers=kafka.url, transactional_id=topic) as producer,
        AIOKafkaConsumer(
            topic,
            bootstrap_servers=kafka.url,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        ) as consumer,
    ):
        partition = TopicPartition(topic, 0)
        async with producer.transaction():
            await producer.send_and_wait(topic, b"in it")
            await write(kafka, topic, b"after it")
            # The log has both; the end that this consumer may read up to stands before the first.
            assert await read(kafka, topic, 2, isolation="read_uncommitted") == [b"in it", b"after it"]
            assert not await consumer.getmany(partition, timeout_ms=500)
        async with asyncio.timeout(30):
            assert [(await consumer.getone()).value for _ in range(2)] == [b"in it", b"after it"]


@transactional
async def test_a_second_producer_of_the_same_id_fences_the_first(kafka: Target, topic_prefix: str) -> None:
    topic = f"{topic_prefix}fenced"
    await create_topic(kafka.url, topic)
    async with AIOKafkaProducer(bootstrap_servers=kafka.url, transactional_id=topic) as zombie:
        await zombie.begin_transaction()
        await zombie.send_and_wait(topic, b"of the zombie")
        async with AIOKafkaProducer(bootstrap_servers=kafka.url, transactional_id=topic) as producer:
            with pytest.raises(ProducerFenced):
                await zombie.commit_transaction()
            async with producer.transaction():
                await producer.send_and_wait(topic, b"of its successor")
    assert await read(kafka, topic, 1, isolation="read_committed") == [b"of its successor"]


@transactional
async def test_records_and_the_position_they_came_from_are_committed_together(
    kafka: Target, topic_prefix: str
) -> None:
    source, target, group = f"{topic_prefix}source", f"{topic_prefix}target", f"{topic_prefix}group"
    await create_topic(kafka.url, source)
    await create_topic(kafka.url, target)
    await write(kafka, source, b"a", b"b")
    partition = TopicPartition(source, 0)

    async def pass_on(*, fail: bool) -> None:
        async with (
            AIOKafkaConsumer(
                source,
                bootstrap_servers=kafka.url,
                group_id=group,
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                isolation_level="read_committed",
            ) as consumer,
            AIOKafkaProducer(bootstrap_servers=kafka.url, transactional_id=group) as producer,
            asyncio.timeout(60),
            producer.transaction(),
        ):
            record = await consumer.getone()
            await producer.send_and_wait(target, record.value.upper())
            await producer.send_offsets_to_transaction({partition: record.offset + 1}, group)
            if fail:
                raise OnPurpose

    await pass_on(fail=False)
    with pytest.raises(OnPurpose):
        await pass_on(fail=True)
    await pass_on(fail=False)
    assert await read(kafka, target, 2, isolation="read_committed") == [b"A", b"B"]
