"""The query cache's part in `QuickWins`: what is made here follows the flag of `[query_cache]`, live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from quickwins.core.errors import ConfigError
from quickwins.core.feature import close_together
from quickwins.query_cache.settings import QueryCacheSettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping
    from typing import Unpack

    from prometheus_client import CollectorRegistry

    from quickwins.core.clock import Clock
    from quickwins.core.flags import Flags, Snapshot
    from quickwins.query_cache import L1, Policy, QueryCache, Valkey


class QueryCacheOptions(TypedDict, total=False):
    """What `QueryCache` takes, as keywords; explained there."""

    policies: Mapping[str, Policy]
    principal: Callable[[Any], str | int | Awaitable[str | int | None] | None]
    l1: L1
    l2: Valkey
    shared_context: Collection[str]


class QueryCaches:
    """A `core.feature.Feature`: caches by name."""

    section = "query_cache"
    model = QueryCacheSettings

    def __init__(self, flags: Flags, *, registry: CollectorRegistry | None, clock: Clock | None) -> None:
        self._flags = flags
        self._registry = registry
        self._clock = clock
        self._made: dict[str, QueryCache] = {}
        self._left: dict[str, QueryCache] = {}
        """Of an earlier start: where an application is started again, it may have made them once."""

    def query_cache(self, *, name: str = "", **options: Unpack[QueryCacheOptions]) -> QueryCache:
        """A cache, with the section's bounds unless `l1` says others.

        Args:
            name: What it is called in metrics, and in a shared store.
            options: What `QueryCache` takes besides.

        Raises:
            ConfigError: There is one of that name, or an argument is wrong.
        """
        from quickwins.query_cache import QueryCache

        if name in self._made:
            raise ConfigError(f"there is a query cache {name!r} already: give each one a name of its own")
        settings = self._flags.snapshot.settings.section(self.section, self.model)
        options.setdefault("l1", settings.bounds())
        self._left.pop(name, None)
        made = self._made[name] = QueryCache(
            **options,
            name=name,
            flag=self._flags.flag(self.section),
            service=self._flags.snapshot.settings.service,
            registry=self._registry,
            clock=self._clock,
            secret=None if settings.secret is None else settings.secret.get_secret_value(),
        )
        return made

    def apply(self, snapshot: Snapshot) -> None:
        """Void what was stored before the flag went off: each request asks it, but there may be none meanwhile."""
        del snapshot
        for cache in (*self._left.values(), *self._made.values()):
            cache.desk.possible()

    async def close(self) -> None:
        """End what is under way, and let go of everything."""
        self._left, self._made = {**self._left, **self._made}, {}
        await close_together("query caches", (cache.close() for cache in self._left.values()))
