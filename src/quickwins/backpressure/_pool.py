"""An asyncpg pool behind a gate: the permit first, then the connection.

The line is the gate's, never the pool's own, in which a newcomer may overtake whoever was woken.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from sys import _getframe  # as for permits
from typing import TYPE_CHECKING, Any

from quickwins.backpressure._deadline import current_deadline
from quickwins.backpressure._ledger import AT_ONCE_SECONDS, Outcome, outcome_of
from quickwins.backpressure._permit import Permit
from quickwins.backpressure._permits import Gate
from quickwins.backpressure.rule import Priority
from quickwins.backpressure.settings import PoolSettings
from quickwins.core.clock import Deadline, SystemClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Generator
    from random import Random
    from types import TracebackType

    import asyncpg
    from prometheus_client import CollectorRegistry

    from quickwins.backpressure.stats import PoolStats
    from quickwins.core.clock import Clock
    from quickwins.core.flags import Flag

_DEFAULTS = PoolSettings()
_NORMAL = Priority.NORMAL


class GatedPool:
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
        settings: PoolSettings = _DEFAULTS,
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
            gate: Unbound; what `settings` say when `None`.
            settings: How long refused callers are told to wait, and the gate when none is given.
            flag: Asked at each acquisition; `None`: always on.
            name: Of this pool, on metrics, events and errors.
            service: Of the process, likewise.
            registry: For the series; the default registry when `None`.
            clock: For deadlines.
            rng: For the jitter of `retry_after_seconds`.

        Raises:
            ConfigError: The gate is bound to another pool.
        """
        self.pool = pool
        self.name = name
        self._gate = Gate(settings.rule()) if gate is None else gate
        self._clock = SystemClock() if clock is None else clock
        self._gate.bind(
            pool.get_max_size(),
            name=name,
            service=service,
            retry_after_seconds=settings.retry_after_seconds,
            registry=registry,
            clock=clock,
            rng=rng,
        )
        self._core = self._gate.core
        self._flag = flag
        self._ledger = self._gate.ledger
        self._acquired = self._ledger.acquired[Outcome.ACQUIRED]
        self._resetting: dict[asyncio.Future[None], Permit] = {}  # whose caller was cancelled meanwhile

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
        # Not by its constructor, which takes as long as the gate to decide.
        acquisition = Acquisition.__new__(Acquisition)
        acquisition.gate = self._gate
        acquisition.timeout_seconds = timeout
        acquisition.priority = priority
        acquisition.tenant_key = tenant
        caller = _getframe(1)
        acquisition.code = caller.f_code
        acquisition.instruction = caller.f_lasti
        acquisition.pool = self
        acquisition.begun = False
        acquisition.connection = acquisition.reset_seconds = None
        return acquisition

    async def release(
        self, connection: asyncpg.pool.PoolConnectionProxy, *, timeout: float | None = None
    ) -> None:
        """Give `connection` back; the permit follows when asyncpg has reset it, even if the caller is cancelled.

        Releasing twice does nothing, as in asyncpg.

        Raises:
            asyncpg.InterfaceError: The connection is another pool's.
        """
        permit = self._ledger.holding(connection)
        if permit is None:
            await self.pool.release(connection, timeout=timeout)
            return
        await self._leave(permit, None, timeout, _is_lost(connection))

    async def _leave(
        self,
        permit: Permit,
        error: BaseException | None,
        timeout: float | None = None,
        lost: bool = False,
    ) -> None:
        """Give the connection of `permit` back, whose use ended with `error`, or `lost`."""
        connection, permit.connection = permit.connection, None
        if connection is None:  # released inside its block
            return
        cancelled = False
        if error is not None:
            cancelled = isinstance(error, asyncio.CancelledError)
            lost = isinstance(error, (TimeoutError, ConnectionError)) or _is_lost(connection)
        # What tells when asyncpg has the connection back. A task of our own around its release would tell it too, and
        # costs as much as the whole gate.
        try:
            in_use = connection._holder._in_use  # noqa: SLF001 -- no public name; until=2027-12-31
        except AttributeError:
            in_use = None
        try:
            await self.pool.release(connection, timeout=permit.reset_seconds if timeout is None else timeout)
        finally:
            if in_use is None or in_use.done():
                self._gate.leave(permit, not cancelled, lost)
            else:  # we were cancelled; asyncpg's reset goes on behind its shield
                self._resetting[in_use] = permit
                in_use.add_done_callback(self._reset)

    def _reset(self, in_use: asyncio.Future[None]) -> None:
        self._gate.leave(self._resetting.pop(in_use))

    async def try_acquire(self) -> asyncpg.pool.PoolConnectionProxy | None:
        """A connection if there is a permit right now, else `None`; give it back with `release`.

        Never waits for a permit and overtakes nobody who does; making a new connection may take its time. While the
        flag is off the permits are the pool's connections. `None` is no refusal: it is not counted as one.

        Raises:
            PoolExhausted: The pool was closed, and the gate is on.
        """
        gated = self._gated()
        if gated and self._core.closed:
            raise self._gate.closed_error()
        permit = self.acquire()
        permit.asked_from(_getframe(1))
        limit = self._core.limit_for(_NORMAL) if gated else self._core.max_size
        if not self._gate.try_enter(permit, limit):
            return None
        return await self._connected(permit, self.pool.acquire())

    def stats(self) -> PoolStats:
        """What is going on now."""
        stats = self._gate.stats()
        return replace(stats, gated=stats.gated and (self._flag is None or self._flag.state.on))

    def reconfigure(self, settings: PoolSettings) -> None:
        """Take new settings; permits in use stay in use, and who waits goes on waiting."""
        self._gate.reconfigure(settings.rule(), retry_after_seconds=settings.retry_after_seconds)

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

    def _gated(self) -> bool:
        return self._core.limit is not None and (self._flag is None or self._flag.active())

    async def _acquire(
        self, permit: Permit, timeout: float | None, gated: bool | None = None, shortcut: bool = False
    ) -> asyncpg.pool.PoolConnectionProxy:
        gate = self._gate
        if gated is None:  # `_gated`, without the call
            gated = self._core.limit is not None and (self._flag is None or self._flag.active())
        acquired = self._acquired
        now = gate.now()
        if not gated:
            permit.used = True
            try:
                connection = await self.pool.acquire(timeout=timeout)
            except BaseException as error:
                self._ledger.acquired[outcome_of(error)].observe(gate.now() - now)
                raise
            gate.count(permit)
            permit.connection = connection
        else:
            asked_seconds = timeout
            if current_deadline() is not None:
                timeout = gate.bounded(timeout, now)
            waiter = gate.ask(permit, now, timeout)
            if waiter is not None:
                await gate.wait(permit, waiter, timeout)
            try:
                if timeout is None:  # `_connected`, without another coroutine
                    try:
                        connection = await self.pool.acquire()
                    except BaseException:
                        gate.leave(permit, sample=False)
                        raise
                    permit.since = gate.now()
                    permit.connection = connection
                else:
                    connection = await self._connected_within(
                        permit, now, timeout, asked_seconds, shortcut=shortcut, waited=waiter is not None
                    )
            except BaseException as error:
                self._ledger.acquired[outcome_of(error)].observe(gate.now() - now)
                raise
        seconds = permit.since - now
        if seconds < AT_ONCE_SECONDS:  # what `observe` finds out by a search
            acquired.counts[0] += 1
            acquired.total += seconds
        else:
            acquired.observe(seconds)
        return connection

    async def _connected_within(
        self,
        permit: Permit,
        now: float,
        timeout: float,
        reset_seconds: float | None,
        *,
        shortcut: bool,
        waited: bool,
    ) -> asyncpg.pool.PoolConnectionProxy:
        """The connection for `permit`, within what the line has left of one deadline."""
        left_seconds = max(0.0, now + timeout - self._clock.monotonic()) if waited else timeout
        try:
            if not shortcut:
                permit.reset_seconds = reset_seconds
                return await self._connected(permit, self.pool.acquire(timeout=left_seconds))
            # Not `acquire(timeout=...)`: asyncpg would hold the reset to it too, after the statement has succeeded.
            async with asyncio.timeout(left_seconds):
                return await self._connected(permit, self.pool.acquire())
        except TimeoutError as error:
            if self._clock.monotonic() < now + timeout:
                raise  # not this one: a hook of the pool has time-outs of its own
            raise TimeoutError(
                f"no connection of pool {self.name!r} within the {timeout} s asked for"
            ) from error

    async def _connected(
        self, permit: Permit, connecting: Awaitable[asyncpg.pool.PoolConnectionProxy]
    ) -> asyncpg.pool.PoolConnectionProxy:
        """The connection for `permit`, or the permit back."""
        try:
            connection = await connecting
        except BaseException:
            self._gate.leave(permit, sample=False)
            raise
        permit.since = self._gate.now()  # connecting is no part of what statements take
        permit.connection = connection
        return connection

    # The shortcuts of asyncpg's pool, with one difference while the gate is on: `timeout` covers the wait
    # for a connection too.

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:
        """As `asyncpg.Pool.execute`."""
        result: str = await self._with("execute", query, *args, timeout=timeout)
        return result

    async def executemany(self, command: str, args: Any, *, timeout: float | None = None) -> None:
        """As `asyncpg.Pool.executemany`."""
        await self._with("executemany", command, args, timeout=timeout)

    async def fetch(
        self, query: str, *args: object, timeout: float | None = None, **options: Any
    ) -> list[Any]:
        """As `asyncpg.Pool.fetch`."""
        result: list[Any] = await self._with("fetch", query, *args, timeout=timeout, **options)
        return result

    async def fetchval(self, query: str, *args: object, timeout: float | None = None, **options: Any) -> Any:
        """As `asyncpg.Pool.fetchval`."""
        return await self._with("fetchval", query, *args, timeout=timeout, **options)

    async def fetchrow(self, query: str, *args: object, timeout: float | None = None, **options: Any) -> Any:
        """As `asyncpg.Pool.fetchrow`."""
        return await self._with("fetchrow", query, *args, timeout=timeout, **options)

    async def fetchmany(
        self, query: str, args: Any, *, timeout: float | None = None, **options: Any
    ) -> list[Any]:
        """As `asyncpg.Pool.fetchmany`."""
        result: list[Any] = await self._with("fetchmany", query, args, timeout=timeout, **options)
        return result

    async def copy_from_table(self, table_name: str, *, timeout: float | None = None, **options: Any) -> str:
        """As `asyncpg.Pool.copy_from_table`."""
        result: str = await self._with("copy_from_table", table_name, timeout=timeout, **options)
        return result

    async def copy_from_query(
        self, query: str, *args: object, timeout: float | None = None, **options: Any
    ) -> str:
        """As `asyncpg.Pool.copy_from_query`."""
        result: str = await self._with("copy_from_query", query, *args, timeout=timeout, **options)
        return result

    async def copy_to_table(self, table_name: str, *, timeout: float | None = None, **options: Any) -> str:
        """As `asyncpg.Pool.copy_to_table`."""
        result: str = await self._with("copy_to_table", table_name, timeout=timeout, **options)
        return result

    async def copy_records_to_table(
        self, table_name: str, *, timeout: float | None = None, **options: Any
    ) -> str:
        """As `asyncpg.Pool.copy_records_to_table`."""
        result: str = await self._with("copy_records_to_table", table_name, timeout=timeout, **options)
        return result

    async def _with(self, method: str, *args: object, timeout: float | None, **options: Any) -> Any:
        gated = self._gated()
        permit = self.acquire()
        permit.asked_from(_getframe(1).f_back)  # the shortcut's own frame is in between
        if gated and timeout is not None:
            deadline = Deadline.after(timeout, self._clock.monotonic())
            connection = await self._acquire(permit, timeout, True, True)
            timeout = deadline.remaining(self._clock.monotonic())
        else:
            connection = await self._acquire(permit, None, gated)
        error: BaseException | None = None
        try:
            return await getattr(connection, method)(*args, timeout=timeout, **options)
        except BaseException as raised:
            error = raised
            raise
        finally:
            try:
                await self._leave(permit, error)
            finally:
                error = None  # no cycle through this frame


class Acquisition(Permit):
    """What `GatedPool.acquire` returns: await it, or enter it with `async with`, once."""

    __slots__ = ("begun", "pool")

    pool: GatedPool
    begun: bool

    def __await__(self) -> Generator[Any, None, asyncpg.pool.PoolConnectionProxy]:
        if self.connection is not None:
            raise _twice()
        self.begun = True
        return self.pool._acquire(self, self.timeout_seconds).__await__()  # noqa: SLF001 -- the same room; until=2027-12-31

    # Not `async def`: each would put one more coroutine around those that do the work.

    def __aenter__(self) -> Coroutine[Any, Any, asyncpg.pool.PoolConnectionProxy]:
        if self.begun or self.connection is not None:
            raise _twice()
        return self.pool._acquire(self, self.timeout_seconds)  # noqa: SLF001 -- the same room; until=2027-12-31

    def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Coroutine[Any, Any, None]:
        self.begun = True
        return self.pool._leave(self, error)  # noqa: SLF001 -- the same room; until=2027-12-31


def _twice() -> Exception:
    from asyncpg import InterfaceError

    error: Exception = InterfaceError("a connection is already acquired")
    return error


def _is_lost(connection: asyncpg.pool.PoolConnectionProxy) -> bool:
    """Whether the server, or somebody else, has closed `connection` meanwhile."""
    raw = getattr(connection, "_con", None)  # `is_closed` raises on a proxy that is detached
    return raw is None or bool(raw.is_closed())
