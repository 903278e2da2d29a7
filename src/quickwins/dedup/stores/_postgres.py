"""What stores in PostgreSQL share: their pool, their tables, their transactions."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from quickwins.core.errors import ConfigError, Rejected, needs_extra

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_BOUND = "SELECT set_config('idle_in_transaction_session_timeout', $1, true)"


def checked_pool(store: str, pool: Any) -> Any:
    """`pool`, when it is one.

    Raises:
        ConfigError: It is none.
    """
    if not hasattr(pool, "acquire"):
        raise ConfigError(f"{store} takes an asyncpg pool or a GatedPool, not a {type(pool).__name__}")
    return pool


def checked_takeover(seconds: float) -> float:
    """`seconds`, when they are 1 to 3,600.

    Raises:
        ConfigError: They are not.
    """
    if not 1 <= seconds <= 3_600:  # noqa: PLR2004 -- as documented; until=never
        raise ConfigError(f"takeover_seconds must be 1 to 3600, not {seconds!r}")
    return seconds


async def make(pool: Any, table: str, schema: str) -> None:
    """Make the tables of `schema` where `table`, its last one, is missing.

    Raises:
        ConfigError: The role may not; the message has the statements to run by somebody who may.
    """
    with needs_extra("dedup"):
        import asyncpg
    async with pool.acquire() as connection:
        if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", table):
            return
        try:
            # Two that do this at once would meet in the catalogue.
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock(hashtext('quickwins.dedup'))")
                await connection.execute(schema)
        except asyncpg.InsufficientPrivilegeError as error:
            raise ConfigError(
                f"the role may not make the tables of deduplication. Have them made by one that may:\n{schema}"
            ) from error


@asynccontextmanager
async def bounded(pool: Any, idle_seconds: float) -> AsyncIterator[Any]:
    """A transaction that the server ends when it does nothing for `idle_seconds`, as that of a process that was stopped."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_BOUND, f"{idle_seconds * 1000:.0f}ms")
        yield connection


def transient(error: BaseException) -> bool:
    """Whether `error` says that the database was away, too busy or in conflict, which no event is to blame for."""
    from asyncpg import exceptions as pg

    return isinstance(
        error,
        (
            pg.PostgresConnectionError,
            pg.TransactionRollbackError,  # 40001, 40P01
            pg.OperatorInterventionError,  # it shuts down, or somebody ended the session
            pg.InsufficientResourcesError,
            pg.IdleInTransactionSessionTimeoutError,
            pg.LockNotAvailableError,
            pg.InterfaceError,
            Rejected,  # of the pool's gate
            ConnectionError,  # refused, or reset
        ),
    )
