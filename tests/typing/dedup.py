"""Deduplication as a caller writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

from quickwins.core.events import DEDUP_ALTERED, DEDUP_PAUSED, DEDUP_QUARANTINED, DEDUP_RESUMED
from quickwins.core.events import Event as Fact
from quickwins.dedup import (
    Checked,
    Context,
    DeadLetterTable,
    DebeziumPostgres,
    Decision,
    Deduplicator,
    ErrorSwallowed,
    Event,
    EventRefused,
    Explanation,
    Fenced,
    HeaderId,
    Identity,
    KeyId,
    MemoryWindow,
    Op,
    PartitionQuarantined,
    Policy,
    PostgresInbox,
    PostgresState,
    Record,
    RefusedBecause,
    Run,
    Store,
    StoreDown,
    ValkeyClaims,
)
from quickwins.dedup.audit import Audit, audit

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg
    from aiokafka import AIOKafkaConsumer, ConsumerRecord

    from quickwins import QuickWins

FACTS: tuple[Fact, ...] = (DEDUP_ALTERED, DEDUP_PAUSED, DEDUP_QUARANTINED, DEDUP_RESUMED)
FAILURES = (ErrorSwallowed, EventRefused, Fenced, PartitionQuarantined, StoreDown)


def identities() -> list[Identity]:
    return [
        DebeziumPostgres(incarnation="pg1", snapshots="skip", tombstones="forward", truncates="quarantine"),
        HeaderId("id"),
        KeyId(_key),
    ]


def _key(record: Record) -> str:
    return f"{record.topic} {record.key}"


def stores(pool: asyncpg.Pool) -> list[Store]:
    return [
        PostgresState(pool, takeover_seconds=10),
        PostgresInbox(pool, retention_seconds=86_400, takeover_seconds=10),
        MemoryWindow(ttl_seconds=600, max_entries=1_000_000),
        ValkeyClaims("redis://127.0.0.1", lease_seconds=30, keep_seconds=86_400, floor=_highest),
    ]


async def _highest(topic: str, partition: int) -> int:
    return len(topic) + partition


async def own_loop(dedup: Deduplicator, record: ConsumerRecord[bytes, bytes]) -> str | None:
    checked = await dedup.check(record)
    assert_type(checked, Checked)
    if checked.decision is Decision.NEW:
        assert_type(await checked.done(), bool)
    else:
        await checked.failed()
    await dedup.close()
    return checked.idempotency_key


def projector(pool: asyncpg.Pool) -> Deduplicator:
    made = Deduplicator(
        group="feed-projector",
        identity=DebeziumPostgres(incarnation="pg1"),
        store=PostgresState(pool, takeover_seconds=10, remembered_transactions=50_000),
        on_store_down="pause",
        poison=DeadLetterTable(pool, max_attempts=5),
        service="feed",
    )

    @made.batch(max_records=1_000)
    async def apply(events: Sequence[Event], ctx: Context) -> None:
        for event in events:
            if event.op is Op.DELETE:
                await ctx.tx.execute("DELETE FROM posts WHERE id = $1", event.before["id"])
            assert_type(ctx.idempotency_key(event), str)

    return made


def one_by_one(qw: QuickWins, pool: asyncpg.Pool) -> Deduplicator:
    made = qw.dedup(group="mails", identity=DebeziumPostgres(incarnation="pg1"), store=PostgresState(pool))

    @made.each(order="key", concurrency=32)
    async def apply(event: Event, ctx: Context) -> None:
        await ctx.tx.execute("INSERT INTO mails VALUES ($1)", event.key)

    return made


async def consume(
    dedup: Deduplicator, consumer: AIOKafkaConsumer, record: ConsumerRecord[bytes, bytes]
) -> str:
    async with dedup.attach(consumer) as run:
        assert_type(run, Run)
        await run()
        explained = await dedup.explain(record)
        assert_type(explained, Explanation)
        assert_type(explained.decision, Decision)
    await dedup.stop()
    return explained.reason


async def audited(dsn: str) -> int:
    found = await audit(
        bootstrap="kafka:9092",
        dsn=dsn,
        group="feed-projector",
        topic="posts",
        effects="SELECT lsn FROM feed_log",
    )
    assert_type(found, Audit)
    return found.lost + found.doubled


def refused(identity: DebeziumPostgres, record: Record) -> RefusedBecause | Policy | None:
    try:
        event = identity.read(record)
    except EventRefused as error:
        return error.reason if isinstance(error.reason, RefusedBecause) else None
    return identity.policies.get(event.op)
