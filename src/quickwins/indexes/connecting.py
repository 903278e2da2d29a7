"""Sessions of our own: no time-outs but ours, a name of their own, and no password in what they say."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, parse_qsl, urlsplit

from quickwins.core.dsn import clean, place
from quickwins.core.errors import ConfigError, needs_extra
from quickwins.indexes._core.preconditions import Precondition
from quickwins.indexes.errors import Blocked, BuildFailed

with needs_extra("indexes"):
    import asyncpg

    from quickwins.core.asyncpg_errors import FAILED

if TYPE_CHECKING:
    from collections.abc import Iterator

APPLICATION = "quickwins indexes"
CHECK_INTERVAL = "2s"
"""How soon the server notices that we are gone: without it a build goes on for a killed runner."""
CONNECT_SECONDS = 10.0
_GONE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 60_000}
"""How the system notices within a minute that the server's machine is gone, which a failover doesn't tell: a build waits in silence."""
_OURS = {
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
    "default_transaction_read_only": "off",
    "client_connection_check_interval": CHECK_INTERVAL,
}
"""Roles and databases may set others. `lock_timeout` fires in the wait phases of a build too, and leaves it INVALID."""
_ONE_CORE = {
    "max_parallel_maintenance_workers": "0",
    # From PostgreSQL 18 on: else I/O workers read ahead for the build, and copy what the kernel has; the kernel reads ahead anyway.
    "effective_io_concurrency": "0",
    "maintenance_io_concurrency": "0",
}
"""A build takes one core and no more: what it gains by others, those who write meanwhile lose."""
_LIBPQ = frozenset(
    {
        "channel_binding",
        "connect_timeout",
        "gssencmode",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "load_balance_hosts",
    }
)
"""Parameters of the addresses that providers show, which are libpq's own: no server knows them."""
LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # of a session whose end the server has said, before its connection has ended
    asyncpg.OperatorInterventionError,
    OSError,
)
"""What a call raises when its session is gone (`QueryCanceledError`, one of them, is not about that)."""


def ended(error: BaseException | None) -> bool:
    """Whether `error` says that its session is over: the driver knows only once the connection has ended, too."""
    return isinstance(error, asyncpg.InternalClientError) or (
        isinstance(error, asyncpg.PostgresError) and error.severity_en in {"FATAL", "PANIC"}
    )


async def connect(
    dsn: str | None, *, what: str = "", builds: bool = False, database_only: bool = False
) -> asyncpg.Connection:
    """A session.

    Args:
        dsn: Where; `None`: the `PG*` variables, a service or a password file say so. `PGOPTIONS` counts, too.
        what: Added to its application name.
        builds: It is to build, on one core.
        database_only: Keep the role's own settings.

    Raises:
        ConfigError: The DSN cannot be read, or asks for what the driver cannot do.
        BuildFailed: There is no connection; the message has no password.
    """
    address, seconds = _for_the_driver(dsn)
    try:
        connection = await asyncpg.connect(
            address,
            timeout=seconds,
            statement_cache_size=0,
            server_settings={
                "application_name": " ".join(filter(None, (APPLICATION, what))),
                **_options(dsn),
            },
        )
    except (ValueError, asyncpg.ClientConfigurationError) as error:
        raise ConfigError(f"the DSN cannot be read: {clean(str(error), dsn)}") from None
    except (OSError, *FAILED) as error:
        shown = clean(str(error) or type(error).__name__, dsn)
        raise BuildFailed(f"no connection to {place(dsn)}: {shown}") from None
    _notice_its_end(connection)
    if not database_only:
        try:
            await _set(connection, _OURS | _ONE_CORE if builds else _OURS)
        except BaseException:
            connection.terminate()
            raise
    return connection


def _for_the_driver(dsn: str | None) -> tuple[str | None, float]:
    """`dsn` without what libpq alone knows, which the driver would send to the server as settings; and how long to wait.

    Raises:
        ConfigError: It asks for what the driver cannot do.
    """
    scheme = (dsn or "").partition("://")[0]
    if scheme.startswith(("postgresql+", "postgres+")):
        raise ConfigError(
            f"the DSN is SQLAlchemy's: leave {scheme.partition('+')[2]!r} and the + before it out"
        )
    before, mark, query = (dsn or "").partition("?")
    asked = {name: value for name, value in parse_qsl(query) if name in _LIBPQ}
    if asked.get("channel_binding") == "require":
        raise ConfigError(
            "the driver cannot do channel_binding=require: leave it out of the DSN, and say sslmode=verify-full"
        )
    kept = "&".join(one for one in query.split("&") if one.partition("=")[0] not in asked)
    try:
        seconds = int(asked.get("connect_timeout", 0))
    except ValueError:
        raise ConfigError(f"connect_timeout={asked['connect_timeout']!r}: say whole seconds") from None
    return (before + mark * bool(kept) + kept if asked else dsn), seconds if seconds > 0 else CONNECT_SECONDS


def _notice_its_end(connection: asyncpg.Connection) -> None:
    """Have the system look whether the server's machine is still there; where it can't, nothing is done."""
    with suppress(AttributeError, OSError):
        opened = connection._transport.get_extra_info("socket")  # noqa: SLF001 -- asyncpg has no option for it; until=never
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _GONE.items():
            if hasattr(socket, name):  # not every system has them all
                opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


async def _set(connection: asyncpg.Connection, settings: dict[str, str]) -> None:
    with named():
        for name, value in settings.items():
            # Not every version has them all, and not every platform can check a client's socket.
            with suppress(asyncpg.UndefinedObjectError, asyncpg.InvalidParameterValueError):
                await connection.execute(f"SET {name} = '{value}'")


def _options(dsn: str | None) -> dict[str, str]:
    """What `PGOPTIONS` says, which the driver doesn't read: a search path there decides which table is meant."""
    asked = os.environ.get("PGOPTIONS", "")
    return {} if not asked or (dsn and "options" in parse_qs(urlsplit(dsn).query)) else {"options": asked}


@contextmanager
def named() -> Iterator[None]:
    """Give what goes wrong with a session beside the migration's own statements a name of ours.

    Raises:
        Blocked: Our role may not do or see something.
        BuildFailed: The session is lost, or the server refuses something else.
    """
    try:
        yield
    except asyncpg.InsufficientPrivilegeError as error:
        raise Blocked(f"{Precondition.PERMISSIONS}: {error}", reason=Precondition.PERMISSIONS) from error
    except (*LOST, asyncpg.PostgresError) as error:
        raise BuildFailed(f"{type(error).__name__}: {error}") from error
