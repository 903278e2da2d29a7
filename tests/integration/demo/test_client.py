from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import h11
import pytest

from quickwins.demo.client import Answer, HttpClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CLOSE = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[int]:
    open_writers: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_writers.append(writer)
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in open_writers:
            writer.close()
        await server.wait_closed()


async def request_of(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    return head + await reader.readexactly(length)


@pytest.mark.asyncio
async def test_a_connection_is_kept_and_used_again() -> None:
    connections = 0
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            seen.append(await request_of(reader))
            writer.write(OK)

    async with serving(serve) as port:
        client = HttpClient(port)
        for _ in range(3):
            assert await client.request("POST", "/x", b"body") == Answer(200, b"hello")
        client.close()
    assert connections == 1
    assert len(seen) == 3
    assert seen[0].startswith(b"POST /x HTTP/1.1\r\n")
    assert seen[0].endswith(b"body")


@pytest.mark.asyncio
@pytest.mark.parametrize("answer", [OK, CLOSE], ids=["closed without a word", "announced"])
async def test_a_connection_that_the_server_closed_is_replaced(answer: bytes) -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await request_of(reader)
        writer.write(answer)

    async with serving(serve) as port:
        client = HttpClient(port)
        for number in range(1, 4):
            assert (await client.request("GET", "/metrics")).status == 200
            async with asyncio.timeout(10):
                while any(connection.usable() for connection in client._idle):  # noqa: ASYNC110 -- no event to wait for; until=never
                    await asyncio.sleep(0)
            assert connections == number
        client.close()


@pytest.mark.asyncio
async def test_giving_up_closes_the_connection_and_the_next_request_gets_a_new_one() -> None:
    hung_up = asyncio.Event()
    asked = asyncio.Event()
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await request_of(reader)
        asked.set()
        if connections > 1:
            writer.write(OK)
        await reader.read()
        hung_up.set()

    async with serving(serve) as port:
        client = HttpClient(port)
        giving_up = asyncio.create_task(client.request("GET", "/slow"))
        await asyncio.wait_for(asked.wait(), 10)
        giving_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await giving_up
        await asyncio.wait_for(hung_up.wait(), 10)
        assert (await client.request("GET", "/")).status == 200
        client.close()


@pytest.mark.asyncio
async def test_a_server_that_hangs_up_in_the_middle_is_an_error() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(OK[:-2])

    async with serving(serve) as port:
        client = HttpClient(port)
        with pytest.raises(h11.RemoteProtocolError):
            await client.request("GET", "/")
        client.close()


@pytest.mark.asyncio
async def test_nobody_listening_is_an_error() -> None:
    async with serving(lambda *_: asyncio.sleep(0)) as port:
        pass
    with pytest.raises(OSError, match="Connect call failed"):
        await HttpClient(port).request("GET", "/")
