"""What stores in PostgreSQL share: their pool, their tables, their transactions."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from quickwins.core.digest import digest
from quickwins.core.errors import ConfigError, Rejected, needs_extra
from quickwins.core.given import wrong

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from quickwins.core.clock import Clock
    from quickwins.dedup.stores._base import Place

_BOUND = "SELECT set_config('idle_in_transaction_session_timeout', $1, true)"
_BOUND_MINE = f"{_BOUND}, pg_advisory_xact_lock_shared(hashtext('quickwins.dedup.batch'), hashtext($2))"
"""Says as well whose batch a session is in; nobody waits for it."""
_WHOSE = """
SELECT pid FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 2 AND pid <> pg_backend_pid()
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND classid = (hashtext('quickwins.dedup.batch')::bigint & 4294967295)::oid
  AND objid = (hashtext($1)::bigint & 4294967295)::oid
"""
_LOOK_SECONDS = 0.05


def checked_pool(store: str, pool: Any) -> Any:
    """`pool`, when it is one.

    Raises:
        ConfigError: It isn't one.
    """
    if not hasattr(pool, "acquire"):
        raise wrong(f"{store}'s pool", pool, "an asyncpg pool or a GatedPool")
    return pool


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
async def bounded(pool: Any, idle_seconds: float, place: Place | None = None) -> AsyncIterator[Any]:
    """A transaction that the server ends when it does nothing for `idle_seconds`, as that of a process that was stopped.

    Args:
        pool: Where to get a connection from.
        idle_seconds: See above.
        place: Whose batch it is, so that `oust` finds it.
    """
    async with pool.acquire() as connection, connection.transaction():
        limit = f"{idle_seconds * 1000:.0f}ms"
        if place is None:
            await connection.execute(_BOUND, limit)
        else:
            await connection.execute(_BOUND_MINE, limit, _name(place))
        yield connection


async def oust(pool: Any, place: Place, seconds: float, clock: Clock) -> None:
    """Wait for batches of `place` that others have begun, and end their sessions after `seconds`.

    They can't have an effect any more, but may hold locks. A session whose process was stopped while a statement was being
    prepared is not idle to the server, which would wait for the rest of it for ever.
    """
    from asyncpg.exceptions import InsufficientPrivilegeError

    until = clock.monotonic() + seconds
    while True:
        async with pool.acquire() as connection:
            pids = [row["pid"] for row in await connection.fetch(_WHOSE, _name(place))]
            if not pids:
                return
            if clock.monotonic() >= until:
                for pid in pids:
                    try:
                        await connection.execute("SELECT pg_terminate_backend($1)", pid)
                    except InsufficientPrivilegeError:
                        return  # it is of another role: those who wait for its locks say so
                return
        await clock.sleep(_LOOK_SECONDS)


def _name(place: Place) -> str:
    return digest(place.group, place.cluster, place.topic, b"%d" % place.partition).hex()


def transient(error: BaseException) -> bool:
    """Whether `error` says that the database was away, too busy or in conflict, which no event is to blame for."""
    from asyncpg import exceptions as pg

    # A pooler gives the session that prepared a statement to somebody else; or the statement's tables were changed.
    about_statements = (
        pg.InvalidSQLStatementNameError,
        pg.DuplicatePreparedStatementError,
        pg.InvalidCachedStatementError,
    )
    return isinstance(
        error,
        (
            pg.PostgresConnectionError,
            pg.TransactionRollbackError,  # 40001, 40P01
            pg.OperatorInterventionError,  # it shuts down, or somebody ended the session
            pg.InsufficientResourcesError,
            pg.IdleInTransactionSessionTimeoutError,
            pg.LockNotAvailableError,
            *about_statements,
            pg.InterfaceError,
            pg.InternalClientError,  # the server has said that it ends the session, and its connection has not ended yet
            Rejected,  # of the pool's gate
            ConnectionError,  # refused, or reset
        ),
    )
