"""One consumer in a process of its own: `python -m tests.faults.dedup.consume JSON`. Ends when all is read, or at a point."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import TYPE_CHECKING, Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from quickwins.dedup import DebeziumPostgres, Deduplicator, PostgresInbox, PostgresState
from tests.faults.dedup.points import Points, Pool, handler, telling
from tests.faults.dedup.toys import TOYS, run_toy
from tests.integration.dedup.consuming import apply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quickwins.dedup import Event, Store


STORES: dict[str, Callable[[Any], Store]] = {
    "state": lambda pool: PostgresState(pool, takeover_seconds=1),
    "inbox": lambda pool: PostgresInbox(pool, takeover_seconds=1, retention_seconds=8),
}


async def consume(options: dict[str, Any]) -> None:
    """Read the topics to their ends, each event once."""
    ends: dict[str, int] = options["ends"]
    points = Points(options["point"], options["nth"], signal.Signals(options["action"]))
    made = AIOKafkaConsumer(
        bootstrap_servers=options["bootstrap"],
        group_id=options["group"],
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    made.assign([TopicPartition(topic, 0) for topic in ends])
    async with asyncpg.create_pool(options["dsn"], min_size=1, max_size=2) as pool, made as consumer:
        watched = Pool(pool, points)
        if options["strategy"] in TOYS:
            await run_toy(
                options["strategy"],
                telling(consumer, points),
                watched,
                lambda events, topic, tx: _effect(points, events, topic, tx),
                batch=options["batch"],
                until=ends,
            )
            return
        dedup = Deduplicator(
            group=options["group"],
            identity=DebeziumPostgres(incarnation="pg1"),
            store=STORES[options["strategy"]](watched),
        )
        dedup.batch(max_records=options["batch"])(handler(apply, points))
        async with dedup.attach(telling(consumer, points)) as run:
            task = asyncio.create_task(run())
            while not task.done() and await _at(consumer) != ends:
                await asyncio.wait((task,), timeout=0.02)
            await dedup.stop()
            await task


async def _effect(points: Points, events: Sequence[Event], topic: str, tx: Any) -> None:
    from quickwins.dedup import Context

    points.reach("amid the handler")
    await apply(events, Context(topic, 0, 0, "toy", tx))


async def _at(consumer: AIOKafkaConsumer) -> dict[str, int]:
    """What Kafka was told, which is what has had its effect."""
    return {at.topic: await consumer.committed(at) or 0 for at in consumer.assignment()}


if __name__ == "__main__":
    asyncio.run(consume(json.loads(sys.argv[1])))
