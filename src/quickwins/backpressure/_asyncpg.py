"""All that is read of asyncpg besides its public interface."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    import asyncpg


def in_use_of(connection: asyncpg.pool.PoolConnectionProxy) -> asyncio.Future[None] | None:
    """What is done when asyncpg has `connection` back, reset included; `None` when there is no telling.

    A task of our own around its release would tell, too, and costs as much as the whole gate.
    """
    try:
        in_use: asyncio.Future[None] | None = connection._holder._in_use  # noqa: SLF001 -- no public name; until=2028-05-31
    except AttributeError:
        return None
    return in_use


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
