from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.engines import Server, Servers, apart, execute
from tests.index_database import TABLE, Database


@pytest.fixture(scope="module")
def server(servers: Servers) -> Iterator[Server]:
    """A server for this file alone, with prepared transactions."""
    made = servers.own("postgres")
    apart(execute(made.url, "ALTER SYSTEM SET max_prepared_transactions = 5"))
    made.restart()
    yield made
    made.stop()


@pytest.fixture
def database(server: Server, tmp_path: Path) -> Iterator[Database]:
    """An empty database with the table."""
    name = f"test_{secrets.token_hex(6)}"
    apart(execute(server.url, f'CREATE DATABASE "{name}"'))
    made = Database(urlsplit(server.url)._replace(path=f"/{name}").geturl(), tmp_path)
    made.run(TABLE)
    yield made
    apart(execute(server.url, f'DROP DATABASE "{name}" WITH (FORCE)'))
