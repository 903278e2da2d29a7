"""The shared store as one process uses it: what it owes to it, and what it still has to put there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from quickwins.query_cache._core.fences import Invalidation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quickwins.query_cache._store import Entry, Found, Store

MOST_PUTS = 256
"""How many answers wait to be put at most; those past it stay in this process alone."""
MOST_OWED = 1_000
"""How many invalidations wait to be told at most; past it everything is voided."""


class Shared:
    """A `Store`, subscribed to before its first use. One event loop."""

    def __init__(self, store: Store, told: Callable[[Invalidation], None], lost: Callable[[], None]) -> None:
        """Nothing is connected yet.

        Args:
            store: It.
            told: Gets what others void.
            lost: Called when something may have been missed.
        """
        self._store = store
        self._told = told
        self._lost = lost
        self._subscribed = False
        self._lock = asyncio.Lock()
        self._owed: list[Invalidation] = []
        self._puts: set[asyncio.Task[None]] = set()

    @property
    def hears(self) -> bool:
        """See `Store`."""
        return self._store.hears

    async def get(self, key: bytes) -> Found:
        """See `Store`; what this process has voided is told first."""
        if not self._subscribed:
            async with self._lock:
                await self._subscribe()
        if self._owed:
            await self.pay()
        return await self._store.get(key)

    async def _subscribe(self) -> None:
        if not self._subscribed:
            await self._store.subscribe(self._told, self._lost)
            self._subscribed = True

    @property
    def owes(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self._owed)

    def owe(self, invalidation: Invalidation) -> None:
        """Remember to tell it."""
        self._owed.append(invalidation)
        if len(self._owed) > MOST_OWED:
            self._owed = [Invalidation(everything=True)]

    async def pay(self) -> Sequence[Invalidation]:
        """Tell all that is owed; what was told. Cancelled, what was not told is still owed."""
        async with self._lock:
            owed = list(self._owed)
            if not owed:
                return ()
            await self._subscribe()  # a process that reads nothing has not come by there yet
            together = Invalidation(
                frozenset(mark for one in owed for mark in one.marks),
                tuple({prefix for one in owed for prefix in one.tag_prefixes}),
                any(one.everything for one in owed),
            )
            await self._store.invalidate(together)
            self._owed = [one for one in self._owed if not any(one is told for told in owed)]
            return (together,)

    def put_soon(self, entry: Entry, refused: Callable[[], None]) -> None:
        """Put `entry` while the request goes on; `refused` is called when its fence is over."""
        if len(self._puts) < MOST_PUTS:
            task = asyncio.create_task(self._put(entry, refused))
            self._puts.add(task)
            task.add_done_callback(self._puts.discard)

    async def _put(self, entry: Entry, refused: Callable[[], None]) -> None:
        if not await self._store.put(entry):
            refused()

    async def close(self) -> None:
        """Wait for what is being put, and close the store. It opens again when it is next asked, perhaps on another loop."""
        if self._puts:
            await asyncio.wait(self._puts)
        await self._store.close()
        self._subscribed = False
        self._lock = asyncio.Lock()
