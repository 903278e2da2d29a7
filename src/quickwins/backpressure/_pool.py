"""An asyncpg pool behind a gate: the permit first, then the connection.

Callers wait in the gate's line, never in the pool's own, where a newcomer may overtake a waiter that was woken.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from sys import _getframe  # as for permits
from typing import TYPE_CHECKING, Any

from quickwins.backpressure._asyncpg import in_use_of, is_lost, twice
from quickwins.backpressure._core.verdict import DONE, FAILED, IGNORED, Ending
from quickwins.backpressure._counts import outcome_of
from quickwins.backpressure._gate import Gate
from quickwins.backpressure._permit import HELD, NEW, Hold, ending_of
from quickwins.backpressure._shortcuts import Shortcuts
from quickwins.backpressure.rule import Priority
from quickwins.core.deadline import NEVER, earliest

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator
    from types import TracebackType
    from typing import Unpack

    import asyncpg

    from quickwins.backpressure._gate import ShellOptions
    from quickwins.backpressure.rule import Rule
    from quickwins.backpressure.stats import PoolStats
    from quickwins.backpressure.testing import FakePool
    from quickwins.core.clock import Deadline

_NORMAL = Priority.NORMAL


class GatedPool(Shortcuts):
    """An `asyncpg.Pool` that refuses at once instead of queueing without bound.

    Belongs to the pool's event loop. While its flag is off or its threshold is 1.0, it hands every call to the pool, and
    only counts.

    Example:
        pool = await asyncpg.create_pool(dsn, min_size=10, max_size=10)
        gated = GatedPool(pool, gate=Gate.threshold(0.85), name="feed")
        async with gated.acquire(timeout=1.0) as connection:
            await connection.fetch("select 1")
    """

    def __init__(
        self,
        pool: asyncpg.Pool | FakePool,
        *,
        gate: Gate | None = None,
        **options: Unpack[ShellOptions],
    ) -> None:
        """Put `pool` behind `gate`.

        Args:
            pool: The caller's pool, or a test's fake one. Use it through this object alone: what goes around it is not
                counted.
            gate: Unbound; `Gate.threshold()` when `None`.
            options: `name`, `service`, `flag`, `registry`, `clock` and `rng`: see `ShellOptions`.

        Raises:
            ConfigError: The gate is bound to another pool.
        """
        gate = Gate.threshold() if gate is None else gate
        gate.bind(pool.get_max_size(), **options)
        self.pool: asyncpg.Pool = pool
        self._gate = gate
        self._shell = gate.shell
        self.name = self._shell.name
        self._core = self._shell.core
        self._holding: dict[asyncpg.pool.PoolConnectionProxy, Acquisition] = {}
        self._resetting: set[asyncio.Future[None]] = set()  # whose caller was cancelled meanwhile

    def __repr__(self) -> str:
        return f"<GatedPool {self._shell}>"

    def acquire(
        self, *, timeout: float | None = None, priority: Priority = _NORMAL, tenant: str | None = None
    ) -> Acquisition:
        """A connection, to be awaited or entered with `async with`.

        Args:
            timeout: Seconds for everything up to the connection, waiting in line included, and again for its reset at
                release, as in asyncpg; `None`: as long as it takes. The request's deadline
                (`quickwins.backpressure.deadline`) counts where it is earlier.
            priority: What is lost last, and first.
            tenant: Whose work it is, where the gate tells tenants apart.

        Raises (when awaited or entered):
            PoolExhausted: The gate said no. Nothing was taken.
            NestedAcquire: This task holds a connection already, and there is no permit for another one.
            DeadlineExceeded: There was no permit, or no connection, before the request's deadline.
            TimeoutError: There was none within `timeout`.
        """
        return Acquisition(self, timeout, priority, tenant, _getframe(1))

    async def release(
        self, connection: asyncpg.pool.PoolConnectionProxy, *, timeout: float | None = None
    ) -> None:
        """Give `connection` back. The permit follows when asyncpg has reset it, even if the caller is cancelled.

        Releasing twice does nothing, as in asyncpg.

        Raises:
            asyncpg.InterfaceError: The connection is another pool's.
        """
        hold = self._holding.get(connection)
        if hold is None:
            await self.pool.release(connection, timeout=timeout)
        else:
            await self._leave(hold, FAILED if is_lost(connection) else DONE, timeout)

    async def _leave(self, hold: Acquisition, ending: Ending, timeout: float | None = None) -> None:
        """Give the connection of `hold` back, and when asyncpg has it the permit."""
        connection, in_use = hold.connection, hold.in_use
        if self._holding.pop(connection, None) is None:
            if hold.ending is None:  # not released inside its block: the pool took it back by itself
                hold.ending = ending
                if ending is FAILED:
                    self._shell.failed()
            return
        hold.ending = ending
        if in_use is not None:
            in_use.remove_done_callback(hold.is_back)  # not a turn of the loop later, if all goes well
        try:
            await self.pool.release(connection, timeout=hold.timeout_seconds if timeout is None else timeout)
        finally:
            if in_use is None or in_use.done():
                self._shell.leave(hold, ending)
            else:  # we were cancelled; asyncpg's reset goes on behind its shield
                self._resetting.add(in_use)
                in_use.add_done_callback(hold.is_back)

    def _is_back(self, hold: Acquisition, in_use: asyncio.Future[None]) -> None:
        """The pool has the connection of `hold` back: reset, or closed, terminated or lost before anybody released it."""
        self._resetting.discard(in_use)
        self._holding.pop(hold.connection, None)
        self._shell.leave(hold, IGNORED if hold.ending is None else hold.ending)

    async def try_acquire(self) -> asyncpg.pool.PoolConnectionProxy | None:
        """A connection if there is a permit right now, else `None`; give it back with `release`.

        It never waits for a permit, and overtakes nobody who does; making a new connection may take its time. While the
        flag is off, there are as many permits as connections. `None` is not counted as a refusal.

        Raises:
            PoolExhausted: The pool was closed, and the gate is on.
        """
        gated = self._is_gated()
        if gated and self._core.closed:
            raise self._shell.closed_error()
        hold = Acquisition(self, None, _NORMAL, None, _getframe(1))
        limit = self._core.limit_for(_NORMAL) if gated else self._core.max_size
        if not self._shell.try_enter(hold, limit):
            return None
        try:
            connection = await self.pool.acquire()
        except BaseException:
            self._shell.leave(hold, IGNORED)
            raise
        self._given(hold, connection)
        return connection

    def stats(self) -> PoolStats:
        """What is going on now."""
        return self._gate.stats()

    def reconfigure(self, rule: Rule) -> None:
        """Follow another rule. Permits in use stay in use, and callers in line go on waiting."""
        self._gate.reconfigure(rule)

    async def close(self, *, grace: float = 10.0) -> None:
        """Refuse everybody, wait until connections in use are back, then close the pool. Idempotent.

        Args:
            grace: Seconds to wait; connections that are still in use then are terminated.
        """
        self._gate.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self.pool.close()  # cancelled, it terminates the pool
        if self._resetting:  # their connections are closed: a few turns, unless a reset hook hangs
            await asyncio.wait(self._resetting, timeout=grace)

    def _is_gated(self) -> bool:
        flag = self._shell.flag
        return self._core.limit is not None and (flag is None or flag.active())

    def _acquire(self, hold: Acquisition) -> Coroutine[Any, Any, asyncpg.pool.PoolConnectionProxy]:
        timeout = hold.timeout_seconds
        return self._gated(hold, timeout) if self._is_gated() else self._ungated(hold, timeout)

    async def _ungated(self, hold: Acquisition, timeout: float | None) -> asyncpg.pool.PoolConnectionProxy:
        """A connection as the pool gives it, counted."""
        shell = self._shell
        now = shell.now()
        try:
            connection = await self.pool.acquire(timeout=timeout)
        except BaseException as error:
            shell.counts.acquired[outcome_of(error)].observe(shell.now() - now)
            raise
        shell.count(hold)
        self._given(hold, connection)
        shell.counts.given.observe(hold.since - now)
        return connection

    async def _gated(
        self, hold: Acquisition, timeout: float | None, *, shortcut: bool = False
    ) -> asyncpg.pool.PoolConnectionProxy:
        """A permit, then a connection for it."""
        shell = self._shell
        now = shell.now()
        deadline = earliest(timeout, now)
        waiter = shell.ask(hold, now, deadline)
        if waiter is not None:
            await shell.wait(hold, waiter, deadline)
        try:
            if deadline is NEVER:
                connection = await self.pool.acquire()
            else:
                connection = await self._connection_until(deadline, shortcut=shortcut)
        except BaseException as error:
            shell.leave(hold, IGNORED)
            hold.state = NEW  # asyncpg's may be entered again
            shell.counts.acquired[outcome_of(error)].observe(shell.now() - now)
            raise
        self._given(hold, connection)
        shell.counts.given.observe(hold.since - now)
        return connection

    async def _connection_until(
        self, deadline: Deadline, *, shortcut: bool
    ) -> asyncpg.pool.PoolConnectionProxy:
        """A connection, in what the line has left of one deadline."""
        left_seconds = deadline.remaining(self._shell.now())
        try:
            if not shortcut:
                return await self.pool.acquire(timeout=left_seconds)
            # Not `acquire(timeout=...)`: asyncpg would hold the reset to it too, after the statement has succeeded.
            async with asyncio.timeout(left_seconds):
                return await self.pool.acquire()
        except TimeoutError as error:
            if not deadline.passed(self._shell.now()):
                raise  # not this one: a hook of the pool has time-outs of its own
            raise self._shell.late("connection", deadline) from error

    def _given(self, hold: Acquisition, connection: asyncpg.pool.PoolConnectionProxy) -> None:
        hold.since = self._shell.now()  # connecting is no part of what statements take
        hold.connection = connection
        hold.ending = None
        hold.in_use = in_use = in_use_of(connection)
        self._holding[connection] = hold
        if in_use is not None:
            in_use.add_done_callback(hold.is_back)

    async def _with(self, method: str, *args: object, timeout: float | None, **options: Any) -> Any:
        hold = Acquisition(self, None, _NORMAL, None, _getframe(2))  # 1 is the shortcut's own
        if not self._is_gated():
            connection = await self._ungated(hold, None)
        elif timeout is None:
            connection = await self._gated(hold, None)
        else:
            ends_at = self._shell.now() + timeout
            connection = await self._gated(hold, timeout, shortcut=True)
            timeout = max(0.0, ends_at - self._shell.now())
        error: BaseException | None = None
        try:
            return await getattr(connection, method)(*args, timeout=timeout, **options)
        except BaseException as raised:
            error = raised
            raise
        finally:
            try:
                await self._leave(hold, _ending(error, connection))
            finally:
                error = None  # no cycle through this frame


class Acquisition(Hold[GatedPool]):
    """What `GatedPool.acquire` returns: await it, or enter it with `async with`, once.

    Attributes:
        connection: What it was given for, once it was.
        in_use: What is done when the pool has that back, in whatever way; `None` when it cannot be told.
        ending: How its use ended; `None` before it was given back.
    """

    __slots__ = ("connection", "ending", "in_use")

    connection: asyncpg.pool.PoolConnectionProxy
    ending: Ending | None
    in_use: asyncio.Future[None] | None

    def __await__(self) -> Generator[Any, None, asyncpg.pool.PoolConnectionProxy]:
        if self.state is HELD:
            raise twice()
        return self.giver._acquire(self).__await__()  # noqa: SLF001 -- the same room; until=never

    def __aenter__(self) -> Coroutine[Any, Any, asyncpg.pool.PoolConnectionProxy]:
        if self.state is not NEW:
            raise twice()
        return self.giver._acquire(self)  # noqa: SLF001 -- the same room; until=never

    def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Coroutine[Any, Any, None]:
        return self.giver._leave(self, _ending(error, self.connection))  # noqa: SLF001 -- the same room; until=never

    def is_back(self, in_use: asyncio.Future[None]) -> None:
        """Give the permit back, since the pool has the connection."""
        self.giver._is_back(self, in_use)  # noqa: SLF001 -- the same room; until=never


def _ending(error: BaseException | None, connection: asyncpg.pool.PoolConnectionProxy) -> Ending:
    """How the use of `connection` ended that ended in `error`."""
    if error is None:
        return DONE
    ending = ending_of(error)
    return FAILED if ending is DONE and is_lost(connection) else ending
