"""The private names that the room reads of asyncpg: a release of it that renames one is to be noticed here."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from asyncpg.pool import Pool, PoolConnectionHolder, PoolConnectionProxy

from quickwins.backpressure import GatedPool
from quickwins.backpressure._asyncpg import in_use_of, is_lost, lending
from quickwins.backpressure.testing import FakePool


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


class Unconnected(Pool):  # type: ignore[misc]  # -- asyncpg has no types here; until=never
    """asyncpg's own, without a server."""

    def __init__(self) -> None:
        pass


class Traced(Unconnected):
    """One whose acquisitions somebody counts."""

    def acquire(self, *, timeout: float | None = None) -> Any:
        return "counted", timeout


class CountingPool(FakePool):
    """A pool that no name of asyncpg's is looked for in."""

    acquired = 0

    def acquire(self, *, timeout: float | None = None) -> Any:
        self.acquired += 1
        return super().acquire(timeout=timeout)


def test_asyncpgs_own_pool_is_asked_without_the_object_around_the_asking() -> None:
    pool = Unconnected()
    assert lending(pool) == pool._acquire


def test_a_pool_with_an_acquire_of_its_own_is_asked_by_it() -> None:
    answer: Any = lending(Traced())(2.0)
    assert answer == ("counted", 2.0)


def test_a_pool_that_a_tracer_has_wrapped_is_asked_by_the_wrapper(monkeypatch: pytest.MonkeyPatch) -> None:
    def traced(pool: Pool, *, timeout: float | None = None) -> Any:
        return "traced", timeout

    monkeypatch.setattr(Pool, "acquire", traced)
    answer: Any = lending(Unconnected())(None)
    assert answer == ("traced", None)


@pytest.mark.asyncio
async def test_a_gated_pool_uses_the_acquire_that_its_pool_has() -> None:
    pool = CountingPool(1)
    async with GatedPool(pool).acquire():
        assert pool.acquired == 1
