"""An asyncpg pool behind a gate: the permit first, then the connection.

Callers wait in the gate's line, never in the pool's own, where a newcomer may overtake a waiter that was woken.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from sys import _getframe  # as for permits
from typing import TYPE_CHECKING, Any

from quickwins.backpressure._acquisition import Acquisition, Lender
from quickwins.backpressure._asyncpg import is_lost
from quickwins.backpressure._gate import Gate, checked
from quickwins.backpressure._hold import wanted, wishes
from quickwins.backpressure._shortcuts import Shortcuts
from quickwins.backpressure.rule import Priority
from quickwins.core.errors import ConfigError

if TYPE_CHECKING:
    from typing import Unpack

    import asyncpg

    from quickwins.backpressure._gate import ShellOptions
    from quickwins.backpressure.rule import Rule
    from quickwins.backpressure.stats import PoolStats
    from quickwins.backpressure.testing import FakePool

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
            options: `name`, `service`, `flag`, `registry`, `clock`, `rng` and `trace`: see `ShellOptions`.

        Raises:
            ConfigError: The gate is bound to another pool, `pool` is not asyncpg's, or `gate` is none.
        """
        gate = Gate.threshold() if gate is None else gate
        if not hasattr(pool, "get_max_size"):
            raise ConfigError(
                f"GatedPool takes an asyncpg pool, not a {type(pool).__name__}; SQLAlchemy's engines and psycopg's pools have "
                "GatedEngine and GatedPsycopgPool"
            )
        checked(gate).bind(pool.get_max_size(), **options)
        self.pool: asyncpg.Pool = pool
        self._gate = gate
        self._shell = gate.shell
        self.name = self._shell.name
        self._core = self._shell.core
        self._lender = Lender(self.pool, self._shell)

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
            priority: How much the work matters: what goes first in line, and is shed last.
            tenant: Whose work it is, where the gate tells tenants apart.

        Raises:
            ConfigError: An argument is of a wrong type.

        Raises (when awaited or entered):
            PoolExhausted: The gate said no. Nothing was taken.
            NestedAcquire: This task holds a connection already, and there is no permit for another one.
            DeadlineExceeded: There was no permit, or no connection, before the request's deadline.
            TimeoutError: There was none within `timeout`.
        """
        # Nearly every call gives neither, or what it should.
        if (timeout is not None and timeout.__class__ is not float) or (
            priority is not _NORMAL and priority.__class__ is not Priority
        ):
            wishes(timeout, priority)
        return wanted(Acquisition, self._lender, timeout, priority, tenant, _getframe(1))

    async def release(
        self, connection: asyncpg.pool.PoolConnectionProxy, *, timeout: float | None = None
    ) -> None:
        """Give `connection` back. The permit follows when asyncpg has reset it, even if the caller is cancelled.

        Releasing twice does nothing, as in asyncpg.

        Raises:
            asyncpg.InterfaceError: The connection is another pool's.
        """
        hold = self._lender.who_has(connection)
        if hold is None:
            await self.pool.release(connection, timeout=timeout)
        else:
            error = ConnectionResetError("the connection was lost") if is_lost(connection) else None
            await hold.given_back(None, error, timeout=timeout)

    async def try_acquire(self) -> asyncpg.pool.PoolConnectionProxy | None:
        """A connection if there is a permit right now, else `None`; give it back with `release`.

        It never waits for a permit, and overtakes nobody who does; making a new connection may take its time. While the
        flag is off, there are as many permits as connections. `None` is not counted as a refusal.

        Raises:
            PoolExhausted: The pool was closed, and the gate is on.
        """
        gated = self._shell.gates()
        if gated and self._core.closed:
            raise self._shell.closed_error()
        hold = wanted(Acquisition, self._lender, None, _NORMAL, None, _getframe(1))
        limit = self._core.limit_for(_NORMAL) if gated else self._core.max_size
        return await hold.entered(gated=False) if self._shell.try_enter(hold, limit) else None

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
        if self._lender.resetting:  # their connections are closed: a few turns, unless a reset hook hangs
            await asyncio.wait(self._lender.resetting, timeout=grace)

    async def _with(self, method: str, *args: object, timeout: float | None, **options: Any) -> Any:
        shell = self._shell
        gated = shell.gates()
        if gated and timeout is not None and timeout.__class__ is not float:
            wishes(timeout, _NORMAL)
        ends_at = None if timeout is None or not gated else shell.now() + timeout
        # 1 is the shortcut's own frame.
        hold = wanted(Acquisition, self._lender, timeout if gated else None, _NORMAL, None, _getframe(2))
        connection = await hold.entered(gated)
        hold.timeout_seconds = None  # none of the reset's
        if ends_at is not None:
            timeout = max(0.0, ends_at - shell.now())
        error: BaseException | None = None
        try:
            return await getattr(connection, method)(*args, timeout=timeout, **options)
        except BaseException as raised:
            error = raised
            raise
        finally:
            try:
                await hold.given_back(None, error)
            finally:
                error = None  # no cycle through this frame
