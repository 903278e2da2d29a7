"""Servers that are killed, stopped and started again while a consumer works, and members that come and go: nothing lost or doubled."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest

from quickwins.engines import Capability
from tests.eventually import DEADLINE_SECONDS
from tests.faults.dedup.processes import Consumer, Processes, ended
from tests.faults.dedup.stream import TOPIC, stream
from tests.integration.dedup import sinks
from tests.integration.dedup.consuming import house

if TYPE_CHECKING:
    from tests.engines import Server, Target

pytestmark = [pytest.mark.asyncio, pytest.mark.no_cover]
EVENTS = {"state": 12_000, "inbox": 12_000, "claims": 3_000}


@pytest.mark.volume
@pytest.mark.parametrize("strategy", EVENTS)
async def test_servers_go_away_and_come_back_while_a_consumer_works(
    own_kafka: Server, own_postgres: Server, own_valkey: Server, strategy: str
) -> None:
    count = EVENTS[strategy]
    async with house(own_kafka.url, own_postgres.url, "", (TOPIC,)) as made:
        await made.pool.execute(sinks.TABLES)
        processes = Processes(made, stream(count, 3), own_postgres.url, valkey=own_valkey.url)
        await processes.send()
        consumer = processes.start(strategy=strategy, counts=True, batch=32)
        try:
            await _made(processes, consumer, count // 4)
            own_kafka.pause()
            own_postgres.kill()
            await asyncio.to_thread(own_postgres.restart)
            own_kafka.resume()
            await _made(processes, consumer, count // 2)
            own_valkey.kill()
            own_postgres.kill()
            await asyncio.to_thread(own_valkey.restart)
            await asyncio.to_thread(own_postgres.restart)
        finally:
            code, said = await ended(consumer, seconds=2 * DEADLINE_SECONDS)
        assert code == 0, said
        assert await processes.lost_and_doubled(count) == (0, 0)


@pytest.mark.volume
@pytest.mark.capability(Capability.DURABLE)
@pytest.mark.engines("kafka")
@pytest.mark.parametrize("strategy", EVENTS)
async def test_a_broker_is_killed_and_started_again(
    own_kafka: Server, own_postgres: Server, own_valkey: Server, strategy: str
) -> None:
    count = EVENTS[strategy]
    async with house(own_kafka.url, own_postgres.url, "", (TOPIC,)) as made:
        await made.pool.execute(sinks.TABLES)
        processes = Processes(made, stream(count, 4), own_postgres.url, valkey=own_valkey.url)
        await processes.send()
        consumer = processes.start(strategy=strategy, counts=True, batch=32)
        try:
            await _made(processes, consumer, count // 3)
            own_kafka.kill()
            await asyncio.to_thread(own_kafka.restart)
        finally:
            code, said = await ended(consumer, seconds=4 * DEADLINE_SECONDS)
        assert code == 0, said
        assert await processes.lost_and_doubled(count) == (0, 0)


@pytest.mark.volume
@pytest.mark.engines("kafka", "postgres", "valkey")
@pytest.mark.parametrize("strategy", EVENTS)
async def test_members_come_and_go_and_are_killed_and_stopped(
    kafka: Target, valkey: Target, postgres_database: str, topic_prefix: str, strategy: str
) -> None:
    """Three at a time, over six partitions: each change has Kafka give them away anew."""
    count = EVENTS[strategy]
    async with house(kafka.url, postgres_database, topic_prefix, (TOPIC,), partitions=6) as made:
        await made.pool.execute(sinks.TABLES)
        records = stream(count, 5, partitions=6)
        processes = Processes(made, records, postgres_database, valkey=valkey.url)
        await processes.send(0.4)
        members: list[Consumer] = []

        def join() -> Consumer:
            one = processes.start(strategy=strategy, counts=True, batch=32, subscribe=True, whole=True)
            members.append(one)
            return one

        try:
            first = join()
            await _made(processes, first, 1)
            second, third = join(), join()
            await processes.send(0.3)
            await _made(processes, second, count // 3)
            first.kill()
            os.kill(third.pid, signal.SIGSTOP)
            join()
            await processes.send()
            await _made(processes, second, count * 3 // 4)
            os.kill(third.pid, signal.SIGCONT)
            join()
            await _made(processes, second, count)
        finally:
            for one in members:
                one.kill()
                await ended(one)
        assert await processes.lost_and_doubled(count) == (0, 0)


async def _made(processes: Processes, consumer: Consumer, effects: int) -> None:
    """Wait for so many effects; a consumer that ends before is a failure."""
    async with asyncio.timeout(3 * DEADLINE_SECONDS):
        while await processes.effects() < effects:
            assert consumer.poll() in (None, 0)
            await asyncio.sleep(0.02)
