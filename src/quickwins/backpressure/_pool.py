"""An asyncpg pool behind a gate: the permit first, then the connection.

The line is the gate's, never the pool's own, in which a newcomer may overtake whoever was woken.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from quickwins.backpressure._permits import Gate
from quickwins.backpressure.settings import PoolSettings
from quickwins.core.clock import Deadline, SystemClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator
    from random import Random
    from types import TracebackType

    import asyncpg
    from prometheus_client import CollectorRegistry

    from quickwins.backpressure.stats import PoolStats
    from quickwins.core.clock import Clock
    from quickwins.core.flags import Flag

_DEFAULTS = PoolSettings()


class _Hold(NamedTuple):
    """A connection in somebody's hands: since when its permit is, and what its reset may take if nobody says."""

    since: float
    reset_seconds: float | None


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
            clock=self._clock,
            rng=rng,
        )
        self._core = self._gate.core
        self._flag = flag
        self._held: dict[asyncpg.pool.PoolConnectionProxy, _Hold] = {}
        self._releasing: set[asyncio.Future[None]] = set()

    def acquire(self, *, timeout: float | None = None) -> Acquisition:
        """A connection, to be awaited or entered with `async with`.

        Args:
            timeout: Seconds for everything up to the connection, waiting in line included, and again for its reset at
                release, as in asyncpg; `None`: as long as it takes.

        Raises (when awaited or entered):
            PoolExhausted: The gate said no. Nothing was taken.
            TimeoutError: There was no permit, or no connection, in time.
        """
        return Acquisition(lambda: self._acquire(timeout, gated=self._gated()), self.release)

    async def release(
        self, connection: asyncpg.pool.PoolConnectionProxy, *, timeout: float | None = None
    ) -> None:
        """Give `connection` back; the permit follows when asyncpg has reset it, even if the caller is cancelled.

        Releasing twice does nothing, as in asyncpg.

        Raises:
            asyncpg.InterfaceError: The connection is another pool's.
        """
        hold = self._held.pop(connection, None)
        if hold is None:
            await self.pool.release(connection, timeout=timeout)
            return
        if timeout is None:
            timeout = hold.reset_seconds
        # asyncpg shields its reset from our cancellation: whoever waits for it must outlive us as well.
        task = asyncio.ensure_future(self.pool.release(connection, timeout=timeout))
        self._releasing.add(task)
        task.add_done_callback(partial(self._released, hold.since))
        await asyncio.shield(task)

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
        limit = self._core.limit if gated else None
        since = self._gate.try_enter(self._core.max_size if limit is None else limit)
        return None if since is None else await self._connected(since, self.pool.acquire())

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
        if self._releasing:  # their connections are closed: a few turns, unless a reset hook hangs
            await asyncio.wait(self._releasing, timeout=grace)

    def _gated(self) -> bool:
        return self._core.limit is not None and (self._flag is None or self._flag.active())

    async def _acquire(
        self, timeout: float | None, *, gated: bool, shortcut: bool = False
    ) -> asyncpg.pool.PoolConnectionProxy:
        if not gated:
            connection = await self.pool.acquire(timeout=timeout)
            self._held[connection] = _Hold(self._gate.count(), None)
            return connection
        now = self._clock.monotonic()
        since = await self._gate.enter(now, timeout)
        if timeout is None:
            return await self._connected(since, self.pool.acquire())
        # One deadline for the line and for the connection, whatever part of it the line took.
        left_seconds = timeout if since == now else max(0.0, now + timeout - self._clock.monotonic())
        try:
            if not shortcut:
                return await self._connected(
                    since, self.pool.acquire(timeout=left_seconds), reset_seconds=timeout
                )
            # Not `acquire(timeout=...)`: asyncpg would hold the reset to it too, after the statement has succeeded.
            async with asyncio.timeout(left_seconds):
                return await self._connected(since, self.pool.acquire())
        except TimeoutError as error:
            if self._clock.monotonic() < now + timeout:
                raise  # not this one: a hook of the pool has time-outs of its own
            raise TimeoutError(
                f"no connection of pool {self.name!r} within the {timeout} s asked for"
            ) from error

    async def _connected(
        self,
        since: float,
        connecting: Awaitable[asyncpg.pool.PoolConnectionProxy],
        *,
        reset_seconds: float | None = None,
    ) -> asyncpg.pool.PoolConnectionProxy:
        """The connection for the permit given at `since`, or the permit back."""
        try:
            connection = await connecting
        except BaseException:
            self._gate.leave(None)
            raise
        self._held[connection] = _Hold(since, reset_seconds)
        return connection

    def _released(self, since: float, task: asyncio.Future[None]) -> None:
        self._releasing.discard(task)
        self._gate.leave(since)
        if not task.cancelled():
            task.exception()  # a caller that was cancelled no longer asks; asyncio would complain at exit

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
        if gated and timeout is not None:
            deadline = Deadline.after(timeout, self._clock.monotonic())
            connection = await self._acquire(timeout, gated=True, shortcut=True)
            timeout = deadline.remaining(self._clock.monotonic())
        else:
            connection = await self._acquire(None, gated=gated)
        try:
            return await getattr(connection, method)(*args, timeout=timeout, **options)
        finally:
            await self.release(connection)


class Acquisition:
    """What `GatedPool.acquire` returns: await it, or enter it with `async with`, once."""

    __slots__ = ("_acquire", "_connection", "_release", "_used")

    def __init__(
        self,
        acquire: Callable[[], Coroutine[Any, Any, asyncpg.pool.PoolConnectionProxy]],
        release: Callable[[asyncpg.pool.PoolConnectionProxy], Awaitable[None]],
    ) -> None:
        self._acquire = acquire
        self._release = release
        self._used = False
        self._connection: asyncpg.pool.PoolConnectionProxy | None = None

    def __await__(self) -> Generator[Any, None, asyncpg.pool.PoolConnectionProxy]:
        self._used = True
        return self._acquire().__await__()

    async def __aenter__(self) -> asyncpg.pool.PoolConnectionProxy:
        if self._used:
            from asyncpg import InterfaceError

            raise InterfaceError("a connection is already acquired")
        self._connection = await self._acquire()
        self._used = True
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connection, self._connection = self._connection, None
        await self._release(connection)
