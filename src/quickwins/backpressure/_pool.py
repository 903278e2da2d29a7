"""An asyncpg pool behind a gate: the permit first, then the connection."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from quickwins.backpressure._gate import Gate, RejectReason
from quickwins.backpressure.errors import PoolExhausted
from quickwins.backpressure.metrics import EXHAUSTED, INFLIGHT, LIMIT, UTILIZATION
from quickwins.backpressure.settings import PoolSettings
from quickwins.core.clock import Deadline, SystemClock
from quickwins.core.events import POOL_REJECTED, Reporter
from quickwins.core.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
    from types import TracebackType

    import asyncpg
    from prometheus_client import CollectorRegistry

    from quickwins.core.clock import Clock
    from quickwins.core.flags import Flag

_DEFAULTS = PoolSettings()


@dataclass(frozen=True, slots=True)
class PoolStats:
    """A gated pool at one moment.

    Attributes:
        name: The pool's.
        gated: Whether the gate would be asked now, outside any request: the flag is on and the threshold below 1.
        max_size: Connections in the pool.
        limit: Permits from which on the gate refuses; `None` when it never does.
        inflight: Permits in use, ungated users included.
        admitted: Permits given since the start.
        rejected: Refusals since the start, by reason.
    """

    name: str
    gated: bool
    max_size: int
    limit: int | None
    inflight: int
    admitted: int
    rejected: Mapping[RejectReason, int]


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
            gate: Unbound; `Gate.threshold(settings.threshold)` when `None`.
            settings: How refused callers are told to wait.
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
        self._gate = Gate.threshold(settings.threshold) if gate is None else gate
        self._gate.bind(pool.get_max_size())
        self._settings = settings
        self._flag = flag
        self._clock = SystemClock() if clock is None else clock
        self._rng = Random() if rng is None else rng  # noqa: S311 -- jitter, not secrecy
        self._held: set[asyncpg.pool.PoolConnectionProxy] = set()
        self._releasing: set[asyncio.Future[None]] = set()
        self._reporter = Reporter(service=service, name=name, clock=self._clock)
        metrics = Metrics(registry=registry, service=service, name=name)
        self._exhausted = {reason: metrics.counter(EXHAUSTED, reason=reason) for reason in RejectReason}
        self._utilization = metrics.gauge(UTILIZATION)
        self._inflight = metrics.gauge(INFLIGHT)
        self._limit = metrics.gauge(LIMIT)
        self._show_limit()
        self._show_inflight()

    def acquire(self, *, timeout: float | None = None) -> Acquisition:
        """A connection, to be awaited or entered with `async with`.

        Args:
            timeout: Seconds for everything up to the connection, and for its reset at release, as in asyncpg; `None`:
                as long as it takes. The gate itself never waits.

        Raises (when awaited or entered):
            PoolExhausted: The gate said no. Nothing was taken, nothing was waited for.
            TimeoutError: The pool had no connection in time.
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
        if connection not in self._held:
            await self.pool.release(connection, timeout=timeout)
            return
        self._held.remove(connection)
        # asyncpg shields its reset from our cancellation: whoever waits for it must outlive us as well.
        task = asyncio.ensure_future(self.pool.release(connection, timeout=timeout))
        self._releasing.add(task)
        task.add_done_callback(self._released)
        await asyncio.shield(task)

    def stats(self) -> PoolStats:
        """What is going on now."""
        gate = self._gate
        return PoolStats(
            name=self.name,
            gated=gate.limit is not None and (self._flag is None or self._flag.state.on),
            max_size=gate.max_size,
            limit=gate.limit,
            inflight=gate.inflight,
            admitted=gate.admitted,
            rejected=MappingProxyType(dict(gate.rejected)),
        )

    def reconfigure(self, settings: PoolSettings) -> None:
        """Take new settings; permits in use stay in use."""
        self._settings = settings
        self._gate.reconfigure(settings.threshold)
        self._show_limit()

    async def close(self, *, grace: float = 10.0) -> None:
        """Refuse new users, wait for those that hold a connection, then close the pool. Idempotent.

        Args:
            grace: Seconds they have; afterwards their connections are terminated.
        """
        self._gate.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.pool.close(), grace)  # cancelled, it terminates the pool
        if self._releasing:  # their connections are closed: a few turns, unless a reset hook hangs
            await asyncio.wait(self._releasing, timeout=grace)

    def _gated(self) -> bool:
        return self._gate.limit is not None and (self._flag is None or self._flag.active())

    async def _acquire(self, timeout: float | None, *, gated: bool) -> asyncpg.pool.PoolConnectionProxy:
        if gated:
            reason = self._gate.try_admit()
            if reason is not None:
                raise self._rejection(reason)
            self._show_inflight()
        try:
            connection = await self.pool.acquire(timeout=timeout)
        except BaseException:
            if gated:
                self._gate.release()
                self._show_inflight()
            raise
        if not gated:
            self._gate.count()
            self._show_inflight()
        self._held.add(connection)
        return connection

    def _rejection(self, reason: RejectReason) -> PoolExhausted:
        gate = self._gate
        self._exhausted[reason].inc()
        self._reporter.report_seldom(POOL_REJECTED, reason, limit=gate.limit, inflight=gate.inflight)
        if reason is RejectReason.CLOSED:
            return PoolExhausted(f"pool {self.name!r} is closed", reason=reason)
        return PoolExhausted(
            f"pool {self.name!r} has {gate.inflight} of {gate.max_size} connections in use, its limit is {gate.limit}",
            reason=reason,
            retry_after_seconds=self._settings.retry_after_seconds * (0.5 + self._rng.random()),
        )

    def _released(self, task: asyncio.Future[None]) -> None:
        self._releasing.discard(task)
        self._gate.release()
        self._show_inflight()
        if not task.cancelled():
            task.exception()  # a caller that was cancelled no longer asks; asyncio would complain at exit

    def _show_inflight(self) -> None:
        self._inflight.set(self._gate.inflight)
        self._utilization.set(self._gate.inflight / self._gate.max_size)

    def _show_limit(self) -> None:
        self._limit.set(self._gate.max_size if self._gate.limit is None else self._gate.limit)

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
            # Not `acquire(timeout=...)`: asyncpg would hold the reset to it too, after the statement has succeeded.
            async with asyncio.timeout(timeout):
                connection = await self._acquire(None, gated=gated)
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
