"""The TCP proxy on real sockets: byte-exact when healthy, and each fault as a client meets it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
import termios
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING

import pytest

from quickwins.core.clock import FakeClock
from quickwins.rig import TcpProxy, proxy
from tests.eventually import DEADLINE_SECONDS, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

pytestmark = pytest.mark.asyncio

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Target:
    """A server that answers every byte with itself, and keeps what it got."""

    def __init__(self) -> None:
        self.port = 0
        self.got = bytearray()
        self.ended: list[str] = []
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            while chunk := await reader.read(65_536):
                self.got += chunk
                writer.write(chunk)
                await writer.drain()
            self.ended.append("eof")
            writer.write(b"<bye>")
        except ConnectionResetError:
            self.ended.append("reset")
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@asynccontextmanager
async def target_server() -> AsyncIterator[Target]:
    target = Target()
    server = await asyncio.start_server(target.serve, "127.0.0.1", 0)
    target.port = server.sockets[0].getsockname()[1]
    try:
        yield target
    finally:
        server.close()
        for writer in target.writers:
            writer.transport.abort()
        await eventually(lambda: len(target.ended) == len(target.writers))


@asynccontextmanager
async def through(port: int) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def echo(streams: Streams, payload: bytes) -> bytes:
    reader, writer = streams
    writer.write(payload)
    async with asyncio.timeout(DEADLINE_SECONDS):
        return await reader.readexactly(len(payload))


async def is_reset(reading: Awaitable[bytes]) -> bool:
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await reading
    except ConnectionResetError:
        return True
    return False


async def test_bytes_pass_unchanged_in_both_directions_and_at_once_on_many_connections() -> None:
    async with target_server() as target, TcpProxy("127.0.0.1", target.port) as tcp:

        async def one(seed: int) -> None:
            payload = Random(seed).randbytes(3_000_000)
            async with through(tcp.port) as (reader, writer):

                async def send() -> None:
                    for start in range(0, len(payload), 70_001):
                        writer.write(payload[start : start + 70_001])
                        await writer.drain()

                async with asyncio.timeout(DEADLINE_SECONDS), asyncio.TaskGroup() as both:
                    both.create_task(send())
                    received = both.create_task(reader.readexactly(len(payload)))
                assert received.result() == payload

        await asyncio.gather(*(one(seed) for seed in range(3)))
        await eventually(lambda: tcp.open_connections == 0)
        assert len(target.got) == 9_000_000


async def test_a_half_closed_connection_still_answers() -> None:
    async with (
        target_server() as target,
        TcpProxy("127.0.0.1", target.port) as tcp,
        through(tcp.port) as (reader, writer),
    ):
        writer.write(b"last words")
        writer.write_eof()
        async with asyncio.timeout(DEADLINE_SECONDS):
            assert await reader.read(-1) == b"last words<bye>"
        assert target.ended == ["eof"]
        await eventually(lambda: tcp.open_connections == 0)


async def test_a_reader_that_stands_still_stops_the_writer_instead_of_filling_memory() -> None:
    async with (
        target_server() as target,
        TcpProxy("127.0.0.1", target.port) as tcp,
        through(tcp.port) as (reader, writer),
    ):
        chunk = bytes(1 << 20)
        sent = 0
        # Far above what kernels and the proxy may hold; the echo comes back to nobody.
        while sent < 256:
            writer.write(chunk)
            try:
                async with asyncio.timeout(0.5):
                    await writer.drain()
            except TimeoutError:
                break
            sent += 1
        assert sent < 256
        sent += 1
        writer.write_eof()
        received = 0
        async with asyncio.timeout(DEADLINE_SECONDS):
            while data := await reader.read(1 << 20):
                received += len(data)
        assert received == sent * len(chunk) + len(b"<bye>")


async def test_latency_delays_each_direction_and_healing_ends_it() -> None:
    clock = FakeClock()
    async with (
        target_server() as target,
        TcpProxy("127.0.0.1", target.port, clock=clock) as tcp,
        through(tcp.port) as streams,
    ):
        assert await echo(streams, b"quick") == b"quick"
        tcp.latency(0.2)
        reader, writer = streams
        writer.write(b"slow")
        await eventually(lambda: clock.sleeping == 1)
        assert target.got == b"quick"
        await clock.advance(0.2)
        await eventually(lambda: target.got == b"quickslow" and clock.sleeping == 1)
        answer = asyncio.create_task(reader.readexactly(4))
        await clock.advance(0.19)
        assert not answer.done()
        await clock.advance(0.01)
        async with asyncio.timeout(DEADLINE_SECONDS):
            assert await answer == b"slow"
        await tcp.heal()
        assert await echo(streams, b"quick again") == b"quick again"


async def test_latency_does_not_add_up_over_chunks_that_travel_together() -> None:
    clock = FakeClock()
    async with (
        target_server() as target,
        TcpProxy("127.0.0.1", target.port, clock=clock) as tcp,
        through(tcp.port) as (_, writer),
    ):
        tcp.latency(1.0)
        writer.write(b"1")
        await eventually(lambda: clock.sleeping == 1)
        await clock.advance(0.9)
        for _ in range(3):
            writer.write(b"2")
            await writer.drain()
        before = len(target.got)
        await clock.advance(0.1)
        await eventually(lambda: target.got == b"1")
        await eventually(lambda: clock.sleeping >= 1)
        await clock.advance(0.9)
        await eventually(lambda: target.got == b"1222")
        assert before == 0


async def test_a_black_hole_passes_no_bytes_on_open_and_new_connections_until_healed() -> None:
    async with (
        target_server() as target,
        TcpProxy("127.0.0.1", target.port) as tcp,
        through(tcp.port) as old,
    ):
        assert await echo(old, b"before") == b"before"
        tcp.blackhole()
        async with through(tcp.port) as new:
            for reader, writer in (old, new):
                writer.write(b"?")
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await reader.read(1)
            assert target.got == b"before"
            assert len(target.writers) == 1
            await tcp.heal()
            for reader, _ in (old, new):
                async with asyncio.timeout(DEADLINE_SECONDS):
                    assert await reader.readexactly(1) == b"?"


async def test_a_black_hole_also_hides_that_the_target_ended() -> None:
    async with (
        target_server() as target,
        TcpProxy("127.0.0.1", target.port) as tcp,
        through(tcp.port) as (reader, writer),
    ):
        await echo((reader, writer), b"hello")
        tcp.blackhole()
        target.writers[0].get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0"
        )
        target.writers[0].transport.abort()
        reading = asyncio.create_task(reader.read(1))
        done, _ = await asyncio.wait([reading], timeout=0.05)
        assert not done
        await tcp.heal()
        assert await is_reset(reading)


async def test_a_reset_reaches_both_sides_of_every_open_connection_and_new_ones_work() -> None:
    async with (
        target_server() as target,
        TcpProxy("127.0.0.1", target.port) as tcp,
        through(tcp.port) as one,
        through(tcp.port) as other,
    ):
        await echo(one, b"1")
        await echo(other, b"2")
        await tcp.reset()
        assert tcp.open_connections == 0
        assert await is_reset(one[0].read(1))
        assert await is_reset(other[0].read(1))
        await eventually(lambda: target.ended == ["reset", "reset"])
        async with through(tcp.port) as later:
            assert await echo(later, b"3") == b"3"


async def test_a_connection_that_is_only_just_made_is_reset_as_well() -> None:
    async with target_server() as target, TcpProxy("127.0.0.1", target.port) as tcp:
        with socket.create_connection(("127.0.0.1", tcp.port)) as client:
            client.setblocking(False)
            await tcp.reset()
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 1), DEADLINE_SECONDS)


async def test_after_a_refusing_reset_new_connections_are_reset_until_healed() -> None:
    async with target_server() as target, TcpProxy("127.0.0.1", target.port) as tcp:
        await tcp.reset(refuse_new=True)
        async with through(tcp.port) as (reader, _):
            assert await is_reset(reader.read(1))
        assert target.writers == []
        await tcp.heal()
        async with through(tcp.port) as streams:
            assert await echo(streams, b"1") == b"1"


async def test_a_cut_closes_everything_and_refuses_until_healed_on_the_same_port() -> None:
    async with (
        target_server() as target,
        TcpProxy("127.0.0.1", target.port) as tcp,
        through(tcp.port) as streams,
    ):
        port = tcp.port
        await echo(streams, b"1")
        for _ in range(2):  # cutting what is cut changes nothing
            await tcp.cut()
        async with asyncio.timeout(DEADLINE_SECONDS):
            assert await streams[0].read(1) == b""
        await eventually(lambda: len(target.ended) == 1)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        await tcp.heal()
        assert tcp.port == port
        async with through(port) as later:
            assert await echo(later, b"2") == b"2"


async def test_a_target_that_is_not_there_shows_as_a_reset() -> None:
    async with target_server() as target:
        port = target.port
    async with TcpProxy("127.0.0.1", port) as tcp:
        async with through(tcp.port) as (reader, _):
            assert await is_reset(reader.read(1))
        await eventually(lambda: tcp.open_connections == 0)


async def test_a_client_that_resets_is_a_reset_for_the_target() -> None:
    async with target_server() as target, TcpProxy("127.0.0.1", target.port) as tcp:
        async with through(tcp.port) as (reader, writer):
            await echo((reader, writer), b"1")
            writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0"
            )
        await eventually(lambda: target.ended == ["reset"])
        await eventually(lambda: tcp.open_connections == 0)


@pytest.mark.parametrize("size", [65_536, 200_000, 400_000])
@pytest.mark.parametrize("client_first", [True, False])
async def test_what_a_target_sent_before_its_reset_arrives_although_the_client_goes_on_writing(
    size: int, client_first: bool
) -> None:
    loop = asyncio.get_running_loop()
    answer = Random(size).randbytes(size)
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        listener.setblocking(False)
        client.setblocking(False)
        async with (
            asyncio.timeout(DEADLINE_SECONDS),
            TcpProxy("127.0.0.1", listener.getsockname()[1]) as tcp,
        ):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)  # most of it waits in the proxy
            await loop.sock_connect(client, ("127.0.0.1", tcp.port))
            target, _ = await loop.sock_accept(listener)
            with target:
                await loop.sock_sendall(client, b"unread")
                assert await loop.sock_recv(target, 1) == b"u"
                tcp.blackhole()
                if client_first:
                    await loop.sock_sendall(client, b"more" * 1_000)
                await loop.sock_sendall(target, answer)
                await eventually(lambda: not any(fcntl.ioctl(target, termios.TIOCOUTQ, bytes(4))))
            # Closed with input that nobody read, which the system answers with an RST.
            if not client_first:
                await loop.sock_sendall(client, b"more" * 1_000)
            await tcp.heal()
            for _ in range(
                20
            ):  # in turns of their own: the first write to a peer that is gone may still succeed
                await loop.sock_sendall(client, b"and more")
                await asyncio.sleep(0)
            got = bytearray()

            async def read_on() -> None:
                while chunk := await loop.sock_recv(client, 65_536):
                    got.extend(chunk)

            with pytest.raises(ConnectionResetError):
                await read_on()
            assert got == answer
            await eventually(lambda: tcp.open_connections == 0)


async def test_both_ends_gone_with_much_on_its_way_to_either_end_the_connection() -> None:
    loop = asyncio.get_running_loop()
    abrupt = struct.pack("ii", 1, 0)
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)  # the accepted socket has it, too
        client.setblocking(False)
        async with (
            asyncio.timeout(DEADLINE_SECONDS),
            TcpProxy("127.0.0.1", listener.getsockname()[1]) as tcp,
        ):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            await loop.sock_connect(client, ("127.0.0.1", tcp.port))
            target, _ = await loop.sock_accept(listener)
            with target:
                await loop.sock_sendall(target, bytes(200_000))
                await loop.sock_sendall(client, bytes(200_000))
                await eventually(lambda: not any(fcntl.ioctl(target, termios.TIOCOUTQ, bytes(4))))
                await eventually(lambda: not any(fcntl.ioctl(client, termios.TIOCOUTQ, bytes(4))))
                target.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, abrupt)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, abrupt)
            assert tcp.open_connections == 1
            client.close()
            await eventually(lambda: tcp.open_connections == 0)


async def test_connections_beyond_the_most_are_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "MAX_CONNECTIONS", 1)
    async with (
        target_server() as target,
        TcpProxy("127.0.0.1", target.port) as tcp,
        through(tcp.port) as first,
    ):
        await echo(first, b"1")
        async with through(tcp.port) as (reader, _):
            assert await is_reset(reader.read(1))
        assert await echo(first, b"2") == b"2"


@pytest.mark.parametrize("fault", ["none", "blackhole", "latency", "cut"])
async def test_leaving_ends_every_task_and_gives_the_port_back(fault: str) -> None:
    async with target_server() as target:
        before = asyncio.all_tasks()
        async with TcpProxy("127.0.0.1", target.port) as tcp, through(tcp.port) as streams:
            await echo(streams, b"1")
            if fault == "blackhole":
                tcp.blackhole()
            elif fault == "latency":
                tcp.latency(1_000)
            elif fault == "cut":
                await tcp.cut()
            streams[1].write(b"on its way")
            port = tcp.port
        await eventually(lambda: len(target.ended) == len(target.writers))
        await eventually(lambda: asyncio.all_tasks() - before <= {asyncio.current_task()})
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_a_port_that_is_taken_is_an_error_and_leaves_nothing_open() -> None:
    async with target_server() as target:
        tcp = TcpProxy("127.0.0.1", target.port)
        tcp.port = target.port
        with pytest.raises(OSError, match="in use"):
            await tcp.__aenter__()
