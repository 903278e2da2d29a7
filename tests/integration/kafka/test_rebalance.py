"""Consumers of one group, as members come and go."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from quickwins.engines import Capability
from tests.eventually import eventually
from tests.integration.kafka.topics import create_topic

if TYPE_CHECKING:
    from tests.engines import Target

PARTITIONS = 6


@pytest.mark.asyncio
@pytest.mark.engines("kafka")
@pytest.mark.capability(Capability.CONSUMER_GROUPS)
@pytest.mark.timeout(180)
@pytest.mark.parametrize("consumers", [2, pytest.param(3, marks=pytest.mark.volume)])
async def test_consumers_share_the_partitions_and_take_over_those_of_one_that_leaves(
    kafka: Target, topic_prefix: str, consumers: int
) -> None:
    topic = f"{topic_prefix}shared"
    await create_topic(kafka.url, topic, PARTITIONS)

    def consumer() -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            topic,
            bootstrap_servers=kafka.url,
            group_id=f"{topic_prefix}group",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            heartbeat_interval_ms=200,
            session_timeout_ms=6000,
        )

    async with AsyncExitStack() as stack, asyncio.timeout(120):
        members: list[AIOKafkaConsumer] = []

        async def shared() -> None:
            each = PARTITIONS // len(members)
            await eventually(lambda: {len(member.assignment()) for member in members} == {each})
            held = [partition for member in members for partition in member.assignment()]
            assert sorted(held) == [TopicPartition(topic, number) for number in range(PARTITIONS)]

        for _ in range(consumers):
            members.append(await stack.enter_async_context(consumer()))
            await shared()

        async with AIOKafkaProducer(bootstrap_servers=kafka.url) as producer:
            for number in range(60):
                await producer.send_and_wait(topic, b"%d" % number, partition=number % PARTITIONS)
        seen = [await drained(member, 60 // consumers) for member in members]
        assert sorted(value for values in seen for value in values) == sorted(b"%d" % n for n in range(60))

        # What the leaving member has committed is not seen again; what it has not, by its successors.
        leaving = members.pop(0)
        await leaving.commit()
        await leaving.stop()
        await shared()
        async with AIOKafkaProducer(bootstrap_servers=kafka.url) as producer:
            for partition in range(PARTITIONS):
                await producer.send_and_wait(topic, b"after", partition=partition)
        for member in members:
            assert (await drained(member, 0, b"after")).count(b"after") == PARTITIONS // len(members)


async def drained(member: AIOKafkaConsumer, number: int, until: bytes = b"") -> list[bytes]:
    """Values up to the given number, or until the given value came from each of the member's partitions."""
    values: list[bytes] = []
    while len(values) < number or (until and values.count(until) < len(member.assignment())):
        for records in (await member.getmany(timeout_ms=100)).values():
            values += [record.value for record in records]
    return values
