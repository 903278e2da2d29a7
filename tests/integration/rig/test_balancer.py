"""Connections spread over several servers, each served by one of them for as long as it lasts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from quickwins.rig import TcpBalancer
from tests.eventually import DEADLINE_SECONDS

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def named(name: bytes) -> AsyncIterator[int]:
    """A server that says its name, once for each line it is sent; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            writer.write(name)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def three() -> AsyncIterator[tuple[TcpBalancer, dict[bytes, int]]]:
    async with AsyncExitStack() as stack:
        ports = {name: await stack.enter_async_context(named(name)) for name in (b"a", b"b", b"c")}
        yield await stack.enter_async_context(TcpBalancer(ports.values())), ports


async def names(port: int, lines: int = 1) -> bytes:
    """Who answers on one connection; nothing when it is reset."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = b""
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            for _ in range(lines):
                writer.write(b"who\n")
                heard += await reader.readexactly(1)
    except (ConnectionResetError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    return heard


async def test_each_connection_has_the_next_target_and_keeps_it() -> None:
    async with three() as (balancer, _):
        heard = [await names(balancer.port, lines=3) for _ in range(6)]
    assert sorted(heard) == [b"aaa", b"aaa", b"bbb", b"bbb", b"ccc", b"ccc"]
    assert heard[:3] == heard[3:]


async def test_later_connections_follow_a_change_of_the_targets() -> None:
    async with three() as (balancer, ports):
        balancer.targets.remove(ports[b"b"])
        assert {await names(balancer.port) for _ in range(4)} == {b"a", b"c"}
        balancer.targets[:] = [ports[b"b"]]
        assert {await names(balancer.port) for _ in range(4)} == {b"b"}


async def test_a_target_that_refuses_is_passed_over_and_with_none_left_the_client_is_reset() -> None:
    async with three() as (balancer, ports):
        async with named(b"x") as gone:
            pass
        balancer.targets[:] = [gone, ports[b"a"]]
        assert [await names(balancer.port) for _ in range(4)] == [b"a"] * 4
        balancer.targets[:] = [gone]
        assert await names(balancer.port) == b""
        balancer.targets.clear()
        assert await names(balancer.port) == b""


async def test_its_faults_are_those_of_a_proxy() -> None:
    async with three() as (balancer, _):
        await balancer.cut()
        with pytest.raises(ConnectionRefusedError):
            await names(balancer.port)
        await balancer.heal()
        assert await names(balancer.port) in (b"a", b"b", b"c")
