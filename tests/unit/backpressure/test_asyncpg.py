"""The private names that the room reads of asyncpg: a release of it that renames one is to be noticed here."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from asyncpg.pool import PoolConnectionHolder, PoolConnectionProxy

from quickwins.backpressure._asyncpg import in_use_of, is_lost


@pytest.mark.parametrize(
    ("owner", "name"),
    [(PoolConnectionProxy, "_con"), (PoolConnectionProxy, "_holder"), (PoolConnectionHolder, "_in_use")],
)
def test_the_installed_asyncpg_has_it(owner: type, name: str) -> None:
    assert name in owner.__slots__  # type: ignore[attr-defined]  # -- both classes have slots; until=never


@pytest.mark.asyncio
async def test_a_connection_tells_when_the_pool_has_it_back_as_long_as_the_names_are_there() -> None:
    back = asyncio.get_running_loop().create_future()
    held: Any = SimpleNamespace(_holder=SimpleNamespace(_in_use=back))
    given_back: Any = SimpleNamespace(_holder=None)
    assert in_use_of(held) is back
    with pytest.raises(AttributeError):
        in_use_of(given_back)


def test_a_proxy_without_its_connection_is_lost() -> None:
    without: Any = SimpleNamespace(_con=None)
    complete: Any = SimpleNamespace(_con=SimpleNamespace(is_closed=lambda: False))
    assert is_lost(without)
    assert not is_lost(complete)


def test_a_connection_that_is_no_proxy_says_itself_whether_it_is_lost() -> None:
    connection: Any = SimpleNamespace(is_closed=lambda: True)
    assert is_lost(connection)
