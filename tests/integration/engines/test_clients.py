"""The clients that the library's users have, against each server of this run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from valkey.asyncio import Valkey

from quickwins.engines import Capability
from tests.integration.kafka.topics import create_topic

if TYPE_CHECKING:
    from tests.engines import Target


@pytest.mark.asyncio
@pytest.mark.engines("postgres")
async def test_postgres_answers_queries_in_a_database_of_the_tests_own(postgres_database: str) -> None:
    connection = await asyncpg.connect(postgres_database)
    try:
        assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
        await connection.execute("CREATE TABLE posts (id bigint PRIMARY KEY, body text)")
        await connection.executemany(
            "INSERT INTO posts VALUES ($1, $2)", [(n, "grüß dich") for n in range(10)]
        )
        assert await connection.fetchval("SELECT body FROM posts WHERE id = 7") == "grüß dich"
        assert await connection.fetchval("SHOW server_encoding") == "UTF8"
    finally:
        await connection.close()


@pytest.mark.asyncio
@pytest.mark.engines("postgres")
@pytest.mark.capability(Capability.LOGICAL_DECODING)
async def test_postgres_decodes_changes_by_pgoutput(postgres_database: str) -> None:
    connection = await asyncpg.connect(postgres_database)
    try:
        await connection.execute(
            "CREATE TABLE posts (id bigint PRIMARY KEY); CREATE PUBLICATION p FOR TABLE posts"
        )
        await connection.execute("SELECT pg_create_logical_replication_slot('slot_of_test', 'pgoutput')")
        await connection.execute("INSERT INTO posts VALUES (1)")
        changes = await connection.fetch(
            "SELECT data FROM pg_logical_slot_get_binary_changes("
            "'slot_of_test', NULL, NULL, 'proto_version', '1', 'publication_names', 'p')"
        )
        assert b"I" in {change["data"][:1] for change in changes}
        await connection.execute("SELECT pg_drop_replication_slot('slot_of_test')")
    finally:
        await connection.close()


@pytest.mark.asyncio
@pytest.mark.engines("valkey")
async def test_valkey_keeps_a_value_until_it_expires(valkey: Target, key_prefix: str) -> None:
    async with Valkey.from_url(valkey.url) as client:
        assert await client.set(f"{key_prefix}a", "value", ex=60)
        assert await client.get(f"{key_prefix}a") == b"value"
        assert 0 < await client.ttl(f"{key_prefix}a") <= 60
        assert await client.get(f"{key_prefix}b") is None


@pytest.mark.asyncio
@pytest.mark.engines("kafka")
async def test_kafka_gives_back_in_order_what_it_was_given(kafka: Target, topic_prefix: str) -> None:
    topic = f"{topic_prefix}order"
    await create_topic(kafka.url, topic)
    async with AIOKafkaProducer(bootstrap_servers=kafka.url) as producer:
        for number in range(100):
            await producer.send_and_wait(topic, b"%d" % number, key=b"same")
    async with AIOKafkaConsumer(topic, bootstrap_servers=kafka.url, auto_offset_reset="earliest") as consumer:
        async with asyncio.timeout(30):
            received = [(await consumer.getone()).value for _ in range(100)]
    assert received == [b"%d" % number for number in range(100)]
