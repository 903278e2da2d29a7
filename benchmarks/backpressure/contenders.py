"""The ways to share a pool of ten that are measured: ours, and what people use instead, each as its documentation
has it fastest."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg
from prometheus_client import CollectorRegistry
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as EngineTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from quickwins.backpressure import Gate, GatedInPlace, GatedPool
from quickwins.backpressure.psycopg import GatedPsycopgPool
from quickwins.backpressure.sqlalchemy import GatedEngine
from quickwins.core.errors import Rejected
from quickwins.rig import Outcome, classify

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

POOL_SIZE = 10
THRESHOLD = 0.85
THRESHOLD_LIMIT = 9
MAX_WAITING = 5
LONG_LINE = 200

BARE, SEMAPHORE, NAIVE, PSYCOPG_BARE, PSYCOPG = (
    "bare asyncpg pool", "semaphore + wait_for", "naive threshold", "psycopg_pool", "psycopg_pool, 5 may wait",
)  # fmt: skip
GATE_THRESHOLD, QUEUE, LONG_QUEUE, ADAPTIVE = (
    "gate: threshold", "gate: queue", f"gate: queue, {LONG_LINE} may wait", "gate: adaptive",
)  # fmt: skip
SQLALCHEMY, SQLALCHEMY_QUEUE, PSYCOPG_QUEUE = (
    "SQLAlchemy's engine",
    "gate: queue, SQLAlchemy",
    "gate: queue, psycopg_pool",
)
OURS = (GATE_THRESHOLD, QUEUE, ADAPTIVE)
WITHOUT_LIMIT = (BARE, PSYCOPG_BARE, SQLALCHEMY)
"""What capacity is measured on, one for each driver."""


class NaiveRefusal(Rejected):
    """The check of the naive threshold said no."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to share the pool.

    Attributes:
        name: For the table.
        driver: The contender without limits on the same driver.
        permits: How many connections it uses at most.
        call: Runs a statement.
        gated: What counts and refuses, where that is ours.
    """

    name: str
    driver: str
    permits: int
    call: Callable[[str], Awaitable[object]]
    gated: GatedPool | GatedInPlace | None = None


def outcome(answer: object) -> Outcome:
    """As `classify`, and psycopg_pool's refusals are refusals."""
    if isinstance(answer, TooManyRequests):
        return Outcome.REJECTED
    return Outcome.TIMED_OUT if isinstance(answer, (PoolTimeout, EngineTimeout)) else classify(answer)


def on(to: AsyncConnectionPool, timeout_seconds: float) -> Callable[[str], Awaitable[object]]:
    """A statement on a pool of psycopg's."""

    async def run(statement: str) -> object:
        async with to.connection(timeout=timeout_seconds) as connection:
            return await connection.execute(statement)

    return run


def through(to: AsyncEngine) -> Callable[[str], Awaitable[object]]:
    """A statement through SQLAlchemy."""

    async def run(statement: str) -> object:
        async with to.connect() as connection:
            return await connection.execute(text(statement))

    return run


@asynccontextmanager
async def engine(dsn: str, timeout_seconds: float) -> AsyncIterator[AsyncEngine]:
    """SQLAlchemy's, with a pool of ten, and no transaction around a statement."""
    url = dsn.replace("postgresql://", "postgresql+asyncpg://")
    made = create_async_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=timeout_seconds,
        isolation_level="AUTOCOMMIT",
        # The server has no TLS. Where asyncpg asks for it in order to cancel a statement, and SQLAlchemy drops the connection
        # meanwhile, asyncpg leaves an error in a future that nobody awaits: "unexpected connection_lost() call".
        connect_args={"ssl": False},
    )
    yield made
    await made.dispose()


@asynccontextmanager
async def contenders(dsn: str, *, timeout_seconds: float) -> AsyncIterator[dict[str, Contender]]:
    """All of them, each driver with one pool of ten, for clients that give up after `timeout_seconds`."""
    fastest: dict[str, Any] = {
        "min_size": POOL_SIZE, "max_size": POOL_SIZE, "open": False, "kwargs": {"autocommit": True},
    }  # fmt: skip
    async with (
        asyncpg.create_pool(dsn, min_size=POOL_SIZE, max_size=POOL_SIZE) as pool,
        AsyncConnectionPool(dsn, **fastest) as psycopg,
        AsyncConnectionPool(dsn, **fastest, max_waiting=MAX_WAITING) as bounded,
        AsyncConnectionPool(dsn, **fastest) as gated_psycopg,
        engine(dsn, timeout_seconds) as bare_engine,
        engine(dsn, timeout_seconds) as gated_engine,
    ):
        behind_psycopg = GatedPsycopgPool(gated_psycopg, gate=Gate.queue(), registry=CollectorRegistry())
        behind_engine = GatedEngine(gated_engine, gate=Gate.queue(), registry=CollectorRegistry())
        semaphore = asyncio.Semaphore(POOL_SIZE)

        async def on_bare(statement: str) -> object:
            return await pool.execute(statement)

        async def behind_a_semaphore(statement: str) -> object:
            await asyncio.wait_for(semaphore.acquire(), timeout_seconds)
            try:
                return await pool.execute(statement)
            finally:
                semaphore.release()

        async def naive(statement: str) -> object:
            if pool.get_size() - pool.get_idle_size() >= THRESHOLD_LIMIT:
                raise NaiveRefusal("the pool is above its threshold")
            async with pool.acquire() as connection:
                return await connection.execute(statement)

        def behind(name: str, gate: Gate, permits: int = POOL_SIZE) -> Contender:
            gated = GatedPool(pool, gate=gate, registry=CollectorRegistry())

            async def run(statement: str) -> object:
                return await gated.execute(statement, timeout=timeout_seconds)

            return Contender(name, BARE, permits, run, gated)

        all_of_them = [
            Contender(BARE, BARE, POOL_SIZE, on_bare),
            Contender(SEMAPHORE, BARE, POOL_SIZE, behind_a_semaphore),
            Contender(NAIVE, BARE, POOL_SIZE, naive),
            Contender(PSYCOPG_BARE, PSYCOPG_BARE, POOL_SIZE, on(psycopg, timeout_seconds)),
            Contender(PSYCOPG, PSYCOPG_BARE, POOL_SIZE, on(bounded, timeout_seconds)),
            behind(GATE_THRESHOLD, Gate.threshold(THRESHOLD), THRESHOLD_LIMIT),
            behind(QUEUE, Gate.queue()),
            behind(LONG_QUEUE, Gate.queue(queue_size=LONG_LINE)),
            behind(ADAPTIVE, Gate.adaptive()),
            Contender(SQLALCHEMY, SQLALCHEMY, POOL_SIZE, through(bare_engine)),
            Contender(SQLALCHEMY_QUEUE, SQLALCHEMY, POOL_SIZE, through(gated_engine), behind_engine),
            Contender(
                PSYCOPG_QUEUE, PSYCOPG_BARE, POOL_SIZE, on(gated_psycopg, timeout_seconds), behind_psycopg
            ),
        ]
        yield {contender.name: contender for contender in all_of_them}
