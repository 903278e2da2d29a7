"""The shared store on Valkey or Redis: any server from Valkey 7.2 or Redis 7.0 on, alone or a cluster's.

Each answer is judged by the server, in the same step that reads it: one round trip for a hit. All keys of a namespace are in
one slot of a cluster. Keys expire, but for the one that holds the order of events.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote, urlsplit

from quickwins.core.clock import backoff_seconds
from quickwins.core.errors import ConfigError
from quickwins.core.events import CACHE_STORE_BACK, CACHE_STORE_LOST, QUIET_SECONDS, Reporter
from quickwins.core.knobs import Checked, knob
from quickwins.query_cache._core.fences import Fence, Invalidation
from quickwins.query_cache._store import BreakerState, Entry, Found
from quickwins.query_cache.stores._link import Link, LinkEnded
from quickwins.query_cache.stores._owed import Owed
from quickwins.query_cache.stores._packed import (
    OddError,
    pack_body,
    pack_invalidation,
    pack_texts,
    unpack_entry,
    unpack_invalidation,
)
from quickwins.query_cache.stores._resp import Refusal
from quickwins.query_cache.stores._scripts import script, scripts

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry

    from quickwins.core.clock import Chance, Clock

CONNECT_SECONDS: Final = 2.0
"""How long connecting may take, of which no request knows."""

FIRST_PAUSE_SECONDS: Final = 0.05
MAX_PAUSE_SECONDS: Final = 5.0
"""How long a server that is slow is left alone at most."""

MAX_RECONNECT_SECONDS: Final = 0.5
"""Between two attempts to connect: how long an invalidation may have to wait for a server that is there again."""

MAX_MARKS: Final = 100_000
"""How many marks, and how many prefixes, the server remembers to be invalid; what was put before older ones is void."""

_FORMAT: Final = "1"
"""Of keys and entries. Releases with different ones share nothing."""

_NOT_THERE: Final = Found(None, None)


@dataclass(frozen=True, slots=True)
class Valkey(Checked):
    """Where the shared store is: `QueryCache(l2=Valkey("redis://127.0.0.1:6379"))`. Connects at the first use.

    Raises:
        ConfigError: The URL's scheme, port or database is none that there is.
    """

    url: str = field(repr=False)
    timeout_seconds: float = knob(
        0.02,
        gt=0,
        le=10,
        words="How long a request waits for the server at most. After that none does until it answers again.",
    )
    heartbeat_seconds: float = knob(
        1.0,
        gt=0,
        le=60,
        words="How long the server may be silent before it counts as lost, and what is kept in this process is dropped. What "
        "others invalidate is served here for twice as long at most. Also how long a server that was lost is left alone "
        "once it is back, so that each process tells it first what it has missed.",
    )

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        _address(self.url)

    def open(
        self,
        namespace: str,
        *,
        clock: Clock,
        rng: Chance,
        service: str,
        name: str,
        registry: CollectorRegistry | None,
    ) -> ValkeyStore:
        """See `SharedStore`."""
        reporter = Reporter(service=service, name=name, registry=registry)
        return ValkeyStore(self, namespace, clock=clock, rng=rng, reporter=reporter)


class ValkeyStore:
    """One namespace on one server. See `Store`."""

    def __init__(
        self, config: Valkey, namespace: str, *, clock: Clock, rng: Chance, reporter: Reporter
    ) -> None:
        self._config = config
        self._address = _address(config.url)
        # The braces are what a cluster's slot is made of; the name in them has none of its own.
        prefix = f"quickwins:{{query_cache:{quote(namespace, safe='')}}}:{_FORMAT}:"
        self._order = [f"{prefix}{part}".encode() for part in ("order", "marks", "prefixes")]
        self._entry = f"{prefix}entry:".encode()
        self._channel = f"{prefix}invalidated".encode()
        self._clock = clock
        self._rng = rng
        self._reporter = reporter
        self._link: Link | None = None
        self._links: set[Link] = set()  # with those that are over and have not gone yet
        self._state = BreakerState.OPEN
        self._owed = Owed()
        self._offset_ms = 0.0  # the server's wall clock less this process's monotonic one
        self._nudged = asyncio.Event()
        self._tried = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failures = 0  # since a request was last answered in time
        self._said_lost = False
        self._quiet_until = 0.0
        self._invalidated: Callable[[Invalidation], None] = lambda _: None
        self._lost: Callable[[], None] = lambda: None

    def __repr__(self) -> str:
        return f"<ValkeyStore at {self._address.host}:{self._address.port}, {self._state.value}>"

    @property
    def state(self) -> BreakerState:
        """See `Store`."""
        return self._state

    async def get(self, key: bytes) -> Found:
        """See `Store`."""
        sent_at = self._clock.monotonic()
        reply = await self._ask("get", [self._entry + key.hex().encode()], [_epoch(), self._channel])
        if reply is None:
            return _NOT_THERE
        epoch, sequence, server_ms, *rest = reply
        self._set_offset(server_ms, sent_at)
        order = Fence(epoch.decode(), sequence)
        if not rest:
            return Found(None, order)
        fence, marks, age_ms, body = rest
        try:
            # Older rather than younger: the server looked after this was sent.
            entry = unpack_entry(key, Fence(order.epoch, fence), marks, sent_at - age_ms / 1000, body)
        except OddError:
            entry = None
        return Found(entry, order)

    async def put(self, entry: Entry) -> bool:
        """See `Store`."""
        # In the server's time: what lies in a socket while the server hangs must not get younger by that.
        made_at = int(entry.stored_at * 1000 + self._offset_ms)
        values = [
            *(entry.fence.epoch.encode(), b"%d" % entry.fence.sequence, pack_texts(entry.marks)),
            *(b"%d" % made_at, b"%d" % int(entry.kept_seconds * 1000), pack_body(entry), self._channel),
        ]
        reply = await self._ask("put", [self._entry + entry.key.hex().encode()], values)
        return reply is not None and int(reply) == 1

    async def invalidate(self, invalidation: Invalidation) -> Fence | None:
        """See `Store`."""
        number, owed = self._owed.add(invalidation)
        link = self._link
        if link is None:
            return None
        reply = self._pay(link, number, owed)
        if self._state is not BreakerState.CLOSED:
            return None  # it is sent, before anything that is asked later on; nobody waits for a server that is slow
        answer = await self._in_time(_copy(reply))  # whoever waits may leave, or have waited long enough
        return None if answer is None else Fence(answer[0].decode(), answer[1])

    async def subscribe(self, invalidated: Callable[[Invalidation], None], lost: Callable[[], None]) -> None:
        """See `Store`. Returns when the server is there, or after the store's timeout."""
        self._invalidated, self._lost = invalidated, lost
        self._task = asyncio.create_task(self._run(), name="quickwins query cache: shared store")
        with suppress(TimeoutError):
            async with asyncio.timeout(self._config.timeout_seconds):
                await self._tried.wait()

    async def close(self) -> None:
        """See `Store`."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for link in list(self._links):
            await link.close()

    # Asking.

    async def _ask(self, name: str, keys: list[bytes], values: list[bytes]) -> Any:
        """What a script replies; `None`: the server is not there, or not now."""
        link = self._link
        if link is None or self._state is not BreakerState.CLOSED:
            return None
        return await self._in_time(link.send(*self._call(name, keys, values)))

    def _call(self, name: str, keys: list[bytes], values: list[bytes]) -> list[bytes]:
        keys = [*self._order, *keys]
        return [b"EVALSHA", script(name).name, b"%d" % len(keys), *keys, *values]

    async def _in_time(self, reply: asyncio.Future[Any]) -> Any:
        link = self._link
        timer = asyncio.get_running_loop().call_later(self._config.timeout_seconds, self._late, reply, 2)
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
        if self._state is BreakerState.CLOSED:
            self._state = BreakerState.OPEN
            self._failures += 1
            self._nudged.set()
            self._say_lost("slow")

    def _set_offset(self, server_ms: int, sent_at: float) -> None:
        self._offset_ms = server_ms - sent_at * 1000

    def _pay(self, link: Link, number: int, invalidation: Invalidation) -> asyncio.Future[Any]:
        values = [
            *(_epoch(), self._channel, pack_invalidation(invalidation)),
            *(b"1" if invalidation.everything else b"0", b"%d" % MAX_MARKS),
            *(pack_texts(sorted(invalidation.marks)), pack_texts(invalidation.tag_prefixes)),
        ]
        reply = link.send(*self._call("invalidate", [], values))

        def replied(reply: asyncio.Future[Any]) -> None:
            if reply.exception() is None:
                self._owed.paid(number)

        reply.add_done_callback(replied)
        return reply

    # Being connected.

    async def _run(self) -> None:
        """Connect, look after the connection, and connect again, until cancelled."""
        known = False
        while True:
            self._state = BreakerState.HALF_OPEN
            link = await self._connect()
            if link is not None:
                self._nudged.clear()
                if known:
                    # The others may have invalidations that this server doesn't know of yet.
                    await self._rest(self._config.heartbeat_seconds, link)
                known = True
                await self._look_after(link)
            self._state = BreakerState.OPEN
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
                    lambda: Link(self._published, self._ended, self._links),
                    address.host,
                    address.port,
                    ssl=ssl.create_default_context() if address.tls else None,
                )
                sent_at = self._clock.monotonic()
                replies = [link.send(*words) for words in self._greeting()]
                for reply in replies:
                    answer = await reply
                self._set_offset(answer[2], sent_at)
                self._link = link
                for number, invalidation in self._owed.all():
                    await self._pay(link, number, invalidation)
        except asyncio.CancelledError:
            if link is not None:
                link.end("closed")
            raise
        except (OSError, TimeoutError, LinkEnded, Refusal) as error:
            if isinstance(error, Refusal) and error.kind == "MOVED":
                self._follow(error)
            if link is not None:
                link.end(f"it could not be used: {type(error).__name__}")
            return None
        return None if link.ended else link

    def _greeting(self) -> list[list[bytes]]:
        address = self._address
        login = [b"AUTH", address.user.encode(), address.password.encode()] if address.password else []
        select = [[b"SELECT", b"%d" % address.database]] if address.database else []
        loads = [[b"SCRIPT", b"LOAD", one.text] for one in scripts()]
        # Subscribed before the order is read: nothing that comes after that reading is missed.
        subscribe = [b"SUBSCRIBE", self._channel]
        return [
            *([b"HELLO", b"3", *login], *select, *loads),
            *(subscribe, self._call("connect", [], [_epoch(), self._channel])),
        ]

    def _follow(self, moved: Refusal) -> None:
        """Another node of the cluster has our slot."""
        host, _, port = str(moved).rpartition(" ")[2].rpartition(":")
        if port.isdigit():
            self._address = _Address(host or self._address.host, int(port), *self._address.rest())

    async def _look_after(self, link: Link) -> None:
        """Ask it for a sign of life now and then, and soon after it was late, until it is over."""
        loop = asyncio.get_running_loop()
        while not link.ended:
            sent_at = loop.time()
            timer = loop.call_later(self._config.heartbeat_seconds, link.end, "the server is silent")
            try:
                await link.send(b"PING")
            except (LinkEnded, Refusal):
                link.end("the server is silent")
                return
            finally:
                timer.cancel()
            if loop.time() - sent_at <= self._config.timeout_seconds:
                self._back()
                await self._rest(self._config.heartbeat_seconds, link)
            else:
                self._failures += 1
                self._state = BreakerState.OPEN
            if self._state is not BreakerState.CLOSED and not link.ended:
                await self._pause(MAX_PAUSE_SECONDS)
                self._state = BreakerState.HALF_OPEN

    async def _pause(self, longest: float) -> None:
        await self._clock.sleep(
            backoff_seconds(
                self._failures, base_seconds=FIRST_PAUSE_SECONDS, cap_seconds=longest, rng=self._rng
            )
        )

    def _back(self) -> None:
        self._state = BreakerState.CLOSED
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

    def _published(self, message: bytes) -> None:
        self._invalidated(unpack_invalidation(message))

    def _ended(self, link: Link) -> None:
        if link is not self._link:
            return
        self._link = None
        self._state = BreakerState.OPEN
        self._nudged.set()
        self._lost()
        if self._task is not None:
            self._say_lost(link.ended)


@dataclass(frozen=True, slots=True)
class _Address:
    host: str
    port: int
    tls: bool
    database: int
    user: str = field(repr=False)
    password: str = field(repr=False)

    def rest(self) -> tuple[bool, int, str, str]:
        return self.tls, self.database, self.user, self.password


def _copy(reply: asyncio.Future[Any]) -> asyncio.Future[Any]:
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


def _epoch() -> bytes:
    """One that there never was, should one have to begin."""
    return secrets.token_hex(8).encode()


def _address(url: str) -> _Address:
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
        database = int(parts.path.strip("/") or 0)
    except (ValueError, AttributeError):
        parts, port, database = urlsplit(""), 0, -1
    tls = {"redis": False, "valkey": False, "rediss": True, "valkeys": True}.get(parts.scheme)
    if tls is None or not parts.hostname or database < 0:
        raise ConfigError(
            "the URL of a shared store is redis://[user:password@]host[:port][/database]; also valkey://, and rediss:// or "
            "valkeys:// for TLS"
        )
    return _Address(
        parts.hostname,
        port,
        tls,
        database,
        unquote(parts.username or "default"),
        unquote(parts.password or ""),
    )
