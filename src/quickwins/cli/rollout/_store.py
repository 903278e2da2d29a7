"""Where ramps are kept: in a file beside the configuration, or in the database that `[rollout]` names."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from quickwins.core.config import ENV_PREFIX
from quickwins.core.dsn import password_of, place
from quickwins.core.errors import ConfigError, needs_extra
from quickwins.core.flags import SourceError
from quickwins.rollout import FileStore, PostgresStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from quickwins.cli._configuration import Configuration
    from quickwins.core.config import Layer
    from quickwins.rollout import Store

SECTION, KEY = "rollout", "store"
VARIABLE = f"{ENV_PREFIX}ROLLOUT__STORE"
SECONDS = 5.0
"""For a connection, and for each statement: a controller that waits for its store renews nothing meanwhile."""


def file_of(configuration: Configuration) -> Path:
    """The file of ramps beside `configuration`."""
    return configuration.path.with_name(configuration.path.name + ".rollout.json")


def url_of(configuration: Configuration) -> str:
    """The database of ramps; empty: they are in a file.

    A configuration that can't be read does not keep anybody from the file of ramps that is there.

    Raises:
        ConfigError: It is no address of PostgreSQL, has its password in a file, or can't be known. The message does not have it.
    """
    for layer in _layers(configuration):
        section = layer.values.get(SECTION)
        url = section.get(KEY) if isinstance(section, Mapping) else None
        if url:
            break
    else:
        return ""
    spelled = f"{layer.name}: {layer.spell(f'{SECTION}.{KEY}')}"
    if not isinstance(url, str) or not _is_postgres(url):
        raise ConfigError(f"{spelled}: not allowed: postgresql://USER@HOST/DATABASE is meant, or nothing")
    if password_of(url) and not layer.may_hold_secrets:
        raise ConfigError(f"{spelled}: a password does not belong in a file; set {VARIABLE} or PGPASSWORD")
    return url


def service_of(configuration: Configuration) -> str:
    """The name of the service, as much of the configuration as can be read."""
    named = (layer.values.get("service") for layer in _layers(configuration))
    return next((name for name in named if isinstance(name, str) and name), "")


def _layers(configuration: Configuration) -> Iterator[Layer]:
    """What the sources say, the strongest first."""
    for source in configuration.sources:
        try:
            source.read()
            layer = source.layer()
        except SourceError:
            if file_of(configuration).exists():
                continue
            raise
        yield layer


def _is_postgres(url: str) -> bool:
    try:
        parts = urlsplit(url)
        wrong_port = parts.port == 0
    except ValueError:
        return False
    return parts.scheme in {"postgres", "postgresql"} and not wrong_port


def where(configuration: Configuration) -> str:
    """For people."""
    url = url_of(configuration)
    return place(url) if url else str(file_of(configuration))


@asynccontextmanager
async def store_of(configuration: Configuration) -> AsyncIterator[Store]:
    """Where ramps are kept. Nothing is connected before the first use.

    Raises:
        ConfigError: See `url_of`.
        MissingExtraError: It is a database, and what connects to it is not installed.
    """
    url = url_of(configuration)
    if not url:
        yield FileStore(file_of(configuration))
        return
    with needs_extra("rollout"):
        import asyncpg
    async with asyncpg.create_pool(
        url,
        min_size=0,
        max_size=1,
        timeout=SECONDS,
        command_timeout=SECONDS,
        statement_cache_size=0,  # there may be a PgBouncer between
        server_settings={"application_name": "quickwins rollout"},
    ) as pool:
        yield PostgresStore(pool, service=service_of(configuration))
