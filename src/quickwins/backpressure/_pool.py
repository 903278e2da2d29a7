"""An asyncpg pool behind a gate: the permit first, then the connection.

The line is the gate's, never the pool's own, in which a newcomer may overtake whoever was woken.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from sys import _getframe  # as for permits
from typing import TYPE_CHECKING, Any

from quickwins.backpressure._asyncpg import in_use_of, is_lost, twice
from quickwins.backpressure._core.verdict import DONE, FAILED, IGNORED, Ending
from quickwins.backpressure._counts import ACQUIRED, outcome_of
from quickwins.backpressure._gate import Gate
from quickwins.backpressure._permit import Hold, ending_of
from quickwins.backpressure._shortcuts import Shortcuts
from quickwins.backpressure.rule import Priority
from quickwins.core.clock import Deadline
from quickwins.core.deadline import NEVER, earliest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Generator
    from random import Random
    from types import FrameType, TracebackType

    import asyncpg
    from prometheus_client import CollectorRegistry

    from quickwins.backpressure._permit import Giver
    from quickwins.backpressure.rule import Rule
    from quickwins.backpressure.stats import PoolStats
    from quickwins.core.clock import Clock
    from quickwins.core.flags import Flag

_NORMAL = Priority.NORMAL


class GatedPool(Shortcuts):
    """An `asyncpg.Pool` that refuses at once instead of queueing without bound.

    Belongs to the pool's event loop. While its flag is off, or its threshold 1.0, it hands every call to the pool and
    only counts.

    Example:
        pool = await asyncpg.create_pool(dsn, min_size=10, max_size=10)
        gated = GatedPool(pool, gate=Gate.threshold(0.85), name="feed")
        async with gated.acquire(timeout=1.0) as connection:
            await connection.fetch("select 1")
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        *,
        gate: Gate | None = None,
        flag: Flag | None = None,
        name: str = "",
        service: str = "",
        registry: CollectorRegistry | None = None,
        clock: Clock | None = None,
        rng: Random | None = None,
    ) -> None:
        """Put `pool` behind `gate`.

        Args:
            pool: The caller's pool. Use it through this object alone: what goes round it is not counted.
            gate: Unbound; `Gate.threshold()` when `None`.
            flag: Asked at each acquisition; `None`: always on.
            name: Of this pool, on metrics, events and errors.
            service: Of the process, likewise.
            registry: For the series; the default registry when `None`.
            clock: For deadlines and hold times; must run as the event loop's does.
            rng: For the jitter of what the refused are told to wait.

        Raises:
            ConfigError: The gate is bound to another pool.
        """
        self.pool = pool
        self.name = name
        gate = Gate.threshold() if gate is None else gate
        gate.bind(
            pool.get_max_size(),
            name=name,
            service=service,
            flag=flag,
            registry=registry,
            clock=clock,
            rng=rng,
        )
        self._gate = gate
        self._shell = gate.shell
        self._core = self._shell.core
        self._holding: dict[asyncpg.pool.PoolConnectionProxy, Acquisition] = {}
        self._resetting: dict[
            asyncio.Future[None], tuple[Acquisition, Ending]
        ] = {}  # whose caller was cancelled meanwhile

    def acquire(
        self, *, timeout: float | None = None, priority: Priority = _NORMAL, tenant: str | None = None
    ) -> Acquisition:
        """A connection, to be awaited or entered with `async with`.

        Args:
            timeout: Seconds for everything up to the connection, waiting in line included, and again for its reset at
                release, as in asyncpg; `None`: until the deadline of `quickwins.backpressure.deadline`, if there is
                one, and else as long as it takes.
            priority: What is lost last, and first.
            tenant: Whose work it is, where the gate tells tenants apart.

        Raises (when awaited or entered):
            PoolExhausted: The gate said no. Nothing was taken.
            NestedAcquire: This task holds a connection already, and there is no permit for another one.
            TimeoutError: There was no permit, or no connection, in time.
        """
        return Acquisition(self, self._shell, timeout, priority, tenant, _getframe(1))

    async def release(
        self, connection: asyncpg.pool.PoolConnectionProxy, *, timeout: float | None = None
    ) -> None:
        """Give `connection` back; the permit follows when asyncpg has reset it, even if the caller is cancelled.

        Releasing twice does nothing, as in asyncpg.

        Raises:
            asyncpg.InterfaceError: The connection is another pool's.
        """
        hold = self._holding.get(connection)
        if hold is None:
            await self.pool.release(connection, timeout=timeout)
            return
        await self._leave(hold, None, timeout)

    async def _leave(
        self, hold: Acquisition, error: BaseException | None, timeout: float | None = None
    ) -> None:
        """Give the connection of `hold` back, whose use ended with `error`."""
        connection, hold.connection = hold.connection, None
        if connection is None:  # released inside its block
            return
        del self._holding[connection]
        ending = ending_of(error)
        if ending is DONE and is_lost(connection):
            ending = FAILED
        in_use = in_use_of(connection)
        try:
            await self.pool.release(connection, timeout=hold.reset_seconds if timeout is None else timeout)
        finally:
            if in_use is None or in_use.done():
                self._shell.leave(hold, ending)
            else:  # we were cancelled; asyncpg's reset goes on behind its shield
                self._resetting[in_use] = hold, ending
                in_use.add_done_callback(self._reset)

    def _reset(self, in_use: asyncio.Future[None]) -> None:
        self._shell.leave(*self._resetting.pop(in_use))

    async def try_acquire(self) -> asyncpg.pool.PoolConnectionProxy | None:
        """A connection if there is a permit right now, else `None`; give it back with `release`.

        Never waits for a permit and overtakes nobody who does; making a new connection may take its time. While the
        flag is off the permits are the pool's connections. `None` is no refusal: it is not counted as one.

        Raises:
            PoolExhausted: The pool was closed, and the gate is on.
        """
        gated = self._is_gated()
        if gated and self._core.closed:
            raise self._shell.closed_error()
        hold = Acquisition(self, self._shell, None, _NORMAL, None, _getframe(1))
        limit = self._core.limit_for(_NORMAL) if gated else self._core.max_size
        if not self._shell.try_enter(hold, limit):
            return None
        return await self._connected(hold, self.pool.acquire())

    def stats(self) -> PoolStats:
        """What is going on now."""
        return self._gate.stats()

    def reconfigure(self, rule: Rule) -> None:
        """Follow another rule; permits in use stay in use, and callers in line go on waiting."""
        self._gate.reconfigure(rule)

    async def close(self, *, grace: float = 10.0) -> None:
        """Refuse new users and those in line, wait for those that hold a connection, then close the pool. Idempotent.

        Args:
            grace: Seconds they have; afterwards their connections are terminated.
        """
        self._gate.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.pool.close(), grace)  # cancelled, it terminates the pool
        if self._resetting:  # their connections are closed: a few turns, unless a reset hook hangs
            await asyncio.wait(self._resetting, timeout=grace)

    def _is_gated(self) -> bool:
        return self._core.limit is not None and self._shell.active()

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
        shell.counts.acquired[ACQUIRED].observe(hold.since - now)
        return connection

    async def _gated(
        self, hold: Acquisition, timeout: float | None, *, shortcut: bool = False
    ) -> asyncpg.pool.PoolConnectionProxy:
        """A connection for a permit."""
        shell = self._shell
        now = shell.now()
        deadline = earliest(timeout, now)
        waiter = shell.ask(hold, now, deadline)
        if waiter is not None:
            await shell.wait(hold, waiter, deadline)
        try:
            if deadline is NEVER:
                connection = await self._connected(hold, self.pool.acquire())
            else:
                hold.reset_seconds = None if shortcut else timeout
                connection = await self._connected_until(deadline, hold, shortcut=shortcut)
        except BaseException as error:
            shell.counts.acquired[outcome_of(error)].observe(shell.now() - now)
            raise
        shell.counts.acquired[ACQUIRED].observe(hold.since - now)
        return connection

    async def _connected_until(
        self, deadline: Deadline, hold: Acquisition, *, shortcut: bool
    ) -> asyncpg.pool.PoolConnectionProxy:
        """The connection for `hold`, in what the line has left of one deadline."""
        left_seconds = deadline.remaining(self._shell.now())
        try:
            if not shortcut:
                return await self._connected(hold, self.pool.acquire(timeout=left_seconds))
            # Not `acquire(timeout=...)`: asyncpg would hold the reset to it too, after the statement has succeeded.
            async with asyncio.timeout(left_seconds):
                return await self._connected(hold, self.pool.acquire())
        except TimeoutError as error:
            if not deadline.passed(self._shell.now()):
                raise  # not this one: a hook of the pool has time-outs of its own
            raise self._shell.late("connection", deadline) from error

    async def _connected(
        self, hold: Acquisition, connecting: Awaitable[asyncpg.pool.PoolConnectionProxy]
    ) -> asyncpg.pool.PoolConnectionProxy:
        """The connection for `hold`, or the permit back."""
        try:
            connection = await connecting
        except BaseException:
            self._shell.leave(hold, IGNORED)
            raise
        hold.since = self._shell.now()  # connecting is no part of what statements take
        self._given(hold, connection)
        return connection

    def _given(self, hold: Acquisition, connection: asyncpg.pool.PoolConnectionProxy) -> None:
        hold.connection = connection
        self._holding[connection] = hold

    async def _with(self, method: str, *args: object, timeout: float | None, **options: Any) -> Any:
        hold = Acquisition(self, self._shell, timeout, _NORMAL, None, _getframe(2))  # 1 is the shortcut's own
        if not self._is_gated():
            connection = await self._ungated(hold, None)
        else:
            deadline = Deadline.after(timeout, self._shell.now())
            connection = await self._gated(hold, timeout, shortcut=True)
            timeout = deadline.remaining(self._shell.now())
        error: BaseException | None = None
        try:
            return await getattr(connection, method)(*args, timeout=timeout, **options)
        except BaseException as raised:
            error = raised
            raise
        finally:
            try:
                await self._leave(hold, error)
            finally:
                error = None  # no cycle through this frame


class Acquisition(Hold):
    """What `GatedPool.acquire` returns: await it, or enter it with `async with`, once.

    Attributes:
        pool: Whose connection it is.
        begun: Whether it may no longer be entered.
        connection: What it was given for; `None` before and after.
        reset_seconds: How long the reset of the connection may take; `None`: as long as it takes.
    """

    __slots__ = ("begun", "connection", "pool", "reset_seconds")

    def __init__(
        self,
        pool: GatedPool,
        giver: Giver,
        timeout_seconds: float | None,
        priority: Priority,
        tenant: str | None,
        frame: FrameType,
    ) -> None:
        super().__init__(giver, timeout_seconds, priority, tenant, frame)
        self.pool = pool
        self.begun = False
        self.connection: asyncpg.pool.PoolConnectionProxy | None = None
        self.reset_seconds: float | None = None

    def __await__(self) -> Generator[Any, None, asyncpg.pool.PoolConnectionProxy]:
        if self.connection is not None:
            raise twice()
        self.begun = True
        return self.pool._acquire(self).__await__()  # noqa: SLF001 -- the same room; until=2027-12-31

    def __aenter__(self) -> Coroutine[Any, Any, asyncpg.pool.PoolConnectionProxy]:
        if self.begun or self.connection is not None:
            raise twice()
        return self.pool._acquire(self)  # noqa: SLF001 -- the same room; until=2027-12-31

    def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Coroutine[Any, Any, None]:
        self.begun = True
        return self.pool._leave(self, error)  # noqa: SLF001 -- the same room; until=2027-12-31
