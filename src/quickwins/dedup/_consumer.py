"""What is asked of a consumer of aiokafka's besides records."""

from __future__ import annotations

from typing import Any

from quickwins.core.errors import ConfigError
from quickwins.core.given import wrong


def check_consumer(consumer: Any) -> None:
    """Look whether a consumer can be attached to.

    Raises:
        ConfigError: It commits by itself, has no group, or is no consumer of aiokafka's.
    """
    if not all(hasattr(consumer, name) for name in ("getmany", "assignment", "seek", "commit")):
        raise wrong("attach's consumer", consumer, "an AIOKafkaConsumer")
    if getattr(consumer, "_group_id", "") is None:
        raise ConfigError("the consumer has no group: make it with group_id=")
    if getattr(consumer, "_enable_auto_commit", False):
        raise ConfigError(
            "the consumer commits by itself, before events had their effect: make it with enable_auto_commit=False"
        )


def check_reads(consumer: Any) -> None:
    """Look whether a consumer will ever read anything.

    Raises:
        ConfigError: It was not started, or reads no topic.
    """
    if getattr(consumer, "_fetcher", consumer) is None:
        raise ConfigError(
            "the consumer was not started: `async with consumer, dedup.attach(consumer) as run`, or `await consumer.start()`"
        )
    pattern = getattr(getattr(consumer, "_subscription", None), "subscribed_pattern", None)
    topics = getattr(consumer, "subscription", consumer.assignment)()
    if not (topics or consumer.assignment() or pattern):
        raise ConfigError("the consumer reads no topic: give it topics, or `subscribe` or `assign` some")


async def ends_of(consumer: Any, at: Any) -> dict[int, int]:
    """The partitions of a topic that have records, with the offset behind the last one of each.

    Args:
        consumer: Any of its group.
        at: A `TopicPartition` of that topic.
    """
    numbers = consumer.partitions_for_topic(at.topic) or ()
    all_of_it = [at._replace(partition=number) for number in numbers]
    first = await consumer.beginning_offsets(all_of_it)
    ends = await consumer.end_offsets(all_of_it)
    return {one.partition: ends[one] for one in all_of_it if ends[one] > first[one]}
