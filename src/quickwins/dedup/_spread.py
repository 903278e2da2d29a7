"""Many events at a time, those of one key after each other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from quickwins.dedup._core.batch import Batch
    from quickwins.dedup.event import Event


async def spread(batch: Batch, handle: Callable[[Event], Awaitable[None]], concurrency: int) -> None:
    """Have each of the batch's events handled, and say in `batch` which were not.

    Behind an event that fails, those of its key are left undone. After it nothing else is begun, and what is in progress
    may end: it is done then, and remembered.

    Args:
        batch: Its `events` are handled; `undone` is kept up meanwhile, so that it is true when this is cancelled, too.
        handle: What to do with one.
        concurrency: How many at a time.
    """
    chains: dict[object, list[Event]] = {}
    for event in batch.events:
        chains.setdefault(_order(event), []).append(event)
    batch.singly, batch.undone = True, {event.record.offset for event in batch.events}
    failed: dict[int, Exception] = {}

    async def work(rest: Iterator[list[Event]]) -> None:
        for chain in rest:
            for event in chain:
                if failed:
                    return
                try:
                    await handle(event)
                except Exception as error:  # noqa: BLE001 -- of the service's handler; told once all have ended; until=never
                    failed[event.record.offset] = error
                    return
                batch.undone.discard(event.record.offset)

    rest = iter(chains.values())
    async with asyncio.TaskGroup() as group:
        for _ in range(min(concurrency, len(chains))):
            group.create_task(work(rest))
    if failed:
        batch.failure = failed[min(failed)]


def _order(event: Event) -> object:
    """Events with the same are handled after each other; without a key there is no order to keep."""
    key = event.record.key
    if key is None:
        return event.record.offset
    return key if isinstance(key, (bytes, str)) else repr(key)
