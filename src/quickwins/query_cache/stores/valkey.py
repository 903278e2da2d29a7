"""The shared store on Valkey or Redis: any server from Valkey 7.2 or Redis 7.0 on, alone or a cluster's.

Each answer is judged by the server, in the same step that reads it: one round trip for a hit. All keys of a namespace are in
one slot of a cluster. Keys expire, but for the one that holds the order of events.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from quickwins.core.events import CACHE_INVALIDATION_UNTOLD, Reporter
from quickwins.core.knobs import Checked, knob
from quickwins.query_cache._core.fences import Fence, Invalidation
from quickwins.query_cache._store import BreakerState, Entry, Found
from quickwins.query_cache.stores._address import Address
from quickwins.query_cache.stores._connection import Connection, OddReply, Talk
from quickwins.query_cache.stores._link import Link, copy
from quickwins.query_cache.stores._owed import Owed
from quickwins.query_cache.stores._packed import (
    OddError,
    pack_body,
    pack_invalidation,
    pack_texts,
    unpack_entry,
    unpack_invalidation,
)
from quickwins.query_cache.stores._scripts import script, scripts

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry

    from quickwins.core.clock import Chance, Clock

CLOSE_SECONDS: Final = 1.0
"""How long closing waits for a server that does not know yet what is void."""

MAX_MARKS: Final = 100_000
"""How many marks, and how many prefixes, the server remembers to be invalid; what was put before older ones is void."""

_FORMAT: Final = "1"
"""Of keys and entries. Releases with different ones share nothing."""

_NOT_THERE: Final = Found(None, None)


@dataclass(frozen=True, slots=True)
class Valkey(Checked):
    """Where the shared store is: `QueryCache(l2=Valkey("redis://127.0.0.1:6379"))`. Connects at the first use.

    Raises:
        ConfigError: The URL's scheme, port or database isn't valid.
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
        Address.of(self.url)

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
        # The braces are what a cluster's slot is made of; the name in them has none of its own.
        prefix = f"quickwins:{{query_cache:{quote(namespace, safe='')}}}:{_FORMAT}:"
        self._order = [f"{prefix}{part}".encode() for part in ("order", "marks", "prefixes")]
        self._entry = f"{prefix}entry:".encode()
        self._channel = f"{prefix}invalidated".encode()
        self._clock = clock
        self._owed = Owed()
        self._paid = asyncio.Event()
        self._reporter = reporter
        self._offset_ms = 0.0  # the server's wall clock less this process's monotonic one
        self._invalidated: Callable[[Invalidation], None] = lambda _: None
        self._lost: Callable[[], None] = lambda: None
        address = Address.of(config.url)
        self._login = address.greeting()
        self._connection = Connection(
            address,
            Talk(self._greeting, self._greeted, self._published, self._missed),
            timeout_seconds=config.timeout_seconds,
            heartbeat_seconds=config.heartbeat_seconds,
            clock=clock,
            rng=rng,
            reporter=reporter,
        )

    def __repr__(self) -> str:
        return f"<ValkeyStore {self._connection!r}>"

    @property
    def state(self) -> BreakerState:
        """See `Store`."""
        return self._connection.state

    @property
    def hears(self) -> bool:
        """See `Store`."""
        return self._connection.link is not None

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
        self._paid.clear()
        link = self._connection.link
        if link is None:
            return None
        reply = self._pay(link, number, owed)
        if self._connection.state is not BreakerState.CLOSED:
            return None  # it is sent, before anything that is asked later on; nobody waits for a server that is slow
        answer = await self._connection.in_time(
            copy(reply)
        )  # those who wait may leave, or have waited long enough
        return None if answer is None else Fence(answer[0].decode(), answer[1])

    async def subscribe(self, invalidated: Callable[[Invalidation], None], lost: Callable[[], None]) -> None:
        """See `Store`. Returns when the server is there, or after the store's timeout."""
        self._invalidated, self._lost = invalidated, lost
        self._paid = asyncio.Event()
        await self._connection.start()

    async def close(self) -> None:
        """See `Store`. What the server does not know yet is told, if it takes it within a second, or reported."""
        was_started = self._connection.is_started
        try:
            if self._owed and was_started:
                with suppress(TimeoutError):
                    async with asyncio.timeout(CLOSE_SECONDS):
                        await self._paid.wait()
        finally:
            await self._connection.close()
        if self._owed and was_started:
            self._reporter.report(CACHE_INVALIDATION_UNTOLD, reason="closed", count=len(self._owed))

    # Asking.

    async def _ask(self, name: str, keys: list[bytes], values: list[bytes]) -> Any:
        return await self._connection.ask(*self._call(name, keys, values))

    def _call(self, name: str, keys: list[bytes], values: list[bytes]) -> list[bytes]:
        keys = [*self._order, *keys]
        return [b"EVALSHA", script(name).name, b"%d" % len(keys), *keys, *values]

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
                if not self._owed:
                    self._paid.set()

        reply.add_done_callback(replied)
        return reply

    # What the connection asks.

    def _greeting(self) -> list[list[bytes]]:
        loads = [[b"SCRIPT", b"LOAD", one.text] for one in scripts()]
        # Subscribed before the order is read: nothing that comes after that reading is missed.
        subscribe = [b"SUBSCRIBE", self._channel]
        connect = self._call("connect", [], [_epoch(), self._channel])
        return [*self._login, *loads, subscribe, connect]

    async def _greeted(self, link: Link, reply: Any, sent_at: float) -> None:
        """Pay what is owed before anything is asked."""
        if not isinstance(reply, list) or len(reply) != 3:  # noqa: PLR2004 -- as `connect.lua` replies; until=never
            raise OddReply
        self._set_offset(reply[2], sent_at)
        for number, invalidation in self._owed.all():
            await self._pay(link, number, invalidation)

    def _missed(self) -> None:
        self._lost()

    def _published(self, message: bytes) -> None:
        self._invalidated(unpack_invalidation(message))


def _epoch() -> bytes:
    """One that there never was, should one have to begin."""
    return secrets.token_hex(8).encode()
