"""What operators see, and what nobody may see."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from quickwins.backpressure import PoolExhausted, Rule
from tests.integration.backpressure.conftest import Pools, all_is_back, gated_over

if TYPE_CHECKING:
    from tests.engines import Target

pytestmark = [pytest.mark.engines("postgres"), pytest.mark.any_server, pytest.mark.asyncio]

LABELS = {"service": "api", "name": "feed"}


async def test_the_series_follow_the_pool(pools: Pools, registry: CollectorRegistry) -> None:
    gated = gated_over(await pools(4), 0.5, registry=registry)

    def series(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {**LABELS, **labels})

    def shown() -> tuple[float | None, ...]:
        return (
            series("db_pool_permits_inflight", priority="normal"),
            series("db_pool_utilization_ratio"),
            series("db_pool_limit"),
            series("db_pool_exhausted_total", reason="threshold"),
            series("db_pool_exhausted_total", reason="closed"),
        )

    assert shown() == (0, 0, 2, 0, 0), "all are there before anything happened"
    async with gated.acquire(), gated.acquire():
        for _ in range(3):
            with pytest.raises(PoolExhausted):
                await gated.acquire()
        assert shown() == (2, 0.5, 2, 3, 0)
        gated.reconfigure(Rule(threshold=1.0))
        assert shown() == (2, 0.5, 4, 3, 0)
    gated.reconfigure(Rule(threshold=0.85))
    await all_is_back(gated)
    await gated.close()
    with pytest.raises(PoolExhausted):
        await gated.acquire()
    assert shown() == (0, 0, 4, 3, 1)


async def test_a_failed_acquisition_is_not_left_in_the_gauges(
    pools: Pools, registry: CollectorRegistry
) -> None:
    pool = await pools(1)
    gated = gated_over(pool, registry=registry)
    async with pool.acquire():
        with pytest.raises(TimeoutError):
            await gated.acquire(timeout=0.02)
    assert registry.get_sample_value("db_pool_permits_inflight", {**LABELS, "priority": "normal"}) == 0


async def test_neither_address_nor_user_nor_password_is_in_anything_that_leaves(
    postgres: Target, pools: Pools, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    # A server without passwords takes any.
    dsn = postgres.url if urlsplit(postgres.url).password else postgres.url.replace("@", ":t0p-secret@")
    password = str(urlsplit(dsn).password)
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        gated = gated_over(pool, registry=registry)
        with caplog.at_level(logging.DEBUG, logger="quickwins"):
            async with gated.acquire():
                with pytest.raises(PoolExhausted) as caught:
                    await gated.acquire()
        error = caught.value
        out = [
            f"{error!r} {error} {error.__dict__} {error.__cause__} {error.__context__}",
            repr(gated.stats()),
            generate_latest(registry).decode(),
            *(f"{record.getMessage()} {vars(record)}" for record in caplog.records),
        ]
        assert len(out) > 3, "a refusal was reported"
        port = postgres.url.rpartition(":")[2].partition("/")[0]
        for words in (password, "postgresql://", "127.0.0.1", port, "quickwins@"):
            assert not [text for text in out if words in text], words
