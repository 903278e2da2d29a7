"""What pools do with their connections themselves, and what services do with sessions: no permit is lost by it."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from prometheus_client import CollectorRegistry
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import text
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from quickwins.backpressure.psycopg import GatedPsycopgPool
from quickwins.backpressure.sqlalchemy import GatedEngine
from tests.eventually import eventually
from tests.integration.backpressure.conftest import patient

if TYPE_CHECKING:
    from tests.engines import Target

pytestmark = [pytest.mark.engines("postgres"), pytest.mark.any_server, pytest.mark.asyncio]


class Failing:
    """Fails on each second connection that it is called with."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self, connection: object) -> None:
        self.times += 1
        if self.times % 2:
            raise RuntimeError("no good")


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"check": Failing()}, id="a check that fails"),
        pytest.param({"reset": Failing()}, id="a reset that fails"),
        pytest.param({"max_lifetime": 0.01, "max_idle": 0.01}, id="lives of ten milliseconds"),
    ],
)
async def test_whatever_psycopgs_pool_makes_of_its_connections(
    options: dict[str, Any], postgres: Target
) -> None:
    async with AsyncConnectionPool(
        postgres.url, min_size=2, max_size=2, open=False, timeout=20, **options
    ) as pool:
        gated = GatedPsycopgPool(pool, gate=patient(), name="feed", registry=CollectorRegistry())

        async def one() -> None:
            async with pool.connection() as connection:
                await connection.execute("SELECT 1")

        await asyncio.gather(*(one() for _ in range(4)))
        assert gated.stats().inflight == gated.stats().waiting == 0


async def test_cancelled_by_anyio_and_shared_by_tasks_sessions_give_their_permits_back(
    postgres: Target,
) -> None:
    url = postgres.url.replace("postgresql://", "postgresql+asyncpg://")
    engine = create_async_engine(url, pool_size=2, max_overflow=0)
    gated = GatedEngine(engine, gate=patient(), name="feed", registry=CollectorRegistry())

    async def forever() -> None:
        async with engine.connect() as connection:
            while True:
                await connection.execute(text("SELECT 1"))

    for _ in range(5):
        async with anyio.create_task_group() as group:
            group.start_soon(forever)
            await eventually(lambda: gated.stats().inflight == 1)
            group.cancel_scope.cancel()
    async with AsyncSession(engine) as session:
        many = await asyncio.gather(
            *(session.execute(text("SELECT 1")) for _ in range(4)), return_exceptions=True
        )
        assert any(isinstance(one, InvalidRequestError) for one in many)
        assert gated.stats().inflight == 1
    gc.collect()
    await eventually(lambda: gated.stats().inflight == gated.stats().waiting == 0)
    await engine.dispose()
