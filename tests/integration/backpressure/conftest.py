"""Pools on a real PostgreSQL, closed after each test, with the check that nothing was left behind."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

import asyncpg
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from quickwins.backpressure import BackpressureSettings, Gate, GatedPool, Nested
from quickwins.core.flags import Flag, Flags, MemorySource
from tests.eventually import DEADLINE_SECONDS, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.engines import Target


class Pools(Protocol):
    """Makes a bare pool; connections come lazily unless `min_size` says so."""

    async def __call__(self, max_size: int = 4, **options: Any) -> asyncpg.Pool: ...


@pytest_asyncio.fixture
async def pools(postgres: Target) -> AsyncIterator[Pools]:
    made: list[asyncpg.Pool] = []

    async def make(max_size: int = 4, **options: Any) -> asyncpg.Pool:
        pool = await asyncpg.create_pool(postgres.url, **{"min_size": 0, **options}, max_size=max_size)
        made.append(pool)
        return pool

    yield make
    for pool in made:
        await asyncio.wait_for(pool.close(), DEADLINE_SECONDS)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def gated_over(
    pool: asyncpg.Pool, threshold: float = 0.999, *, gate: Gate | None = None, **options: Any
) -> GatedPool:
    """A gated pool on a registry of its own; the default threshold gates and still lets all connections be used."""
    options.setdefault("registry", CollectorRegistry())
    gate = Gate.threshold(threshold, nested=Nested.ALLOW) if gate is None else gate
    return GatedPool(pool, gate=gate, name="feed", service="api", **options)


def patient(**options: Any) -> Gate:
    """A queue gate that refuses nobody for the time unless told so: a busy machine must not decide a test.

    Nor for holding a connection: many a test holds all of them.
    """
    return Gate.queue(
        **{
            "target_seconds": 30.0,
            "interval_seconds": 60.0,
            "queue_size": 1_000,
            "nested": Nested.ALLOW,
            **options,
        }
    )


async def all_is_back(gated: GatedPool) -> None:
    """No permit is in use, and the pool gives every one of its connections again, each of which works."""
    await eventually(lambda: gated.stats().inflight == gated.stats().waiting == 0)
    size = gated.pool.get_max_size()
    async with asyncio.timeout(DEADLINE_SECONDS):
        held = await asyncio.gather(*(gated.pool.acquire() for _ in range(size)))
        assert len({id(connection) for connection in held}) == size
        for connection in held:
            assert await connection.fetchval("SELECT 1") == 1
            await gated.pool.release(connection)
    assert gated.stats().inflight == 0


def sleeping() -> str:
    """A statement that sleeps for half a minute, told from all others by its text."""
    return f"SELECT pg_sleep(30) /* {secrets.token_hex(4)} */"


async def asleep(observer: asyncpg.Pool, statement: str, number: int = 1) -> list[int]:
    """Wait until `statement` sleeps on the server; PostgreSQL ignores a cancellation that comes before.

    Returns:
        The processes that do.
    """
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            found = await observer.fetch(
                "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query = $1", statement
            )
            if len(found) == number:
                return [row["pid"] for row in found]


class Over(StrEnum):
    BARE = "the bare pool"
    OFF = "flag off"
    ONE = "threshold 1.0"
    ON = "gate on"
    QUEUE = "queue gate"
    ADAPTIVE = "adaptive gate"

    @property
    def gates(self) -> bool:
        """Whether a gate is asked."""
        return self in {Over.ON, Over.QUEUE, Over.ADAPTIVE}


@dataclass(frozen=True, slots=True)
class Subject:
    """What a case is tried on: `pool` is the bare pool or a gated one, `asyncpg` the one beneath."""

    over: Over
    pool: Any
    asyncpg: asyncpg.Pool

    async def is_whole(self) -> None:
        gated = self.pool if isinstance(self.pool, GatedPool) else gated_over(self.asyncpg)
        await all_is_back(gated)


def flag(registry: CollectorRegistry, *, on: bool) -> Flag:
    source = MemorySource({"backpressure": {"enabled": on}})
    return Flags({"backpressure": BackpressureSettings}, [source], registry=registry).flag("backpressure")


@pytest.fixture(params=list(Over))
def over(request: pytest.FixtureRequest) -> Over:
    found: Over = request.param
    return found


@pytest.fixture
def made(over: Over, registry: CollectorRegistry) -> Callable[[asyncpg.Pool], Subject]:
    def make(pool: asyncpg.Pool) -> Subject:
        if over is Over.BARE:
            return Subject(over, pool, pool)
        if over is Over.QUEUE:
            return Subject(over, gated_over(pool, gate=patient(), registry=registry), pool)
        if over is Over.ADAPTIVE:
            gate = Gate.adaptive(target_seconds=30, interval_seconds=300, queue_size=100, nested=Nested.ALLOW)
            return Subject(over, gated_over(pool, gate=gate, registry=registry), pool)
        threshold = 1.0 if over is Over.ONE else 0.999
        gated = gated_over(pool, threshold, flag=flag(registry, on=over is not Over.OFF), registry=registry)
        return Subject(over, gated, pool)

    return make
