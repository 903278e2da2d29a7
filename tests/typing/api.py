"""The public API as a caller writes it. It is never run: strict type checkers must accept every line."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

import grpc.aio
import strawberry

from quickwins import ConfigError, QuickWins, pinned
from quickwins.backpressure import (
    BackpressureSettings,
    Gate,
    GatedPool,
    GateKind,
    PoolExhausted,
    PoolStats,
    Priority,
)
from quickwins.core.asgi import App
from quickwins.core.flags import Flag, Flags, FlagSettings, MemorySource

if TYPE_CHECKING:
    import asyncpg


@strawberry.type
class Query:
    hello: str


async def a_service(raw: asyncpg.Pool) -> None:
    try:
        qw = QuickWins.load("quickwins.toml")
    except ConfigError as error:
        raise SystemExit(str(error)) from error
    pool = qw.pool(raw, name="feed")
    assert_type(pool, GatedPool)
    async with qw:
        try:
            async with pool.acquire(timeout=1.0) as connection:
                await connection.fetch("select 1")
        except PoolExhausted as error:
            assert_type(error.retry_after_seconds, float | None)
        status = await pool.execute("select 1", timeout=0.5)
        assert_type(status, str)
        connection = await pool.acquire()
        await pool.release(connection)
        spare = await pool.try_acquire()
        if spare is not None:
            await pool.release(spare)
    assert_type(pool.stats(), PoolStats)
    await pool.close(grace=10)


def the_adapters(qw: QuickWins, app: App) -> App:
    http = qw.gate(name="http", size=50)
    assert_type(http, Gate)
    server = grpc.aio.server(interceptors=qw.grpc_interceptors(gate=http, trusted=True))
    channel = grpc.aio.insecure_channel("feed:50051", interceptors=qw.grpc_client_interceptors())
    del server, channel
    strawberry.Schema(Query, extensions=[*qw.strawberry_extensions()])
    if qw.log_pipeline is not None:
        assert_type(qw.log_pipeline.flush(), bool)
    return qw.asgi(
        app, gate=http, trusted=lambda scope: True, priority=lambda scope: Priority.NORMAL, exempt=()
    )


def by_hand(raw: asyncpg.Pool) -> GatedPool:
    return GatedPool(raw, gate=Gate.threshold(0.85), name="feed")


def with_a_line(raw: asyncpg.Pool) -> GatedPool:
    return GatedPool(raw, gate=Gate.queue(target_seconds=0.05, interval_seconds=0.5), name="feed")


async def anything_else() -> float | None:
    gate = Gate.queue(size=20, name="search")
    async with gate.permit(timeout=1.0):
        pass
    assert_type(gate.stats().gate, GateKind)
    return gate.stats().mean_hold_seconds


def flags_of_ones_own() -> bool:
    flags = Flags({"mine": FlagSettings}, [MemorySource({"mine": {"enabled": True}})])
    flag = flags.flag("mine")
    assert_type(flag, Flag)
    with pinned("user-7") as pin:
        assert_type(pin.key, str | None)
        return flag.active()


def settings(qw: QuickWins) -> float:
    return qw.settings.section("backpressure", BackpressureSettings).threshold
