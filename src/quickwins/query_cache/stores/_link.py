"""One connection to a Valkey server, for commands and for what others publish: both come in one order.

That order is the point. A reply with the sequence of an invalidation never overtakes the message of it, and a command is
carried out before those that were sent after it. Commands are sent at once, without waiting for replies to earlier ones.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final, cast

from quickwins.query_cache.stores._resp import Parser, ProtocolError, Push, Refusal, command

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_WAITING: Final = 10_000
"""Replies that may be due at once."""

_FLUSH_SECONDS: Final = 5.0


class LinkEnded(Exception):
    """The connection is gone; whether the command was carried out is not known."""


class Link(asyncio.Protocol):
    """A connection. Belongs to its event loop.

    Attributes:
        ended: Why it is over; empty while it is not.
    """

    def __init__(
        self, published: Callable[[bytes], None], ended: Callable[[Link], None], alive: set[Link]
    ) -> None:
        """Nothing is connected yet.

        Args:
            published: Gets each message of the channels that were subscribed to. Never raises.
            ended: Called once, when the connection is over. Never raises.
            alive: Has this from when it is connected until its socket is closed.
        """
        self.ended = ""
        self._loop = asyncio.get_running_loop()
        self._published = published
        self._when_ended = ended
        self._parser = Parser()
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._transport: asyncio.Transport | None = None
        self._alive = alive
        self._gone = asyncio.Event()
        self._giving_up: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Link, {f'ended: {self.ended}' if self.ended else f'{len(self._waiting)} replies due'}>"

    def send(self, *words: bytes) -> asyncio.Future[Any]:
        """Send a command; the future is its reply.

        It ends in `Refusal` when the server says an error, in `LinkEnded` when the connection is over. Cancelling it
        doesn't take the command back.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        if not self.ended and len(self._waiting) >= MAX_WAITING:
            self.end("too many replies are due")
        if self.ended or self._transport is None:
            future.set_exception(LinkEnded(self.ended))
        else:
            self._waiting.append(future)
            self._transport.write(command(*words))
        return future

    def end(self, reason: str) -> None:
        """Close the connection. What was sent may still be carried out. Idempotent."""
        if self.ended:
            return
        self.ended = reason
        waiting, self._waiting = self._waiting, deque()
        transport = self._transport
        if transport is not None:
            # Not `abort`: a server that is only slow gets what was sent, invalidations among it.
            transport.close()
            self._giving_up = self._loop.call_later(_FLUSH_SECONDS, transport.abort)
        for future in waiting:
            if not future.done():
                future.set_exception(LinkEnded(reason))
                future.exception()  # the one who waited may have left
        self._when_ended(self)

    async def close(self) -> None:
        """End it, and return when its socket is closed."""
        self.end("closed")
        if self._transport is not None and not self._gone.is_set():
            self._transport.abort()
            await self._gone.wait()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are not derived from it
        self._alive.add(self)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        try:
            replies = self._parser.feed(data)
        except ProtocolError as error:
            self.end(f"the server does not speak RESP 3: {error}")
            return
        for reply in replies:
            if self.ended:
                return
            if isinstance(reply, Push):
                self._pushed(reply)
            elif not self._waiting:
                self.end("a reply that nobody asked for")
            else:
                self._reply(self._waiting.popleft(), reply)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol`."""
        self.end(
            f"the connection was lost: {type(exc).__name__}" if exc else "the server closed the connection"
        )
        if self._giving_up is not None:
            self._giving_up.cancel()
        self._alive.discard(self)
        self._gone.set()

    def _reply(self, future: asyncio.Future[Any], reply: Any) -> None:
        if future.done():
            return
        if isinstance(reply, Refusal):
            future.set_exception(reply)
            future.exception()
        else:
            future.set_result(reply)

    def _pushed(self, push: Push) -> None:
        if push[:1] == [b"message"] and len(push) == 3:  # noqa: PLR2004 -- kind, channel, text; until=never
            self._published(push[2])
        elif push[:1] == [b"subscribe"] and self._waiting:
            self._reply(self._waiting.popleft(), push)  # the only answer to that command


def copy(reply: asyncio.Future[Any]) -> asyncio.Future[Any]:
    """A future that ends as `reply` does, or earlier."""
    copied: asyncio.Future[Any] = reply.get_loop().create_future()

    def done(reply: asyncio.Future[Any]) -> None:
        error = reply.exception()
        if copied.done():
            return
        if error is None:
            copied.set_result(reply.result())
        else:
            copied.set_exception(error)

    reply.add_done_callback(done)
    return copied
