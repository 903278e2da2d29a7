"""One consumer in a process of its own. Ends when all is read, or at a point."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from quickwins.dedup import (
    Context,
    DebeziumPostgres,
    Deduplicator,
    MemoryWindow,
    PostgresInbox,
    PostgresState,
)
from tests.faults.dedup.points import Points, Pool, WatchedClaims, handler, telling
from tests.faults.dedup.toys import TOYS, run_toy
from tests.integration.dedup.consuming import apply
from tests.integration.dedup.sinks import Sink

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quickwins.dedup import Event, Store

    Strategy = Callable[[dict[str, Any], asyncpg.Pool, Pool, Points], Deduplicator]


async def consume(options: dict[str, Any]) -> None:
    """Read the topics to their ends, each event once."""
    ends = {TopicPartition(topic, number): end for topic, number, end in options["ends"]}
    points = Points(options["point"], options["nth"], options["action"])
    made = AIOKafkaConsumer(
        bootstrap_servers=options["bootstrap"],
        group_id=options["group"],
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        heartbeat_interval_ms=300,
        session_timeout_ms=6_000,
    )
    if options["subscribe"]:
        made.subscribe([*{partition.topic for partition in ends}])
    else:
        made.assign([*ends])
    async with asyncpg.create_pool(options["dsn"], min_size=1, max_size=8) as pool, made as consumer:
        watched = Pool(pool, points)
        if options["strategy"] in TOYS:
            await run_toy(
                options["strategy"],
                telling(consumer, points),
                watched,
                lambda events, topic, tx: _effect(points, events, topic, tx),
                batch=options["batch"],
                until={partition.topic: end for partition, end in ends.items()},
            )
            return
        dedup = STRATEGIES[options["strategy"]](options, pool, watched, points)
        async with dedup.attach(telling(consumer, points)) as run:
            task = asyncio.create_task(run())
            while not task.done() and not await _at_the_end(consumer, ends):
                await asyncio.wait((task,), timeout=0.03)
            await dedup.stop()
            await task


def _transactional(store: Callable[[Any], Store]) -> Strategy:
    def make(options: dict[str, Any], _: asyncpg.Pool, watched: Pool, points: Points) -> Deduplicator:
        made = Deduplicator(
            group=options["group"], identity=DebeziumPostgres(incarnation="pg1"), store=store(watched)
        )
        made.batch(max_records=options["batch"])(handler(count if options["counts"] else apply, points))
        return made

    return make


def _claims(options: dict[str, Any], pool: asyncpg.Pool, _: Pool, points: Points) -> Deduplicator:
    sink = Sink(pool, checks=options["checks"], effect=count if options["counts"] else apply)
    made = Deduplicator(
        group=options["group"],
        identity=DebeziumPostgres(incarnation="pg1"),
        store=WatchedClaims(options["valkey"], points, lease_seconds=1, floor=sink.highest),
    )

    @made.each(concurrency=max(1, options["batch"] // 8))
    async def send(event: Event, ctx: Context) -> None:
        points.reach("before the handler")
        await sink.send(event, ctx)
        points.reach("amid the handler")

    return made


def _window(options: dict[str, Any], pool: asyncpg.Pool, _: Pool, points: Points) -> Deduplicator:
    """Its process forgets: the effect may be made again, and is never left out."""
    sink = Sink(pool, checks=False, effect=count)
    made = Deduplicator(
        group=options["group"],
        identity=DebeziumPostgres(incarnation="pg1"),
        store=MemoryWindow(ttl_seconds=600, max_entries=100_000),
    )

    @made.each(concurrency=max(1, options["batch"] // 8))
    async def send(event: Event, ctx: Context) -> None:
        points.reach("before the handler")
        await sink.send(event, ctx)
        points.reach("amid the handler")

    return made


STRATEGIES: dict[str, Strategy] = {
    "state": _transactional(lambda pool: PostgresState(pool, takeover_seconds=1)),
    "inbox": _transactional(lambda pool: PostgresInbox(pool, takeover_seconds=1, retention_seconds=8)),
    "claims": _claims,
    "window": _window,
}


async def count(events: Sequence[Event], ctx: Context) -> None:
    """An effect that shows how often it was made: `effects` has a row for each time."""
    await ctx.tx.execute(
        "INSERT INTO effects SELECT unnest($1::bigint[])", [event.after["id"] for event in events]
    )


async def _effect(points: Points, events: Sequence[Event], topic: str, tx: Any) -> None:
    points.reach("amid the handler")
    await apply(events, Context(topic, 0, 0, "toy", tx))


async def _at_the_end(consumer: Any, ends: dict[TopicPartition, int]) -> bool:
    """Whether Kafka was told of everything, which is what has had its effect."""
    return all([(await consumer.committed(partition) or 0) >= end for partition, end in ends.items()])


def begin(options: dict[str, Any], said: str) -> None:
    """Consume in this process, which is for nothing else; what it says goes into the file `said`."""
    file = os.open(said, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(file, stream)
    asyncio.run(consume(options))
