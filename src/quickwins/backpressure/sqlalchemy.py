"""A SQLAlchemy `AsyncEngine` behind a gate: the permit comes before the checkout, and goes when the pool has the connection.

The engine itself is gated, so sessions, `engine.begin()`, lazy loads and `run_sync` need no other code.

    engine = create_async_engine("postgresql+asyncpg://…", pool_size=10, max_overflow=0)
    gated = GatedEngine(engine, gate=Gate.queue(), name="feed")

What is used of SQLAlchemy is public: `Pool.connect` and `Pool.recreate` in a subclass that the engine's pool becomes, the
events `checkin` and `detach`, and `record_info`. One name is not, a pool's `_max_overflow`; without it the size must be given.
"""

from __future__ import annotations

import asyncio
import weakref
from contextlib import suppress
from sys import _getframe
from typing import TYPE_CHECKING

import greenlet
import sqlalchemy.exc
from sqlalchemy import event
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.pool import NullPool, StaticPool
from sqlalchemy.util import await_only
from sqlalchemy.util.concurrency import in_greenlet

from quickwins.backpressure._callers import Outside
from quickwins.backpressure._core.verdict import DONE, FAILED, IGNORED, Ending
from quickwins.backpressure._counts import outcome_of
from quickwins.backpressure._hold import Hold, wanted
from quickwins.backpressure._in_place import GatedInPlace
from quickwins.backpressure.rule import Priority
from quickwins.core.deadline import earliest
from quickwins.core.errors import ConfigError
from quickwins.core.lazy import shows

if TYPE_CHECKING:
    from types import FrameType
    from typing import Unpack

    from sqlalchemy import Pool, PoolProxiedConnection
    from sqlalchemy.ext.asyncio import AsyncEngine
    from sqlalchemy.pool import ConnectionPoolEntry

    from quickwins.backpressure._gate import Gate, ShellOptions

__all__ = ["CheckoutTimeout", "GatedEngine"]
__dir__ = shows(__name__)

_NORMAL = Priority.NORMAL
_HOLD = "quickwins.hold"
"""Where a connection's record keeps what was taken for it."""
_user_around = Outside("sqlalchemy").of


class CheckoutTimeout(sqlalchemy.exc.TimeoutError, TimeoutError):
    """There was no permit within the pool's own `pool_timeout`; what is raised without a gate is caught in the same way."""


class Checkout(Hold["Door"]):
    """One use of a connection.

    Attributes:
        user: What was given for it, weakly; dead when nobody has closed it.
    """

    __slots__ = ("user",)

    user: weakref.ref[PoolProxiedConnection]


class Door:
    """Between an engine and its pool."""

    __slots__ = ("_empty", "name", "shell")

    def __init__(self, gate: Gate) -> None:
        self.shell = gate.shell
        self.name = self.shell.name
        self._empty: asyncio.Event | None = None

    async def emptied(self, grace_seconds: float) -> None:
        """Wait until no connection is in use, for so long at most."""
        self._empty = asyncio.Event()
        if self.shell.counts.in_use:
            with suppress(TimeoutError):
                async with asyncio.timeout(grace_seconds):
                    await self._empty.wait()

    def checkout(self, kind: type[Pool], pool: Pool) -> PoolProxiedConnection:
        """A connection by the `connect` of that `kind` of pool, once there is a permit.

        Called within SQLAlchemy's greenlet, as its drivers are.
        """
        shell = self.shell
        hold = wanted(Checkout, self, None, _NORMAL, None, _caller())
        now = shell.now()
        gated = shell.gates()
        if gated:
            # Asked before, since it may be anybody's, and nothing may come between `take` and `line_up`.
            own_seconds = pool.timeout() if hasattr(pool, "timeout") else None
            if not shell.take(hold, now):
                self._permitted(hold, now, own_seconds)
        try:
            connection: PoolProxiedConnection = kind.connect(pool)
        except BaseException as error:
            shell.leave(hold, IGNORED)
            shell.counts.acquired[outcome_of(error)].observe(shell.now() - now)
            raise
        if not gated:
            shell.count(hold)
        hold.since = since = shell.now()
        hold.user = weakref.ref(connection)
        info = connection.record_info
        assert info is not None  # a connection that was just given is not detached
        info[_HOLD] = hold
        shell.counts.given.observe(since - now)
        return connection

    def _permitted(self, hold: Checkout, now: float, own_seconds: float | None) -> None:
        """Wait for a permit in line, no longer than `own_seconds`, right after `take` found none.

        Raises:
            MissingGreenlet: Nobody can wait here, as where an attribute is loaded that a commit has outdated.
        """
        if not in_greenlet():
            raise MissingGreenlet(
                f"no connection of pool {self.name!r} is free, and no greenlet is there to wait in"
            )
        shell = self.shell
        deadline = earliest(own_seconds, now)
        waiter = shell.line_up(hold, now, deadline)
        if waiter is None:
            return
        try:
            await_only(shell.wait(hold, waiter, deadline))
        except TimeoutError as error:
            if deadline.of_request or not deadline.passed(shell.now()):
                raise
            raise CheckoutTimeout(str(error)) from error

    def checked_in(self, connection: object, record: ConnectionPoolEntry) -> None:
        """The pool has it back, or has lost it: `connection` is `None` then."""
        hold = record.record_info.pop(_HOLD, None) if record.record_info is not None else None
        if not isinstance(hold, Checkout) or hold.giver is not self:
            return
        if hold.user() is not None or hold.task is None or (loop := hold.task.get_loop()).is_closed():
            self._left(hold, FAILED if connection is None else DONE)
        else:  # nobody has closed it: the garbage collector comes at any time, amid our own steps, and in any thread
            loop.call_soon_threadsafe(self._left, hold, IGNORED)

    def detached(self, connection: object, record: ConnectionPoolEntry) -> None:  # noqa: ARG002 -- what the event gives; until=never
        """It is nobody's but its holder's from now on."""
        self.checked_in(record, record)

    def _left(self, hold: Checkout, ending: Ending) -> None:
        self.shell.leave(hold, ending)
        if self._empty is not None and not self.shell.counts.in_use:
            self._empty.set()


class GatedEngine(GatedInPlace):
    """An `AsyncEngine` that refuses at once instead of queueing without bound; use the engine as before.

    It belongs to one event loop. While its flag is off or its threshold is 1.0, checkouts are only counted. What it raises is
    never wrapped into a `DBAPIError`:

    - `PoolExhausted`: The gate said no. Nothing was taken.
    - `NestedAcquire`: This task has a connection already, and there is no permit for another one.
    - `DeadlineExceeded`: There was no permit before the request's deadline.
    - `CheckoutTimeout`: There was none within the engine's `pool_timeout`; it is SQLAlchemy's own `TimeoutError` too.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        gate: Gate | None = None,
        size: int | None = None,
        **options: Unpack[ShellOptions],
    ) -> None:
        """Put the pool of `engine` behind `gate`; engines that share it, as by `execution_options`, are behind it too.

        Args:
            engine: The caller's.
            gate: Unbound; `Gate.threshold()` when `None`.
            size: How many connections there may be at once, where the pool sets no limit: `NullPool`, `pool_size=0`,
                `max_overflow=-1`. `None`: `pool_size` and `max_overflow` together.
            options: `name`, `service`, `flag`, `registry`, `clock`, `rng` and `trace`: see `ShellOptions`.

        Raises:
            ConfigError: The pool has a gate already, has no limit, or is one whose users share a connection; or the gate is
                bound to another one.
        """
        pool = engine.sync_engine.pool
        name = options.get("name", "")
        if any(base.__name__ == _Gated for base in type(pool).__mro__):
            raise ConfigError(
                f"the engine for {name!r} has a gate already: two gates would admit twice its size"
            )
        if isinstance(pool, StaticPool):
            raise ConfigError(f"the engine for {name!r} has a StaticPool: its users share one connection")
        super().__init__(_size_of(pool, name) if size is None else size, gate, **options)
        self.engine = engine
        self._door = Door(self._gate)
        pool.__class__ = _gated(type(pool), self._door)
        event.listen(pool, "checkin", self._door.checked_in)
        event.listen(pool, "detach", self._door.detached)

    async def close(self, *, grace: float = 10.0) -> None:
        """Refuse everybody, wait until connections in use are back, then dispose of the engine. Idempotent.

        Args:
            grace: Seconds to wait. SQLAlchemy leaves connections that are still in use then to those who have them.
        """
        self._gate.close()
        await self._door.emptied(grace)
        await self.engine.dispose()

    async def dispose(self, *, grace: float = 10.0) -> None:
        """`close`, after which it may be used again, as an engine that was disposed of may: for who starts a service again."""
        try:
            await self.close(grace=grace)
        finally:
            self._gate.shell.reopen()


_Gated = "GatedPoolOfEngine"


def _gated(kind: type[Pool], door: Door) -> type[Pool]:
    """A kind of pool that asks `door` first; `recreate`, which `engine.dispose` calls, makes another of the same."""

    def connect(self: Pool) -> PoolProxiedConnection:
        return door.checkout(kind, self)

    return type(_Gated, (kind,), {"connect": connect})


def _size_of(pool: Pool, name: str) -> int:
    """As many connections as `pool` lends at once.

    Raises:
        ConfigError: It sets no limit.
    """
    overflow = getattr(pool, "_max_overflow", -1)
    if isinstance(pool, NullPool) or not hasattr(pool, "size") or overflow < 0 or pool.size() < 1:
        raise ConfigError(
            f"the engine for {name!r} has a pool without a limit ({type(pool).__name__}): give its gate a size"
        )
    return int(pool.size()) + int(overflow)


def _caller() -> FrameType:
    """Where the connection was asked for: outside of SQLAlchemy, and of the greenlet that it works in."""
    parent = greenlet.getcurrent().parent
    inner = None if parent is None else parent.gr_frame
    return _getframe(1) if inner is None else _user_around(inner)
