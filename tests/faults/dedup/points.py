"""Places at which a consumer's process can be ended or stopped, around its store, its database and its broker.

They wrap what the library is given (a pool, a consumer, a handler): nothing in the library knows of them.
"""

from __future__ import annotations

import os
import signal
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quickwins.dedup import ValkeyClaims

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from quickwins.dedup import Context, Event
    from quickwins.dedup.stores._base import Place
    from quickwins.dedup.stores._claims import Claim, Claimed, Hold

POINTS = {
    "state": (
        "before taking",
        "after taking",
        "before the transaction",
        "before the handler",
        "amid the handler",
        "after the handler",
        "after the cursor",
        "before the commit",
        "after the commit",
        "before telling kafka",
        "after telling kafka",
    ),
    "inbox": (
        "before taking",
        "after taking",
        "before making a table",
        "after making a table",
        "before the transaction",
        "before the ids",
        "after the ids",
        "before the handler",
        "amid the handler",
        "before the commit",
        "after the commit",
        "before telling kafka",
        "after telling kafka",
        "before noting what kafka knows",
        "after noting what kafka knows",
        "before forgetting",
        "after forgetting",
    ),
    "claims": (
        "before taking",
        "after taking",
        "before the claim",
        "after the claim",
        "before the handler",
        "amid the handler",
        "after the effect",
        "after the done",
        "before telling kafka",
        "after telling kafka",
    ),
}
"""Of each strategy, in the order in which a batch comes by."""


@dataclass
class Points:
    """Ends or stops this process when it comes by `name` for the `nth` time."""

    name: str = ""
    nth: int = 1
    action: signal.Signals = signal.SIGKILL
    seen: dict[str, int] = field(default_factory=dict)

    def reach(self, name: str) -> None:
        """This process is at `name` now."""
        assert any(name in points for points in POINTS.values()), name
        self.seen[name] = self.seen.get(name, 0) + 1
        if name == self.name and self.seen[name] == self.nth:
            os.kill(os.getpid(), self.action)


class Pool:
    """A pool whose connections come by the points."""

    def __init__(self, pool: Any, points: Points) -> None:
        self._pool = pool
        self._points = points

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        async with self._pool.acquire() as connection:
            yield _Connection(connection, self._points)


_AROUND = {
    "mine.epoch + 1": ("before taking", "after taking"),
    "UPDATE quickwins.dedup_cursors": ("after the handler", "after the cursor"),
    "INSERT INTO quickwins.dedup_inbox": ("before the ids", "after the ids"),
    "ATTACH PARTITION": ("before making a table", "after making a table"),
    "UPDATE quickwins.dedup_stream_partitions": (
        "before noting what kafka knows",
        "after noting what kafka knows",
    ),
    "DROP TABLE": ("before forgetting", "after forgetting"),
}
"""By a part of their text: the points before and after a statement."""


class _Connection:
    def __init__(self, connection: Any, points: Points) -> None:
        self._connection = connection
        self._points = points

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def fetchrow(self, query: str, *args: Any) -> Any:
        return await self._between(self._connection.fetchrow, query, args)

    async def fetchval(self, query: str, *args: Any) -> Any:
        return await self._between(self._connection.fetchval, query, args)

    async def fetch(self, query: str, *args: Any) -> Any:
        return await self._between(self._connection.fetch, query, args)

    async def execute(self, query: str, *args: Any) -> Any:
        return await self._between(self._connection.execute, query, args)

    async def _between(self, method: Callable[..., Awaitable[Any]], query: str, args: tuple[Any, ...]) -> Any:
        around = next((points for part, points in _AROUND.items() if part in query), None)
        if around is not None:
            self._points.reach(around[0])
        answer = await method(query, *args)
        if around is not None:
            self._points.reach(around[1])
        return answer

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        self._points.reach("before the transaction")
        async with self._connection.transaction():
            yield
            self._points.reach("before the commit")
        self._points.reach("after the commit")


class WatchedClaims(ValkeyClaims):
    """Claims that come by the points."""

    def __init__(self, url: str, points: Points, **options: Any) -> None:
        super().__init__(url, **options)
        self._points = points

    async def hold(self, place: Place, *, alone: bool = False) -> Hold:
        self._points.reach("before taking")
        hold = await super().hold(place, alone=alone)
        self._points.reach("after taking")
        return hold

    async def claim(self, hold: Hold, claims: Sequence[Claim]) -> list[Claimed]:
        self._points.reach("before the claim")
        found = await super().claim(hold, claims)
        self._points.reach("after the claim")
        return found

    async def complete(self, hold: Hold, claims: Sequence[Claim]) -> bool:
        self._points.reach("after the effect")
        ours = await super().complete(hold, claims)
        self._points.reach("after the done")
        return ours


def handler(
    apply: Callable[[Sequence[Event], Context], Awaitable[None]], points: Points
) -> Callable[[Sequence[Event], Context], Awaitable[None]]:
    """`apply` in two halves, with points around and between."""

    async def passing(events: Sequence[Event], ctx: Context) -> None:
        points.reach("before the handler")
        middle = len(events) // 2
        await apply(events[:middle], ctx)
        points.reach("amid the handler")
        await apply(events[middle:], ctx)

    return passing


def telling(consumer: Any, points: Points) -> Any:
    """A consumer whose commits come by the points."""

    class Telling:
        def __getattr__(self, name: str) -> Any:
            return getattr(consumer, name)

        async def commit(self, offsets: Any) -> None:
            points.reach("before telling kafka")
            await consumer.commit(offsets)
            points.reach("after telling kafka")

    return Telling()
