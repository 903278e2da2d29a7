"""Flights: one execution that several wait for. See rule 5 in `_core/fences.py`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable
    from typing import Any

_T = TypeVar("_T")


class Flight(Generic[_T]):
    """One execution under way.

    Attributes:
        key: What it may be joined under.
        task: It.
        waiting: How many wait for it, the one who began it among them.
        orphaned: Whether the one who began it has left: what it uses of that request may be gone.
    """

    __slots__ = ("key", "orphaned", "task", "waiting")

    def __init__(self, key: Hashable, task: asyncio.Task[_T]) -> None:
        self.key = key
        self.task = task
        self.waiting = 0
        self.orphaned = False


class Flights(Generic[_T]):
    """The flights of one cache, on one event loop.

    Attributes:
        joined: How many have waited for somebody else's.
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, Flight[_T]] = {}
        self.joined = 0

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, key: object) -> bool:
        return key in self._flights

    def get(self, key: Hashable) -> Flight[_T] | None:
        """The one that may be joined under `key`; one that has just landed may not, for its joiner would not have waited."""
        flight = self._flights.get(key)
        return None if flight is None or flight.task.done() else flight

    async def lead(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Begin one, and wait for it. Others may join until it lands; leaving ends it when nobody else waits."""
        flight = self._flights[key] = Flight(key, asyncio.create_task(work()))
        flight.task.add_done_callback(lambda _: self._landed(flight))
        try:
            return await self._wait(flight)
        except asyncio.CancelledError:
            flight.orphaned = True
            raise

    async def join(self, flight: Flight[_T]) -> _T:
        """Wait for one that is under way."""
        self.joined += 1
        return await self._wait(flight)

    async def _wait(self, flight: Flight[_T]) -> _T:
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                # Nobody is left to wait for it: it ends as an execution of one request does. Whoever comes now must not
                # join what is about to be cancelled.
                self._forget(flight)
                flight.task.cancel()
                await asyncio.wait((flight.task,))

    def _forget(self, flight: Flight[_T]) -> None:
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]

    def _landed(self, flight: Flight[_T]) -> None:
        self._forget(flight)
        if not flight.task.cancelled():
            flight.task.exception()  # so that one that nobody waits for any more is not reported as lost

    async def close(self) -> None:
        """End all of them."""
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
