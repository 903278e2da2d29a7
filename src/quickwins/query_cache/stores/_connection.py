"""The connection that a shared store's requests go through: kept, given up and made again by one task, and its breaker.

A request waits for one timeout at most. After the first that did, none is sent until the server has answered in time again. A
server that is only slow keeps its connection, and with it what it says of others' invalidations; one that is silent for a
heartbeat has lost it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from quickwins.core.clock import backoff_seconds
from quickwins.core.events import CACHE_STORE_BACK, CACHE_STORE_LOST, QUIET_SECONDS, Reporter
from quickwins.query_cache._store import BreakerState
from quickwins.query_cache.stores._link import Link, LinkEnded
from quickwins.query_cache.stores._resp import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quickwins.core.clock import Chance, Clock
    from quickwins.query_cache.stores._address import Address

CONNECT_SECONDS: Final = 2.0
"""How long connecting may take, of which no request knows."""

FIRST_PAUSE_SECONDS: Final = 0.05
MAX_PAUSE_SECONDS: Final = 5.0
"""How long a server that is slow is left alone at most."""

MAX_RECONNECT_SECONDS: Final = 0.5
"""Between two attempts to connect: how long an invalidation may have to wait for a server that is there again."""


@dataclass(frozen=True, slots=True)
class Talk:
    """What is said over a connection. None of these raises but what is said of it.

    Attributes:
        greeting: The commands that a new connection begins with.
        greeted: Gets the connection and the reply to the last of them; before it returns nothing else is asked. Raises
            what ends the connection: `Refusal`, `LinkEnded`, `OddReply`.
        published: Gets each message.
        lost: Called when messages may have been missed: at the end of a connection, and when there is a new one.
    """

    greeting: Callable[[], list[list[bytes]]]
    greeted: Callable[[Link, Any, float], Awaitable[None]]
    published: Callable[[bytes], None]
    lost: Callable[[], None]


class OddReply(Exception):
    """A server said something that no server of the kind that is needed says."""


class Connection:
    """One connection at a time, to wherever the server is now. Belongs to one event loop.

    Attributes:
        state: Whether requests are sent.
        link: The connection; `None`: there is none.
    """

    def __init__(
        self,
        address: Address,
        talk: Talk,
        *,
        timeout_seconds: float,
        heartbeat_seconds: float,
        clock: Clock,
        rng: Chance,
        reporter: Reporter,
    ) -> None:
        self.state = BreakerState.OPEN
        self.link: Link | None = None
        self._configured = self._address = address
        self._talk = talk
        self._timeout_seconds = timeout_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._clock = clock
        self._rng = rng
        self._reporter = reporter
        self._links: set[Link] = set()  # with those that are over and have not gone yet
        self._nudged = asyncio.Event()
        self._tried = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failures = 0  # since a request was last answered in time
        self._said_lost = False
        self._quiet_until = 0.0

    def __repr__(self) -> str:
        return f"<Connection to {self._address.host}:{self._address.port}, {self.state.value}>"

    @property
    def is_started(self) -> bool:
        """Whether it connects, or tries to."""
        return self._task is not None

    async def start(self) -> None:
        """Begin to connect; returns when that has ended, one way or the other, or after the timeout."""
        self._nudged, self._tried = asyncio.Event(), asyncio.Event()  # of this loop
        self._task = asyncio.create_task(self._run(), name="quickwins query cache: shared store")
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_seconds):
                await self._tried.wait()

    async def close(self) -> None:
        """End the task and close the connection. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        for link in list(self._links):
            await link.close()

    async def ask(self, *words: bytes) -> Any:
        """The reply to a command; `None`: the server is not there, or not now."""
        link = self.link
        if link is None or self.state is not BreakerState.CLOSED:
            return None
        return await self.in_time(link.send(*words))

    async def in_time(self, reply: asyncio.Future[Any]) -> Any:
        """What `reply` becomes within the timeout; `None`: it does not, or is a refusal."""
        link = self.link
        timer = asyncio.get_running_loop().call_later(self._timeout_seconds, self._late, reply, 2)
        try:
            answer = await reply
        except LinkEnded:
            return None
        except Refusal as refusal:
            # A server that is full stores nothing. All else is no server to go on with: it was given another role, has
            # forgotten the scripts, or loads its data.
            if refusal.kind != "OOM" and link is not None:
                link.end(f"the server refused: {refusal.kind}")
            return None
        finally:
            timer.cancel()
        self._failures = 0
        return answer

    def _late(self, reply: asyncio.Future[Any], rounds: int) -> None:
        """A request has waited for long enough, unless it was this process that had no time to look."""
        if reply.done():
            return
        if rounds:
            asyncio.get_running_loop().call_soon(self._late, reply, rounds - 1)
            return
        reply.set_exception(LinkEnded("late"))
        if self.state is BreakerState.CLOSED:
            self.state = BreakerState.OPEN
            self._failures += 1
            self._nudged.set()
            self._say_lost("slow")

    # Its task.

    async def _run(self) -> None:
        """Connect, look after the connection, and connect again, until cancelled."""
        known = False
        while True:
            self.state = BreakerState.HALF_OPEN
            link = await self._connect()
            if link is not None:
                self._nudged.clear()
                if known:
                    # The others may have invalidations that this server doesn't know of yet. By then they have told it.
                    await self._rest(self._heartbeat_seconds + MAX_RECONNECT_SECONDS, link)
                known = True
                await self._look_after(link)
            self.state = BreakerState.OPEN
            self._tried.set()
            self._failures += 1
            await self._pause(MAX_RECONNECT_SECONDS)

    async def _connect(self) -> Link | None:
        """A connection that knows the scripts, has paid what was owed, and hears what others invalidate."""
        address = self._address
        link: Link | None = None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, link = await asyncio.get_running_loop().create_connection(
                    lambda: Link(self._talk.published, self._ended, self._links),
                    address.host,
                    address.port,
                    ssl=address.context(),
                )
                sent_at = self._clock.monotonic()
                replies = [link.send(*words) for words in self._talk.greeting()]
                for reply in replies:
                    answer = await reply
                self.link = link
                self._talk.lost()
                await self._talk.greeted(link, answer, sent_at)
        except asyncio.CancelledError:
            if link is not None:
                link.end("closed")
            raise
        except (OSError, LinkEnded, Refusal, OddReply) as error:
            self._address = self._configured
            if isinstance(error, Refusal) and error.kind == "MOVED":
                self._follow(error)
            if link is not None:
                link.end(f"it could not be used: {type(error).__name__}")
            return None
        return None if link.ended else link

    def _follow(self, moved: Refusal) -> None:
        """Another node of the cluster has our slot."""
        host, _, port = str(moved).rpartition(" ")[2].rpartition(":")
        if port.isdigit():
            self._address = replace(self._address, host=host or self._address.host, port=int(port))

    async def _look_after(self, link: Link) -> None:
        """Ask it for a sign of life now and then, and soon after it was late, until it is over."""
        loop = asyncio.get_running_loop()
        while not link.ended:
            sent_at = loop.time()
            timer = loop.call_later(self._heartbeat_seconds, link.end, "the server is silent")
            try:
                await link.send(b"PING")
            except (LinkEnded, Refusal):
                link.end("the server is silent")
                return
            finally:
                timer.cancel()
            if loop.time() - sent_at <= self._timeout_seconds:
                self._back()
                await self._rest(self._heartbeat_seconds, link)
            else:
                self._failures += 1
                self.state = BreakerState.OPEN
            if self.state is not BreakerState.CLOSED and not link.ended:
                await self._pause(MAX_PAUSE_SECONDS)
                self.state = BreakerState.HALF_OPEN

    async def _pause(self, longest: float) -> None:
        await self._clock.sleep(
            backoff_seconds(
                self._failures, base_seconds=FIRST_PAUSE_SECONDS, cap_seconds=longest, rng=self._rng
            )
        )

    def _back(self) -> None:
        self.state = BreakerState.CLOSED
        self._nudged.clear()
        self._tried.set()
        if self._said_lost:
            self._said_lost = False
            self._reporter.report(CACHE_STORE_BACK)

    def _say_lost(self, reason: str) -> None:
        now = self._clock.monotonic()
        if not self._said_lost and now >= self._quiet_until:
            self._said_lost = True
            self._quiet_until = now + QUIET_SECONDS
            self._reporter.report(CACHE_STORE_LOST, reason=reason)

    async def _rest(self, seconds: float, link: Link) -> None:
        """Wait for so long, or until a request was late or the connection is over."""
        if link.ended:
            return
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        nudged = asyncio.ensure_future(self._nudged.wait())
        try:
            await asyncio.wait((sleeping, nudged), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sleeping, nudged):
                task.cancel()
            await asyncio.gather(sleeping, nudged, return_exceptions=True)

    # What the connection says.

    def _ended(self, link: Link) -> None:
        if link is not self.link:
            return
        self.link = None
        self.state = BreakerState.OPEN
        self._nudged.set()
        self._talk.lost()
        if self._task is not None:
            self._say_lost(link.ended)
