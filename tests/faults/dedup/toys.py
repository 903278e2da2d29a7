"""What everybody writes first. The harness must find that each of these loses events, or it would find nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quickwins.dedup import DebeziumPostgres
from quickwins.dedup._core.position import SourceId

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from quickwins.dedup import Event

MARKS = """
CREATE TABLE IF NOT EXISTS toy_marks (id text PRIMARY KEY);
CREATE TABLE IF NOT EXISTS toy_watermarks (topic text PRIMARY KEY, lsn bigint);
"""


class MarkFirst:
    """Marks an event as seen, then has it take effect."""

    async def apply(self, pool: Any, topic: str, events: Sequence[Event], effect: Effect) -> None:
        for event in events:
            if event.identity is None:
                async with pool.acquire() as connection, connection.transaction():
                    await effect([event], topic, connection)
                continue
            async with pool.acquire() as connection:
                marked = await connection.execute(
                    "INSERT INTO toy_marks VALUES ($1) ON CONFLICT DO NOTHING", f"{topic} {event.identity!r}"
                )
            if marked == "INSERT 0 1":
                async with pool.acquire() as connection, connection.transaction():
                    await effect([event], topic, connection)


class HighestLsn:
    """Takes each event above the highest position of a row, which it moves in the effect's own transaction."""

    async def apply(self, pool: Any, topic: str, events: Sequence[Event], effect: Effect) -> None:
        async with pool.acquire() as connection, connection.transaction():
            highest = (
                await connection.fetchval("SELECT lsn FROM toy_watermarks WHERE topic = $1", topic) or -1
            )
            for event in events:
                lsn = event.identity.lsn if isinstance(event.identity, SourceId) else None
                if lsn is None or lsn > highest:
                    await effect([event], topic, connection)
                    highest = max(highest, -1 if lsn is None else lsn)
            await connection.execute(
                "INSERT INTO toy_watermarks VALUES ($1, $2) ON CONFLICT (topic) DO UPDATE SET lsn = excluded.lsn",
                topic,
                highest,
            )


if TYPE_CHECKING:
    Effect = Callable[[Sequence[Event], str, Any], Awaitable[None]]

TOYS: dict[str, type[MarkFirst | HighestLsn]] = {"mark first": MarkFirst, "highest lsn": HighestLsn}


async def run_toy(
    name: str, consumer: Any, pool: Any, effect: Effect, *, batch: int, until: dict[str, int]
) -> None:
    """Consume with a toy, telling Kafka after each batch, until each topic is read to its end."""
    identity, toy = DebeziumPostgres(incarnation="pg1"), TOYS[name]()
    async with pool.acquire() as connection:
        await connection.execute(MARKS)
    at = dict.fromkeys(until, 0)
    for partition in consumer.assignment():
        at[partition.topic] = await consumer.position(partition)
    while at != until:
        for partition, records in (await consumer.getmany(timeout_ms=200, max_records=batch)).items():
            await toy.apply(pool, partition.topic, [identity.read(record) for record in records], effect)
            at[partition.topic] = records[-1].offset + 1
            await consumer.commit({partition: at[partition.topic]})
