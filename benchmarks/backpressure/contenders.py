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

from quickwins.backpressure import Gate, GatedPool
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
OURS = (GATE_THRESHOLD, QUEUE, ADAPTIVE)
WITHOUT_LIMIT = (BARE, PSYCOPG_BARE)
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
    gated: GatedPool | None = None


def outcome(answer: object) -> Outcome:
    """As `classify`, and psycopg_pool's refusals are refusals."""
    if isinstance(answer, TooManyRequests):
        return Outcome.REJECTED
    return Outcome.TIMED_OUT if isinstance(answer, PoolTimeout) else classify(answer)


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
    ):
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

        def on(to: AsyncConnectionPool) -> Callable[[str], Awaitable[object]]:
            async def run(statement: str) -> object:
                async with to.connection(timeout=timeout_seconds) as connection:
                    return await connection.execute(statement)

            return run

        def behind(name: str, gate: Gate, permits: int = POOL_SIZE) -> Contender:
            gated = GatedPool(pool, gate=gate, registry=CollectorRegistry())

            async def run(statement: str) -> object:
                return await gated.execute(statement, timeout=timeout_seconds)

            return Contender(name, BARE, permits, run, gated)

        all_of_them = [
            Contender(BARE, BARE, POOL_SIZE, on_bare),
            Contender(SEMAPHORE, BARE, POOL_SIZE, behind_a_semaphore),
            Contender(NAIVE, BARE, POOL_SIZE, naive),
            Contender(PSYCOPG_BARE, PSYCOPG_BARE, POOL_SIZE, on(psycopg)),
            Contender(PSYCOPG, PSYCOPG_BARE, POOL_SIZE, on(bounded)),
            behind(GATE_THRESHOLD, Gate.threshold(THRESHOLD), THRESHOLD_LIMIT),
            behind(QUEUE, Gate.queue()),
            behind(LONG_QUEUE, Gate.queue(queue_size=LONG_LINE)),
            behind(ADAPTIVE, Gate.adaptive()),
        ]
        yield {contender.name: contender for contender in all_of_them}
