"""A service as a caller writes it. Neither this nor its neighbours are run: type checkers must accept every line."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

import grpc.aio
import strawberry

import quickwins
from quickwins import ConfigError, QuickWins, QuickWinsError, Rejected, pinned
from quickwins.backpressure import Gate, GatedPool, PoolExhausted, PoolStats, Priority
from quickwins.core.asgi import App

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
    pool: GatedPool = qw.pool(raw, name="feed")  # where asyncpg has no types, nobody can tell what `raw` is
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


def without_an_import_of_its_own() -> list[object]:
    return [
        quickwins.backpressure.Gate.queue(size=1),
        quickwins.channels.Mode.POOL,
        quickwins.core,
        quickwins.engines.PostgresServer,
        quickwins.logs.get_logger(),
        quickwins.rig.ZipfKeys,
        quickwins.suppressions.audit(["src"]),
        quickwins.indexes.Runner("postgresql://db/feed"),
        quickwins.dedup.HeaderId("id"),
        quickwins.rollout.Step(percent=10),
        quickwins.__version__,
    ]


async def a_request(key: str) -> str:
    with pinned(key) as pin:
        assert_type(pin.key, str | None)
        try:
            return "served"
        except Rejected as error:
            return f"later: {error.retry_after_seconds}"
        except QuickWinsError as error:
            return str(error.http_status)
