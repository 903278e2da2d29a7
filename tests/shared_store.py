"""A shared store of the query cache, its entries, and what it tells its process."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from random import Random

from prometheus_client import CollectorRegistry

from quickwins.core.clock import Clock, SystemClock
from quickwins.query_cache._core.fences import (
    Fence,
    Invalidation,
    entity,
    of_list,
    of_principal,
    of_type,
    tag,
)
from quickwins.query_cache._store import BreakerState, Entry
from quickwins.query_cache.stores.valkey import Valkey, ValkeyStore
from tests.eventually import eventually

PATIENT_SECONDS = 5.0
"""A timeout that a busy machine keeps: for what is not about time."""

TRIES = 10

USER_1 = entity("User", "1")
MARKS = (USER_1, of_type("User"), of_list("Query.users"), tag("user:42:cart"), of_principal("5f0c"))


@dataclass
class Process:
    """One process's view of the shared store."""

    store: ValkeyStore
    clock: Clock
    heard: list[Invalidation] = field(default_factory=list)
    times_lost: int = 0

    async def there(self) -> None:
        await eventually(lambda: self.store.state is BreakerState.CLOSED, self.store)

    async def away(self) -> None:
        await eventually(lambda: self.store.state is not BreakerState.CLOSED, self.store)

    async def fence(self) -> Fence:
        found = await self.store.get(b"?" * 16)
        assert found.fence is not None, self.store
        return found.fence

    async def entry(self, key: bytes = b"k" * 16, marks: Sequence[str] = MARKS, body: bytes = b"{}") -> Entry:
        """An answer whose execution began and ended just now."""
        return Entry(
            key=key,
            material=b"material",
            body=body,
            content_type="application/json",
            etag='W/"1"',
            policy="SEARCH",
            scope="PRIVATE",
            vary=("accept-language", "cookie:theme"),
            marks=tuple(marks),
            fence=await self.fence(),
            stored_at=self.clock.monotonic(),
            ttl_seconds=600.0,
            stale_while_revalidate_seconds=5.0,
            stale_if_error_seconds=7.0,
        )

    async def stored(self, key: bytes = b"k" * 16, marks: Sequence[str] = MARKS) -> Entry:
        entry = await self.entry(key, marks)
        assert await self.store.put(entry), self.store
        return entry

    async def has(self, key: bytes = b"k" * 16) -> bool:
        """Whether it is there; asked again when a busy machine has made the store too slow to say."""
        for _ in range(TRIES):
            found = await self.store.get(key)
            if found.fence is not None:
                return found.entry is not None
            await self.there()
        raise AssertionError(self.store)

    def lost(self) -> None:
        self.times_lost += 1


def voiding(*marks: str) -> Invalidation:
    return Invalidation(frozenset(marks))


def some_namespace() -> str:
    return f"test:{secrets.token_hex(6)}"


@asynccontextmanager
async def process(
    url: str,
    namespace: str,
    *,
    timeout_seconds: float = PATIENT_SECONDS,
    heartbeat_seconds: float = 1.0,
    clock: Clock | None = None,
) -> AsyncIterator[Process]:
    """A process that is connected; one that can't be is given up by whoever waits for it."""
    clock = clock or SystemClock()
    config = Valkey(url, timeout_seconds=timeout_seconds, heartbeat_seconds=heartbeat_seconds)
    store = config.open(
        namespace, clock=clock, rng=Random(1), service="test", name="", registry=CollectorRegistry()
    )
    made = Process(store, clock)
    await store.subscribe(made.heard.append, made.lost)
    try:
        yield made
    finally:
        await store.close()


def without_time(entry: Entry) -> Entry:
    return replace(entry, stored_at=0.0)
