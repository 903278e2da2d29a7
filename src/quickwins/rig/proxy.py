"""A TCP proxy that breaks the connections through it on demand. One event loop, 127.0.0.1 only."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import socket
import struct
import termios
from functools import partial
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
# Without descriptors or memory, accepting is tried again after this long; the system has no event for it.
_ACCEPT_AGAIN_SECONDS = 1.0
_SHORT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
# Nor for bytes that have been acknowledged.
_LOOK_AGAIN_SECONDS = 0.005
_TCP_CLOSE = 7  # include/net/tcp_states.h

_Line: TypeAlias = "asyncio.Queue[tuple[float, bytes | None]]"
"""One direction: when a chunk is due, and its bytes; no bytes are the end of the stream, `None` is a reset."""


class TcpProxy:
    """Forwards every byte between its own port and a target until told to misbehave.

        async with TcpProxy("127.0.0.1", postgres_port) as proxy:
            pool = await asyncpg.create_pool(port=proxy.port, ...)
            proxy.blackhole()

    Faults can be turned on while connections are open, and add up; `heal` ends them all. Bytes are never lost, repeated
    or reordered: a fault delays them or ends their connection. What one end sent before it closed or was reset reaches
    the other first, then the EOF or the RST, also if bytes for the end that is gone had to be dropped. Buffers are bounded, and a slow reader slows its writer,
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
        self._server: socket.socket | None = None
        self._again: asyncio.TimerHandle | None = None
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
            self._stop_listening()
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
        self._reserved.listen(_BACKLOG)
        self._reserved.setblocking(False)
        self._server, self._reserved = self._reserved, None
        self._announce()

    def _announce(self) -> None:
        assert self._server is not None
        asyncio.get_running_loop().add_reader(self._server, self._accept, self._server)

    def _stop_listening(self) -> None:
        server, self._server = self._server, None
        if self._again is not None:
            self._again.cancel()
        if server is not None:
            asyncio.get_running_loop().remove_reader(server)
            server.close()

    async def _close(self) -> None:
        self._refusing = True
        self._stop_listening()
        await self._end_connections(rst=False)

    def _accept(self, server: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(_BACKLOG):
            try:
                sock, _address = server.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _SHORT_OF:
                    raise
                loop.remove_reader(server)
                self._again = loop.call_later(_ACCEPT_AGAIN_SECONDS, self._announce)
                return
            connection = Connection(sock)
            if self._refusing or len(self._connections) >= MAX_CONNECTIONS:
                # In the next turn: a client on this loop may have yet to see that it is connected.
                loop.call_soon(partial(connection.close, rst=True))
                continue
            task = loop.create_task(self._serve(connection))
            self._connections[task] = connection
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        # Only now: while a task waits for a socket, the loop knows its number, which the next socket may get.
        connection = self._connections.pop(task)
        connection.close(rst=connection.broken)

    async def _end_connections(self, *, rst: bool) -> None:
        tasks = list(self._connections)
        for task in tasks:
            self._connections[task].broken = rst
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, connection: Connection) -> None:
        try:
            # A connection made during a blackhole reaches the target after it.
            await self._passing.wait()
            await self._reach(connection)
            async with asyncio.TaskGroup() as directions:
                for source, sink in connection.directions():
                    line: _Line = asyncio.Queue(_CHUNKS_ON_THE_WAY)
                    directions.create_task(self._read(source, line))
                    directions.create_task(self._write(line, source, sink, connection))
        except* OSError:
            # One side is gone: tell the other the same way. There is nobody else to tell.
            connection.broken = True

    async def _read(self, source: socket.socket, line: _Line) -> None:
        loop = asyncio.get_running_loop()
        chunk: bytes | None = b"first"
        while chunk:
            try:
                chunk = await loop.sock_recv(source, _CHUNK_BYTES)
            except OSError:
                chunk = None
            await line.put((self._clock.monotonic() + self._latency_seconds, chunk))

    async def _write(
        self, line: _Line, source: socket.socket, sink: socket.socket, connection: Connection
    ) -> None:
        loop = asyncio.get_running_loop()
        chunk: bytes | None = b"first"
        while chunk:
            due, chunk = await line.get()
            if sink in connection.gone:
                continue  # dropped, so that the source can go on to read what the sink had sent
            wait_seconds = due - self._clock.monotonic()
            if wait_seconds > 0:
                await self._clock.sleep(wait_seconds)
            await self._passing.wait()
            if chunk is None or (not chunk and source in connection.gone):
                # A write that failed has taken the socket's error, and reading from it ends with an EOF.
                await _acknowledged(sink)
                raise ConnectionResetError("reset by the other side")
            try:
                if chunk:
                    await loop.sock_sendall(sink, chunk)
                else:
                    sink.shutdown(socket.SHUT_WR)
                    connection.ended.add(source)
            except OSError:
                if sink in connection.ended:
                    raise  # all that it had sent is delivered
                connection.gone.add(sink)


async def _acknowledged(sink: socket.socket) -> None:
    """Wait until the peer's system has all that was written, since an RST discards the rest."""
    while True:
        (unacknowledged,) = struct.unpack("i", fcntl.ioctl(sink, termios.TIOCOUTQ, bytes(4)))
        # A socket whose peer is gone still counts what it will never send.
        closed = sink.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _TCP_CLOSE
        if closed or not unacknowledged:
            return
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


class Connection:
    """The two sockets of a proxied connection, and how they are closed.

    Attributes:
        gone: The ends that nothing can be written to any more.
        ended: The ends whose EOF has been delivered.
        broken: Whether to close with an RST.
    """

    def __init__(self, client: socket.socket) -> None:
        self.gone: set[socket.socket] = set()
        self.ended: set[socket.socket] = set()
        self.broken = False
        self._ends: list[socket.socket] = []
        self._add(client)

    def _add(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ends.append(sock)

    async def connect(self, host: str, port: int) -> None:
        """Open the other end at the first of the host's addresses that accepts, or raise `OSError`."""
        loop = asyncio.get_running_loop()
        refused: OSError = ConnectionRefusedError(f"{host} has no address")
        for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.setblocking(False)
                await loop.sock_connect(sock, address)
            except OSError as error:
                sock.close()
                refused = error
            except BaseException:
                sock.close()
                raise
            else:
                self._add(sock)
                return
        raise refused

    def directions(self) -> tuple[tuple[socket.socket, socket.socket], ...]:
        """From where to where: there, and back."""
        client, target = self._ends
        return (client, target), (target, client)

    def close(self, *, rst: bool) -> None:
        """Close both ends, with an RST that discards unsent bytes, or once these are sent; no task may wait for them."""
        for sock in self._ends:
            if rst:
                # Linger on, for zero seconds: closing discards what is unsent and sends RST instead of FIN.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
