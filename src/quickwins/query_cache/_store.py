"""What an answer is in a store, and what the cache asks of a store that processes share (L2).

Fences and marks are explained in `_core/fences.py`. A store that is not there never fails a request: its methods raise
nothing but `CancelledError`, and say that it is not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry

    from quickwins.core.clock import Chance, Clock
    from quickwins.query_cache._core.fences import Fence, Invalidation
    from quickwins.query_cache.policy import Scope


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored answer. Immutable, and shared by all who are served it.

    Attributes:
        key: The digest of `material`, at least 16 bytes.
        material: All that the key was made of, length-prefixed, identities and values of headers as pseudonyms. Whoever
            reads an entry compares it: a digest alone is no proof.
        body: The bytes of the answer, `{"data": ...}`.
        content_type: Of the response.
        etag: The entity tag, quoted, `W/"..."`.
        policy: The name of the policy that applied.
        scope: Whose it is.
        vary: The names of what it varied on, as in `Policy.vary`.
        marks: What it depends on.
        fence: The reading of *this* store's order, before its execution began.
        stored_at: When its execution ended, in monotonic seconds of this process's clock. A shared store keeps the age
            instead, and makes this of it when it reads: no two machines compare their clocks.
        ttl_seconds: How long it is fresh from then on, jitter included.
        stale_while_revalidate_seconds: How much longer it is served while it is renewed.
        stale_if_error_seconds: How much longer (than fresh) it is served when executing fails.
    """

    key: bytes
    material: bytes
    body: bytes
    content_type: str
    etag: str
    policy: str
    scope: Scope
    vary: tuple[str, ...]
    marks: tuple[str, ...]
    fence: Fence
    stored_at: float
    ttl_seconds: float
    stale_while_revalidate_seconds: float = 0.0
    stale_if_error_seconds: float = 0.0

    @property
    def kept_seconds(self) -> float:
        """How long after `stored_at` a store keeps it at most."""
        return self.ttl_seconds + max(self.stale_while_revalidate_seconds, self.stale_if_error_seconds)


@dataclass(frozen=True, slots=True)
class Found:
    """What a shared store says about a key.

    Attributes:
        entry: A valid one, its `stored_at` on this process's clock; `None`: there is none.
        fence: The store's order, read in the same step: what an execution that begins now is put with. `None`: the store
            is not there, nothing can be put.
    """

    entry: Entry | None
    fence: Fence | None


class BreakerState(StrEnum):
    """Whether a shared store is asked."""

    CLOSED = "closed"
    """It is."""
    HALF_OPEN = "half_open"
    """One request tries."""
    OPEN = "open"
    """It is not: it failed, and has some time to recover."""


class Store(Protocol):
    """A store of one namespace that processes share. Belongs to one event loop."""

    @property
    def state(self) -> BreakerState:
        """Whether it is asked now."""
        ...

    @property
    def hears(self) -> bool:
        """Whether this process is told what others void. While it is not, it may keep nothing in its own memory."""
        ...

    async def get(self, key: bytes) -> Found:
        """The entry under `key`, judged by its fence, and the store's order, in one round trip.

        Waits no longer than the store's timeout. `material` is compared by the caller.
        """
        ...

    async def put(self, entry: Entry) -> bool:
        """Store `entry` until `kept_seconds` after its `stored_at`, unless its fence is over.

        Returns: Whether it is stored. `False` is a refusal, or the store is not there.
        """
        ...

    async def invalidate(self, invalidation: Invalidation) -> Fence | None:
        """Void what `invalidation` names, for all processes, and tell those that subscribe; the new order.

        `None`: the store is not there. It has then remembered, within a bound (past it: everything), what it could not
        void, and voids that before it answers `get` or `put` again: no answer comes back from before an outage.
        """
        ...

    async def subscribe(self, invalidated: Callable[[Invalidation], None], lost: Callable[[], None]) -> None:
        """Tell this process what others void. Called once, before the first `get`; reconnects by itself.

        Args:
            invalidated: Gets each invalidation, this process's own as well or not, as it is easier. Never raises.
            lost: Called as soon as something may have been missed: the subscription ended, or has been silent for too
                long. `get` says that the store is not there until there is a new one. Called then again, before `hears`
                is seen: what has begun meanwhile may have missed something, too. Never raises.
        """
        ...

    async def close(self) -> None:
        """Close the connections and end the tasks. Idempotent."""
        ...


class SharedStore(Protocol):
    """What `QueryCache(l2=...)` takes: how to reach a store, such as `Valkey`. Nothing is connected yet."""

    def open(
        self,
        namespace: str,
        *,
        clock: Clock,
        rng: Chance,
        service: str,
        name: str,
        registry: CollectorRegistry | None,
    ) -> Store:
        """The store of `namespace`; connects at its first use.

        Args:
            namespace: `service` and `name`, and nothing else that releases differ in.
            clock: For everything that waits or measures, and for `Entry.stored_at`.
            rng: For jitter.
            service: For metrics and events.
            name: The cache's, for metrics and events.
            registry: For metrics.
        """
        ...
