"""A window in memory between a real broker and a handler with a transaction of its own."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from quickwins.dedup import DebeziumPostgres, MemoryWindow
from tests.integration.dedup.consuming import apply, house, send, truth
from tests.unit.dedup.records import real_records, real_truth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quickwins.dedup import Context, Event
    from tests.engines import Target

pytestmark = [pytest.mark.asyncio, pytest.mark.engines("kafka", "postgres")]
REAL = ("nova.public.posts", "nova.public.events_keyless")


async def test_real_events_with_their_duplicates_end_in_the_sources_own_state(
    kafka: Target, postgres_database: str, topic_prefix: str
) -> None:
    registry = CollectorRegistry()
    async with house(kafka.url, postgres_database, topic_prefix, REAL) as real:
        counts = await send(real.bootstrap, real_records(), real.prefix)

        async def in_its_own(events: Sequence[Event], ctx: Context) -> None:
            async with real.pool.acquire() as tx, tx.transaction():
                await apply(events, replace(ctx, tx=tx))

        dedup = real.dedup(
            identity=DebeziumPostgres(incarnation="pg1"),
            store=MemoryWindow(ttl_seconds=600, max_entries=100_000),
            handler=in_its_own,
            registry=registry,
        )
        async with real.consumer() as consumer, dedup.attach(consumer) as run:
            task = asyncio.create_task(run())
            async with asyncio.timeout(20):
                while {at.topic: await consumer.committed(at) for at in consumer.assignment()} != counts:
                    assert not task.done(), task
                    await asyncio.sleep(0.05)
            await dedup.stop()
            await task
        assert await truth(real.pool) == real_truth()
        labels = {"service": "", "name": dedup.group, "group": dedup.group}
        entries = await real.pool.fetchval("SELECT count(*) FROM applied")
        assert registry.get_sample_value("kafka_dedup_window_entries", labels) == entries
        size = registry.get_sample_value("kafka_dedup_window_bytes", labels)
        assert size is not None
        assert dedup_bytes(100_000) <= size <= dedup_bytes(100_000) + 20 * entries


def dedup_bytes(entries: int) -> int:
    return MemoryWindow(ttl_seconds=600, max_entries=entries).table_bytes
