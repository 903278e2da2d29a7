"""A pooler between us and the server: PgBouncer, or a proxy that gives its client another process's number, as they all do."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from quickwins.indexes import Blocked, BuildFailed, Precondition, Runner
from tests.index_database import Database
from tests.pgbouncer import Mode, pgbouncer

pytestmark = [pytest.mark.engines("postgres"), pytest.mark.asyncio]


@asynccontextmanager
async def pooler(url: str) -> AsyncIterator[str]:
    parts = urlsplit(url)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection(parts.hostname, parts.port)
        sending = asyncio.create_task(copy(reader, forth))
        try:
            first = True
            while chunk := await back.read(65536):
                # BackendKeyData comes in the first answers: 'K', its length, the process, the secret.
                if first and (at := chunk.find(b"K\0\0\0\x0c")) >= 0:
                    chunk = chunk[: at + 5] + struct.pack("!i", 7) + chunk[at + 9 :]
                    first = False
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            sending.cancel()
            writer.close()
            forth.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    credentials = parts.netloc.rpartition("@")[0]
    yield parts._replace(netloc=f"{credentials}@127.0.0.1:{port}").geturl()
    server.close()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()


async def test_a_pooler_is_refused_before_anything_begins(database: Database) -> None:
    migration = database.migration()
    async with pooler(database.url) as url:
        runner = Runner(url)
        plan = await runner.plan(migration)
        with pytest.raises(Blocked, match="a pooler is between us and the server") as blocked:
            await anext(runner.apply(plan))

    assert [one.precondition for one in plan.obstacles] == [Precondition.PROXY]
    assert blocked.value.reason is Precondition.PROXY
    assert database.indexes() == {}


@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_pgbouncer_is_refused_before_anything_begins(
    database: Database, open_folder: Path, mode: Mode
) -> None:
    migration = database.migration()
    with pgbouncer(database.url, mode, open_folder) as url:
        runner = Runner(url, max_wait_seconds=1)
        with pytest.raises(Blocked, match="a pooler is between us and the server") as blocked:
            await anext(runner.apply(await runner.plan(migration)))

    assert blocked.value.reason is Precondition.PROXY
    assert database.indexes() == {}


async def test_where_not_even_a_transaction_can_be_had_that_is_said(
    database: Database, open_folder: Path
) -> None:
    with (
        pgbouncer(database.url, "statement", open_folder) as url,
        pytest.raises(BuildFailed, match="transaction blocks not allowed in statement pooling mode"),
    ):
        await Runner(url).plan(database.migration())
