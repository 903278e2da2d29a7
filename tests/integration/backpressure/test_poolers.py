"""Gates before pools whose connections lead to PgBouncer: a refusal is the gate's own, and every permit comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from prometheus_client import CollectorRegistry
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from quickwins.backpressure import Gate, GatedPool, PoolExhausted, PoolStats
from quickwins.backpressure.psycopg import GatedPsycopgPool
from quickwins.backpressure.sqlalchemy import GatedEngine
from tests.pgbouncer import MODES, Mode, pgbouncer

pytestmark = [pytest.mark.asyncio, pytest.mark.engines("postgres"), pytest.mark.no_cover]

CONNECTIONS = 2
CALLERS = 12
LINE = 4
Ask = Callable[[int], Awaitable[int]]
Stats = Callable[[], PoolStats]


def gate() -> Gate:
    return Gate.queue(queue_size=LINE)


@asynccontextmanager
async def of_asyncpg(url: str) -> AsyncIterator[tuple[Ask, Stats]]:
    async with asyncpg.create_pool(url, min_size=1, max_size=CONNECTIONS, statement_cache_size=0) as pool:
        gated = GatedPool(pool, gate=gate(), registry=CollectorRegistry())

        async def ask(number: int) -> int:
            async with gated.acquire() as connection:
                return int(await connection.fetchval("SELECT $1::int", number))

        yield ask, gated.stats


@asynccontextmanager
async def of_sqlalchemy(url: str) -> AsyncIterator[tuple[Ask, Stats]]:
    address = url.replace("postgresql://", "postgresql+asyncpg://")
    engine = create_async_engine(
        address,
        pool_size=CONNECTIONS,
        max_overflow=0,
        isolation_level="AUTOCOMMIT",
        connect_args={"statement_cache_size": 0},
    )
    gated = GatedEngine(engine, gate=gate(), registry=CollectorRegistry())

    async def ask(number: int) -> int:
        async with engine.connect() as connection:
            return int((await connection.execute(text("SELECT CAST(:n AS int)"), {"n": number})).scalar_one())

    yield ask, gated.stats
    await engine.dispose()


@asynccontextmanager
async def of_psycopg(url: str) -> AsyncIterator[tuple[Ask, Stats]]:
    options = {"prepare_threshold": None, "autocommit": True}
    async with AsyncConnectionPool(url, min_size=1, max_size=CONNECTIONS, open=False, kwargs=options) as pool:
        gated = GatedPsycopgPool(pool, gate=gate(), registry=CollectorRegistry())

        async def ask(number: int) -> int:
            async with pool.connection() as connection:
                row = await (await connection.execute("SELECT %s::int", (number,))).fetchone()
                return int(row[0]) if row else -1

        yield ask, gated.stats


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("pool", [of_asyncpg, of_sqlalchemy, of_psycopg])
async def test_a_refusal_is_the_gates_and_every_permit_comes_back(
    postgres_database: str,
    open_folder: Path,
    pool: Callable[[str], AbstractAsyncContextManager[tuple[Ask, Stats]]],
    mode: Mode,
) -> None:
    with pgbouncer(postgres_database, mode, open_folder) as url:
        async with pool(url) as (ask, stats):
            answers = await asyncio.gather(*map(ask, range(CALLERS)), return_exceptions=True)
            served = [number for number, answer in enumerate(answers) if answer == number]
            refused = [answer for answer in answers if isinstance(answer, PoolExhausted)]

            assert served[: CONNECTIONS + LINE] == [*range(CONNECTIONS + LINE)]
            assert len(served) + len(refused) == CALLERS, answers
            assert stats().inflight == 0
            assert await ask(7) == 7
