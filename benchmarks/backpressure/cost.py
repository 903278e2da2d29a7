"""What a gate costs where nothing is contended, and what a refusal costs, as ratios to what they stand beside.

python -m benchmarks.backpressure.cost
"""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import AsyncExitStack
from random import Random
from typing import TYPE_CHECKING, Any

import asyncpg
from prometheus_client import CollectorRegistry
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import text

from benchmarks.backpressure.contenders import engine
from benchmarks.program import conclude
from quickwins.backpressure import Gate, GatedPool, PoolExhausted
from quickwins.backpressure.psycopg import GatedPsycopgPool
from quickwins.backpressure.sqlalchemy import GatedEngine
from quickwins.engines import PostgresServer
from quickwins.rig import Target, paired_ratios_async

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

POOL_SIZE = 10


async def on_the_server(dsn: str) -> list[Target]:
    """Acquire and release of a pool on a real server, metrics on."""
    async with asyncpg.create_pool(dsn, min_size=POOL_SIZE, max_size=POOL_SIZE) as pool:
        gated = {
            f"GatedPool, {kind}": GatedPool(pool, gate=gate, registry=CollectorRegistry())
            for kind, gate in (
                ("queue", Gate.queue()),
                ("threshold", Gate.threshold()),
                ("adaptive", Gate.adaptive()),
            )
        }

        async def bare() -> None:
            async with pool.acquire():
                pass

        def through(to: GatedPool) -> object:
            async def use() -> None:
                async with to.acquire():
                    pass

            return use

        names = {name: through(to) for name, to in gated.items()}
        found = await paired_ratios_async(
            {"the bare pool": bare, **names},  # type: ignore[dict-item]  # -- functions of no arguments, all of them; until=never
            reference="the bare pool",
            rng=Random(1),
            rounds=150,
            block_seconds=0.02,
        )
    print("acquire and release, nobody else\n" + found.table())
    return [found.ratios[name].at_most(1.06) for name in gated]


async def through_libraries(dsn: str) -> list[Target]:
    """A statement through SQLAlchemy's engine and psycopg's pool, which are gated where they stand.

    One pool, gated and not by turns, since two bare ones differ by more than a gate costs: its class is what gates it. What
    listens to SQLAlchemy's check-ins stays in both.
    """
    made = []
    statement = text("SELECT 1")
    async with AsyncExitStack() as stack:
        to = await stack.enter_async_context(engine(dsn, timeout_seconds=30.0))
        pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            dsn, min_size=POOL_SIZE, max_size=POOL_SIZE, open=False
        )
        await stack.enter_async_context(pool)

        async def by_sqlalchemy() -> None:
            async with to.connect() as connection:
                await connection.execute(statement)

        async def by_psycopg() -> None:
            async with pool.connection() as connection:
                await connection.execute("SELECT 1")

        def as_a(kind: type, what: Any, use: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
            async def used() -> None:
                what.__class__ = kind
                await use()

            return used

        for name, what, gate, use in (
            ("SQLAlchemy", to.sync_engine.pool, lambda: GatedEngine(to, **gated()), by_sqlalchemy),
            ("psycopg_pool", pool, lambda: GatedPsycopgPool(pool, **gated()), by_psycopg),
        ):
            kind = type(what)
            gate()
            found = await paired_ratios_async(
                {f"{name}, bare": as_a(kind, what, use), f"{name}, gated": as_a(type(what), what, use)},
                reference=f"{name}, bare",
                rng=Random(4),
                rounds=150,
                block_seconds=0.02,
            )
            print(f"\n{name}: SELECT 1, nobody else\n" + found.table())
            made.append(found.ratios[f"{name}, gated"].at_most(1.06))
    return made


def gated() -> Any:
    """Arguments of a gate in front of a library's pool."""
    return {"gate": Gate.queue(), "registry": CollectorRegistry()}


async def alone() -> list[Target]:
    """A permit beside a semaphore's, and a refusal beside a bare exception."""
    gate, full = Gate.queue(), Gate.threshold(0.999)
    gate.bind(POOL_SIZE, registry=CollectorRegistry())
    full.bind(1, registry=CollectorRegistry())
    semaphore = asyncio.Semaphore(POOL_SIZE)

    async def with_a_permit() -> None:
        async with gate.permit():
            pass

    async def with_a_semaphore() -> None:
        async with semaphore:
            pass

    permits = await paired_ratios_async(
        {"a semaphore": with_a_semaphore, "gate.permit()": with_a_permit},
        reference="a semaphore",
        rng=Random(2),
    )
    print("\nwithout a server\n" + permits.table())

    async def refused() -> None:
        try:
            async with full.permit():
                pass
        except PoolExhausted:
            pass

    async def failing() -> None:
        raise ValueError("no")

    async def bare_exception() -> None:
        try:  # noqa: SIM105 -- the same form as above: `suppress` has a cost of its own; until=never
            await failing()
        except ValueError:
            pass

    holder = asyncio.ensure_future(
        full.permit().__aenter__()
    )  # a task of its own: this one must not be nested
    await holder
    refusals = await paired_ratios_async(
        {"a bare exception": bare_exception, "a refusal": refused},
        reference="a bare exception",
        rng=Random(3),
    )
    print("\n" + refusals.table())
    return [permits.ratios["gate.permit()"].at_most(3.0), refusals.ratios["a refusal"].at_most(6.0)]


def main() -> int:
    """Measure, print, and say whether the targets were met."""
    logging.getLogger("quickwins").setLevel(logging.ERROR)
    with PostgresServer.start() as server:
        made = asyncio.run(on_the_server(server.url))
        made += asyncio.run(through_libraries(server.url))
    made += asyncio.run(alone())
    return conclude(made)


if __name__ == "__main__":
    sys.exit(main())
