"""Topics of real change events, the databases of their effects, and consumers in processes of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from tests.faults.dedup.processes import Processes
from tests.integration.dedup import sinks
from tests.integration.dedup.consuming import House, house
from tests.unit.dedup.records import real_records

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.engines import Target

TOPICS = ("nova.public.posts", "nova.public.events_keyless")


@pytest_asyncio.fixture
async def real(kafka: Target, postgres_database: str, topic_prefix: str) -> AsyncIterator[House]:
    async with house(kafka.url, postgres_database, topic_prefix, TOPICS) as made:
        yield made


@pytest_asyncio.fixture
async def processes(real: House, postgres_database: str, valkey: Target) -> Processes:
    await real.pool.execute(sinks.TABLES)
    made = Processes(real, real_records(), postgres_database, valkey=valkey.url)
    await made.send(0.6)
    return made
