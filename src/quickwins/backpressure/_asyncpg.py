"""All that is read of asyncpg besides its public interface."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    import asyncpg


in_use_of: Callable[[asyncpg.pool.PoolConnectionProxy], asyncio.Future[None]] = attrgetter("_holder._in_use")
"""What is done when asyncpg has a connection back, reset included; an `AttributeError` when there is no telling.

A task of our own around its release would tell, too, and costs as much as the whole gate.
"""


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
