"""Backpressure as a caller writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

from sqlalchemy.ext.asyncio import AsyncEngine

from quickwins.backpressure import (
    Acquisition,
    BackpressureSettings,
    Gate,
    GatedInPlace,
    GatedPool,
    GateKind,
    GateOptions,
    HeldAt,
    Holder,
    Nested,
    NestedAcquire,
    Permit,
    PoolExhausted,
    PoolSettings,
    PoolStats,
    Priority,
    RejectReason,
    Rule,
    ShellOptions,
    deadline,
)
from quickwins.backpressure.psycopg import GatedPsycopgPool, PermitTimeout
from quickwins.backpressure.sqlalchemy import CheckoutTimeout, GatedEngine

if TYPE_CHECKING:
    import asyncpg
    from psycopg_pool import AsyncConnectionPool

    from quickwins import QuickWins


def by_hand(raw: asyncpg.Pool) -> GatedPool:
    return GatedPool(raw, gate=Gate.threshold(0.85), name="feed")


def with_a_line(raw: asyncpg.Pool) -> GatedPool:
    return GatedPool(raw, gate=Gate.queue(target_seconds=0.05, interval_seconds=0.5), name="feed")


def with_what_every_gate_takes(raw: asyncpg.Pool, options: GateOptions) -> GatedPool:
    options["nested"] = Nested.ALLOW
    return GatedPool(raw, gate=Gate.adaptive(min_limit=2, **options), name="feed")


def two_of_one_service(feed: asyncpg.Pool, search: Gate) -> GatedPool:
    options: ShellOptions = {"service": "api"}
    search.bind(20, **options)
    return GatedPool(feed, **options)


def by_rule(raw: asyncpg.Pool) -> GatedPool:
    pool = GatedPool(raw, gate=Gate(Rule(kind=GateKind.QUEUE, queue_size=40)))
    pool.reconfigure(Rule(shadow=True))
    return pool


async def connections(pool: GatedPool) -> int:
    acquisition = pool.acquire(timeout=1.0, priority=Priority.CRITICAL, tenant="t1")
    assert_type(acquisition, Acquisition)
    async with acquisition as connection:
        await connection.execute("select 1")
    async with deadline(0.8):
        assert_type(await pool.execute("select 1", timeout=0.5), str)
    return await nested(pool)


async def nested(pool: GatedPool) -> int:
    try:
        async with pool.acquire():
            await pool.fetchval("select 1")
    except NestedAcquire as error:
        assert_type(error.retry_after_seconds, float | None)
        return 0
    except PoolExhausted as error:
        return 1 if error.reason is RejectReason.QUEUE_FULL else 2
    return 3


async def anything_else() -> float | None:
    gate = Gate.queue(size=20, name="search")
    async with gate.permit(timeout=1.0) as permit:
        assert_type(permit, Permit)
        permit.done()
    assert_type(gate.stats().gate, GateKind)
    gate.close()
    return gate.stats().mean_hold_seconds


def what_it_tells(stats: PoolStats) -> list[str]:
    for holder in stats.holders:
        assert_type(holder, Holder)
    for held in stats.longest_held:
        assert_type(held, HeldAt)
    assert_type(stats.rejected[RejectReason.LIMIT], int)
    return [holder.site for holder in stats.holders]


def settings(qw: QuickWins) -> float:
    section = qw.settings.section("backpressure", BackpressureSettings)
    assert_type(section.for_name("feed"), PoolSettings)
    assert_type(section.rule(), Rule)
    return section.threshold


async def libraries_own_pools(qw: QuickWins, engine: AsyncEngine, lent: AsyncConnectionPool) -> None:
    assert_type(qw.pool(engine, name="feed", size=4), GatedInPlace)
    assert_type(qw.pool(lent, name="search"), GatedInPlace)
    gated = GatedEngine(engine, gate=Gate.queue(), size=4, name="feed", service="api")
    assert_type(gated.engine, AsyncEngine)
    assert_type(gated.stats(), PoolStats)
    other = GatedPsycopgPool(lent, gate=Gate.queue(), name="search")
    try:
        async with other.pool.connection() as connection:
            await connection.execute("select 1")
    except (PermitTimeout, CheckoutTimeout) as late:
        assert_type(late, PermitTimeout | CheckoutTimeout)
    for one in (gated, other):
        one.reconfigure(Rule(shadow=True))
        await one.close(grace=10)
