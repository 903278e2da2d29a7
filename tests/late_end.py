"""A way to a server whose connections stay open for a second when the server has closed them, as a container's proxy may have it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

CHUNK_BYTES = 1 << 16
LATE_SECONDS = 1.0


@asynccontextmanager
async def late_end(url: str) -> AsyncIterator[str]:
    """`url` by that way: clients read all that the server says at once, and that it has closed a second later."""
    parts, tasks = urlsplit(url), set[asyncio.Task[None]]()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, late_seconds: float) -> None:
        try:
            while data := await reader.read(CHUNK_BYTES):
                writer.write(data)
            await asyncio.sleep(late_seconds)
        except OSError:
            pass
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        its_reader, its_writer = await asyncio.open_connection(parts.hostname, parts.port)
        await asyncio.gather(carry(reader, its_writer, 0), carry(its_reader, writer, LATE_SECONDS))

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async with await asyncio.start_server(accepted, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        login, _, _ = parts.netloc.rpartition("@")
        yield parts._replace(netloc=f"{login}@127.0.0.1:{port}").geturl()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
