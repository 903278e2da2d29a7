"""Servers of the kind this run tests with, killed, frozen and brought back under their clients."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from prometheus_client import CollectorRegistry
from valkey.asyncio import Valkey

from quickwins.backpressure import Gate, GatedPool
from quickwins.engines import Capability
from tests.integration.kafka.topics import create_topic

if TYPE_CHECKING:
    from tests.engines import Server

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.capability(Capability.PROCESS_CONTROL, Capability.DURABLE),
]

DEADLINE_SECONDS = 60.0


@pytest.mark.engines("postgres")
async def test_a_gated_pool_gives_its_permits_back_when_its_server_dies_and_serves_again_after(
    own_postgres: Server,
) -> None:
    async with asyncpg.create_pool(own_postgres.url, min_size=0, max_size=2) as pool:
        gated = GatedPool(
            pool, gate=Gate.threshold(0.999), name="feed", service="api", registry=CollectorRegistry()
        )
        async with gated.acquire() as connection:
            await connection.execute("CREATE TABLE posts (id bigint)")
            await connection.execute("INSERT INTO posts VALUES (1)")
        running = asyncio.create_task(gated.fetchval("SELECT pg_sleep(600)"))
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not await pool.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
            ):
                pass
            await asyncio.to_thread(own_postgres.kill)
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
                await running
            assert gated.stats().inflight == 0
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
                await gated.fetchval("SELECT 1")
            assert gated.stats().inflight == 0
            await asyncio.to_thread(own_postgres.restart)
            # What was acknowledged is there.
            assert await gated.fetchval("SELECT id FROM posts") == 1
            assert gated.stats().inflight == 0


@pytest.mark.engines("postgres")
async def test_a_frozen_postgres_is_silent_and_goes_on_where_it_was(own_postgres: Server) -> None:
    connection = await asyncpg.connect(own_postgres.url)
    try:
        await asyncio.to_thread(own_postgres.pause)
        asked = asyncio.create_task(connection.fetchval("SELECT 1"))
        done, _ = await asyncio.wait({asked}, timeout=0.3)
        assert not done
        await asyncio.to_thread(own_postgres.resume)
        assert await asyncio.wait_for(asked, DEADLINE_SECONDS) == 1
    finally:
        await connection.close()


@pytest.mark.engines("valkey")
async def test_what_valkey_acknowledged_survives_its_crash(own_valkey: Server) -> None:
    async with Valkey.from_url(own_valkey.url) as client:
        for number in range(100):
            await client.set(f"key{number}", number)
    await asyncio.to_thread(own_valkey.kill)
    await asyncio.to_thread(own_valkey.restart)
    async with Valkey.from_url(own_valkey.url) as client:
        assert await client.mget([f"key{number}" for number in range(100)]) == [
            b"%d" % number for number in range(100)
        ]


@pytest.mark.engines("kafka")
async def test_what_a_broker_acknowledged_survives_its_crash(own_kafka: Server) -> None:
    await create_topic(own_kafka.url, "kept")
    async with AIOKafkaProducer(bootstrap_servers=own_kafka.url, acks="all") as producer:
        for number in range(100):
            await producer.send_and_wait("kept", b"%d" % number)
    await asyncio.to_thread(own_kafka.kill)
    await asyncio.to_thread(own_kafka.restart)
    async with (
        AIOKafkaConsumer("kept", bootstrap_servers=own_kafka.url, auto_offset_reset="earliest") as consumer,
        asyncio.timeout(DEADLINE_SECONDS),
    ):
        assert [(await consumer.getone()).value for _ in range(100)] == [
            b"%d" % number for number in range(100)
        ]
