"""A TCP proxy that breaks the connections through it on demand. One event loop, 127.0.0.1 only."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING, Self, TypeAlias

from quickwins.core.clock import SystemClock

if TYPE_CHECKING:
    from types import TracebackType

    from quickwins.core.clock import Clock

_CHUNK_BYTES = 64 * 1024
# Chunks on their way in each direction: bounds memory and, with latency, throughput to this much in that time.
_CHUNKS_ON_THE_WAY = 16
MAX_CONNECTIONS = 1_024
"""How many go through a proxy at once; any more are refused."""
_BACKLOG = 128
_TURNS_TO_ANNOUNCE = 5

_Line: TypeAlias = "asyncio.Queue[tuple[float, bytes | None]]"
"""One direction: when a chunk is due, and its bytes; no bytes are the end of the stream, `None` is a reset."""


class TcpProxy:
    """Forwards every byte between its own port and a target until told to misbehave.

        async with TcpProxy("127.0.0.1", postgres_port) as proxy:
            pool = await asyncpg.create_pool(port=proxy.port, ...)
            proxy.blackhole()

    Faults can be turned on while connections are open, and add up; `heal` ends them all. Bytes are never lost, repeated
    or reordered: a fault delays them or ends their connection. Buffers are bounded, and a slow reader slows its writer,
    as without a proxy. Half-closed connections stay half open.

    Args:
        target_host: The host to connect to; resolved for each connection.
        target_port: Its port.
        clock: Times the latency; `None` means the system's.

    Attributes:
        port: Where to reach the proxy on 127.0.0.1, once entered; the same after a cut and a heal.
    """

    def __init__(self, target_host: str, target_port: int, *, clock: Clock | None = None) -> None:
        self.port = 0
        self._target = (target_host, target_port)
        self._clock = clock or SystemClock()
        self._latency_seconds = 0.0
        self._refusing = True
        self._passing = asyncio.Event()
        self._passing.set()
        self._server: asyncio.Server | None = None
        self._reserved: socket.socket | None = None
        self._connections: dict[asyncio.Task[None], Connection] = {}

    async def __aenter__(self) -> Self:
        self._reserve()
        await self._listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the listener and every connection; returns when all are closed."""
        await self._close()
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None

    def __repr__(self) -> str:
        states = {
            "not listening": self._server is None,
            "refusing": self._server is not None and self._refusing,
            "blackhole": not self._passing.is_set(),
            f"latency {self._latency_seconds:g} s": self._latency_seconds > 0,
        }
        state = ", ".join(one for one, there in states.items() if there) or "passing"
        return f"<{type(self).__name__} {self.port} to {self._aim()}, {state}, {self.open_connections} connections>"

    @property
    def open_connections(self) -> int:
        """How many clients are connected, including those that are held up."""
        return len(self._connections)

    def latency(self, seconds: float) -> None:
        """Delay every chunk by this much in each direction, from the next one read on; 0 for no delay."""
        self._latency_seconds = seconds

    def blackhole(self) -> None:
        """Let nothing through, on open and new connections, without a sign to either side.

        As with a network that loses every packet, writers see no error until their buffers are full, readers wait,
        and what was written arrives after `heal`. Unlike there, new connections are still accepted.
        """
        self._passing.clear()

    async def reset(self, *, refuse_new: bool = False) -> None:
        """End all open connections with an RST to both sides; with `refuse_new`, later ones too, at once."""
        self._refusing = True
        await self._end_connections(rst=True)
        # Clients that the system has connected but the loop has not yet announced are connected, too.
        for _ in range(_TURNS_TO_ANNOUNCE):
            await asyncio.sleep(0)
        self._refusing = refuse_new

    async def cut(self) -> None:
        """Close the listener and all connections: the system refuses new ones, as if the target had died.

        The port stays ours, so nobody else can take it before `heal`.
        """
        if self._server is not None:
            self._server.close()
            self._reserve()
        await self._close()

    async def heal(self) -> None:
        """End every fault. Connections that were held up go on, closed ones stay closed, and new ones are accepted."""
        self._latency_seconds = 0.0
        self._passing.set()
        if self._server is None:
            await self._listen()
        self._refusing = False

    def _aim(self) -> str:
        """Where connections go, as `repr` shows it."""
        host, port = self._target
        return f"{host}:{port}"

    async def _reach(self, connection: Connection) -> None:
        """Connect the other end of a new connection, or raise `OSError`."""
        await connection.connect(*self._target)

    def _reserve(self) -> None:
        # Bound but not listening: connecting is refused, and nobody else gets the port, not even as the local end
        # of a connection to itself.
        reserved = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            reserved.bind(("127.0.0.1", self.port))
        except BaseException:
            reserved.close()
            raise
        self._reserved, self.port = reserved, reserved.getsockname()[1]

    async def _listen(self) -> None:
        assert self._reserved is not None
        self._refusing = False
        self._server = await asyncio.start_server(self._accept, sock=self._reserved, backlog=_BACKLOG)
        self._reserved = None

    async def _close(self) -> None:
        # Refusing, since the loop may still announce connections that were made before the listener closed.
        self._refusing = True
        server, self._server = self._server, None
        if server is not None:
            server.close()
        await self._end_connections(rst=False)
        if server is not None:
            await server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        if self._refusing or len(self._connections) >= MAX_CONNECTIONS:
            connection.abort(rst=True)
            return
        task = asyncio.get_running_loop().create_task(self._serve(connection))
        self._connections[task] = connection
        task.add_done_callback(self._connections.pop)

    async def _end_connections(self, *, rst: bool) -> None:
        tasks = list(self._connections)
        for task in tasks:
            self._connections[task].abort(rst=rst)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, connection: Connection) -> None:
        try:
            # A connection made during a blackhole reaches the target after it.
            await self._passing.wait()
            await self._reach(connection)
            async with asyncio.TaskGroup() as directions:
                for reader, writer in connection.directions():
                    line: _Line = asyncio.Queue(_CHUNKS_ON_THE_WAY)
                    directions.create_task(self._read(reader, line))
                    directions.create_task(self._write(line, writer))
            await connection.closed()
        except* OSError:
            # One side is gone: tell the other the same way. There is nobody else to tell.
            connection.abort(rst=True)
        finally:
            # Does nothing after a clean end; after any other there is nothing to flush.
            connection.abort(rst=False)
            await connection.closed()

    async def _read(self, reader: asyncio.StreamReader, line: _Line) -> None:
        chunk: bytes | None = b"first"
        while chunk:
            try:
                chunk = await reader.read(_CHUNK_BYTES)
            except OSError:
                chunk = None
            await line.put((self._clock.monotonic() + self._latency_seconds, chunk))

    async def _write(self, line: _Line, writer: asyncio.StreamWriter) -> None:
        chunk: bytes | None = b"first"
        while chunk:
            due, chunk = await line.get()
            wait_seconds = due - self._clock.monotonic()
            if wait_seconds > 0:
                await self._clock.sleep(wait_seconds)
            await self._passing.wait()
            if chunk is None:
                raise ConnectionResetError("reset by the other side")
            if chunk:
                writer.write(chunk)
                await writer.drain()
        writer.write_eof()


class Connection:
    """The two sockets of a proxied connection, and how they are closed."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends = [(reader, writer)]

    async def connect(self, host: str, port: int) -> None:
        """Open the other end."""
        self._ends.append(await asyncio.open_connection(host, port))

    def directions(self) -> tuple[tuple[asyncio.StreamReader, asyncio.StreamWriter], ...]:
        """From where to where: there, and back."""
        (client_reader, client_writer), (target_reader, target_writer) = self._ends
        return (client_reader, target_writer), (target_reader, client_writer)

    def abort(self, *, rst: bool) -> None:
        """Close both ends at once, and discard unsent bytes."""
        for _, writer in self._ends:
            sock = writer.get_extra_info("socket")
            if rst and sock is not None and sock.fileno() >= 0:
                # Linger on, for zero seconds: closing discards what is unsent and sends RST instead of FIN.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def closed(self) -> None:
        """Close both ends, and wait until their buffers are empty."""
        for _, writer in self._ends:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
