"""All that is read of asyncpg besides its public interface."""

from __future__ import annotations

from operator import attrgetter
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    import asyncpg


in_use_of: Callable[[asyncpg.pool.PoolConnectionProxy], asyncio.Future[None]] = attrgetter("_holder._in_use")
"""What is done when asyncpg has a connection back, reset included; an `AttributeError` when there is no telling.

A task of our own around its release would tell, too, and costs as much as the whole gate.
"""


def lending(pool: asyncpg.Pool) -> Callable[[float | None], Awaitable[Any]]:
    """What gives a connection of `pool` within so many seconds: what its `acquire` awaits, without the object around it.

    That object alone is a third of what a gate would add to an acquisition. Where `acquire` is not asyncpg's own, as in a
    subclass or under a tracer, it is called instead.
    """
    own = getattr(pool.acquire, "__func__", None)
    if type(own) is FunctionType and own.__globals__.get("__name__") == "asyncpg.pool":
        inner: Callable[[float | None], Awaitable[Any]] | None = getattr(pool, "_acquire", None)
        if inner is not None:
            return inner
    return lambda timeout: pool.acquire(timeout=timeout)


def is_lost(connection: asyncpg.pool.PoolConnectionProxy) -> bool:
    """Whether `connection` was closed, by the server or by anybody else."""
    try:
        raw = connection._con  # noqa: SLF001 -- `is_closed` raises on a proxy that is detached; until=never
    except AttributeError:
        raw = connection  # no proxy
    return raw is None or bool(raw.is_closed())


def twice() -> Exception:
    """What asyncpg raises when an acquisition is used again."""
    from asyncpg import InterfaceError

    error: Exception = InterfaceError("a connection is already acquired")
    return error
