"""A pool of `psycopg_pool` behind a gate: the permit first, then the connection.

The pool itself is gated, so what uses it needs no other code.

    pool = AsyncConnectionPool(dsn, max_size=10, open=False)
    gated = GatedPsycopgPool(pool, gate=Gate.queue(), name="feed")
    async with pool, pool.connection() as connection:
        await connection.execute("select 1")

What is used of psycopg_pool is public: `getconn` and `putconn`, which everything else there goes through, in a subclass that
the pool becomes.
"""

from __future__ import annotations

from sys import _getframe
from typing import TYPE_CHECKING, Any

from psycopg_pool import AsyncConnectionPool, PoolTimeout

from quickwins.backpressure._callers import Outside
from quickwins.backpressure._core.verdict import DONE, FAILED, IGNORED
from quickwins.backpressure._counts import Outcome, outcome_of
from quickwins.backpressure._hold import Hold, wanted
from quickwins.backpressure._in_place import GatedInPlace
from quickwins.backpressure.rule import Priority
from quickwins.core.deadline import earliest
from quickwins.core.errors import ConfigError, DeadlineExceeded
from quickwins.core.lazy import shows

if TYPE_CHECKING:
    from typing import Unpack

    from psycopg import AsyncConnection

    from quickwins.backpressure._gate import Gate, ShellOptions
    from quickwins.backpressure._waiting import GateShell

__all__ = ["GatedPsycopgPool", "PermitTimeout"]
__dir__ = shows(__name__)

_NORMAL = Priority.NORMAL
_user_around = Outside("psycopg", "contextlib").of


class PermitTimeout(PoolTimeout, TimeoutError):
    """There was no permit within the time that the caller, or else the pool, gives; caught as without a gate."""


class Lent:
    """What a gated pool lends, and who has it.

    Attributes:
        shell: What works for the gate.
        kind: Of pool, without a gate.
        name: The pool's.
        holding: Who has which connection.
    """

    __slots__ = ("holding", "kind", "name", "shell")

    def __init__(self, gate: Gate, kind: type[AsyncConnectionPool[Any]]) -> None:
        self.shell = gate.shell
        self.kind = kind
        self.name = self.shell.name
        self.holding: dict[object, Hold[Lent]] = {}


# These two are the gated pool's methods as they are: each call and coroutine around them would cost every statement.
async def _getconn(self: Any, timeout: float | None = None) -> Any:
    """A connection by the pool's own `getconn` once there is a permit, both within `timeout` seconds."""
    lent: Lent = self.quickwins_lent
    shell = lent.shell
    seconds: float = self.timeout if timeout is None else timeout
    hold = wanted(Hold, lent, seconds, _NORMAL, None, _user_around(_getframe(1)))
    now = shell.now()
    gated = shell.gates()
    if gated and not shell.take(hold, now):
        seconds = await _permitted(shell, hold, now)
    try:
        connection = await lent.kind.getconn(self, timeout=seconds)
    except BaseException as error:
        shell.leave(hold, IGNORED)
        outcome = Outcome.TIMED_OUT if isinstance(error, PoolTimeout) else outcome_of(error)
        shell.counts.acquired[outcome].observe(shell.now() - now)
        raise
    if not gated:
        shell.count(hold)
    hold.since = since = shell.now()  # connecting is no part of what statements take
    lent.holding[connection] = hold
    shell.counts.given.observe(since - now)
    return connection


async def _putconn(self: Any, conn: Any) -> None:
    """Give a connection back by the pool's own `putconn`, and then its permit, even when that is cancelled."""
    lent: Lent = self.quickwins_lent
    hold = lent.holding.pop(conn, None)
    lost = hold is not None and conn.closed
    try:
        await lent.kind.putconn(self, conn)
    finally:
        if hold is not None:
            lent.shell.leave(hold, FAILED if lost else DONE)


async def _permitted(shell: GateShell, hold: Hold[Lent], now: float) -> float:
    """Wait for a permit in line; how many of its seconds are left then."""
    seconds = hold.timeout_seconds
    assert seconds is not None
    deadline = earliest(seconds, now)
    waiter = shell.line_up(hold, now, deadline)
    if waiter is None:
        return seconds
    try:
        await shell.wait(hold, waiter, deadline)
    except DeadlineExceeded:
        raise
    except TimeoutError as error:
        raise PermitTimeout(str(error)) from error
    return max(0.0, now + seconds - shell.now())


class GatedPsycopgPool(GatedInPlace):
    """An `AsyncConnectionPool` that refuses at once instead of queueing without bound; use the pool as before.

    It belongs to one event loop. While its flag is off or its threshold is 1.0, connections are only counted. `connection()`
    and `getconn()` raise besides what they do without a gate:

    - `PoolExhausted`: The gate said no. Nothing was taken.
    - `NestedAcquire`: This task has a connection already, and there is no permit for another one.
    - `DeadlineExceeded`: There was no permit before the request's deadline.
    - `PermitTimeout`: There was none within `timeout`; it is psycopg's own `PoolTimeout` too.
    """

    def __init__(
        self,
        pool: AsyncConnectionPool[AsyncConnection[Any]],
        *,
        gate: Gate | None = None,
        size: int | None = None,
        **options: Unpack[ShellOptions],
    ) -> None:
        """Put `pool` behind `gate`.

        Args:
            pool: The caller's. Do not `resize` it: the gate has the size that it had here.
            gate: Unbound; `Gate.threshold()` when `None`.
            size: How many connections there may be at once, for an `AsyncNullConnectionPool` without `max_size`. `None`: the
                pool's `max_size`.
            options: `name`, `service`, `flag`, `registry`, `clock`, `rng` and `trace`: see `ShellOptions`.

        Raises:
            ConfigError: The pool has a gate already or sets no limit, or the gate is bound to another one.
        """
        name = options.get("name", "")
        kind: Any = type(pool)
        if hasattr(kind, _LENT):
            raise ConfigError(
                f"the pool for {name!r} has a gate already: two gates would admit twice its size"
            )
        if size is None and pool.max_size < 1:
            raise ConfigError(f"the pool for {name!r} sets no limit ({kind.__name__}): give its gate a size")
        super().__init__(pool.max_size if size is None else size, gate, **options)
        self.pool = pool
        pool.__class__ = _gated(Lent(self._gate, kind))

    async def close(self, *, grace: float = 10.0) -> None:
        """Refuse everybody, then close the pool. Idempotent.

        Args:
            grace: Seconds for the pool's own work; connections that are in use are closed when they come back.
        """
        self._gate.close()
        await self.pool.close(timeout=grace)


_LENT = "quickwins_lent"


def _gated(lent: Lent) -> Any:
    """A kind of pool that lends through `lent`."""
    methods = {"getconn": _getconn, "putconn": _putconn, _LENT: lent}
    return type(f"Gated{lent.kind.__name__}", (lent.kind,), methods)
