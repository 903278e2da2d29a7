"""One configuration, everything wired: what a service makes once at its start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from quickwins.backpressure.wiring import Backpressure
from quickwins.channels.wiring import Channels
from quickwins.core.feature import Features, sections_of
from quickwins.core.flags.asgi import PinMiddleware
from quickwins.dedup.wiring import Dedup
from quickwins.indexes.wiring import Indexes
from quickwins.logs.wiring import Logs
from quickwins.query_cache.wiring import QueryCaches
from quickwins.rollout.settings import RolloutSettings
from quickwins.suppressions.wiring import Suppressions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Unpack

    import grpc
    from prometheus_client import CollectorRegistry
    from psycopg_pool import AsyncConnectionPool
    from sqlalchemy.ext.asyncio import AsyncEngine

    from quickwins.backpressure import Gate, GatedInPlace, GatedPool
    from quickwins.backpressure.wiring import AsyncpgPool, DoorOptions
    from quickwins.channels import RotatingChannel
    from quickwins.channels.wiring import ChannelOptions
    from quickwins.core.asgi import App, Scope
    from quickwins.core.clock import Clock
    from quickwins.core.config import Section
    from quickwins.core.feature import Feature
    from quickwins.dedup import Deduplicator
    from quickwins.dedup.wiring import DedupOptions
    from quickwins.indexes import Runner
    from quickwins.logs import Pipeline
    from quickwins.query_cache import QueryCache
    from quickwins.query_cache.wiring import QueryCacheOptions

SECTIONS: Mapping[str, type[Section]] = {
    **sections_of(Backpressure, Channels, Dedup, Indexes, Logs, QueryCaches, Suppressions),
    "rollout": RolloutSettings,
}
"""Every section of `quickwins.toml` and its model."""


class QuickWins(Features):
    """All features of one service, under one live configuration.

    Belongs to one event loop. Use it as `async with`: entering starts following the configuration, leaving closes the pools
    that were given here and puts back what the application logged with. It may be entered again. A process may have several:
    its logging and the bridge for its warnings follow the first that turns them on, and then the next one.
    """

    sections = SECTIONS

    def make(self, registry: CollectorRegistry | None, clock: Clock | None) -> Sequence[Feature]:
        """All rooms, in the order in which they are applied; closed the other way round. See `Features`."""
        self._logs = Logs(self.flags, registry=registry, clock=clock)
        self._backpressure = Backpressure(
            self.flags, registry=registry, clock=clock, trace=self._logs.trace_ids()
        )
        self._channels = Channels(self.flags, registry=registry, clock=clock, trace=self._logs.grpc_metadata)
        self._dedup = Dedup(self.flags, registry=registry, clock=clock)
        self._indexes = Indexes(self.flags, registry=registry, clock=clock)
        self._query_caches = QueryCaches(self.flags, registry=registry, clock=clock)
        self._suppressions = Suppressions(self.flags, registry=registry, clock=clock)
        # Logging first, so that it is closed last: what the others say at their end is still written.
        features: list[Feature] = [self._logs, self._backpressure, self._channels, self._dedup]
        return [*features, self._indexes, self._query_caches, self._suppressions]

    @property
    def log_pipeline(self) -> Pipeline | None:
        """What log lines go through, to flush it in tests; `None` before `[logs]` is on, or while another has it."""
        return self._logs.pipeline

    # Told by what they have: of a library that isn't installed, or has no types, a class would be anything to a type checker.
    @overload
    def pool(self, pool: AsyncpgPool, *, name: str) -> GatedPool: ...
    @overload
    def pool(
        self, pool: AsyncEngine | AsyncConnectionPool[Any], *, name: str, size: int | None = None
    ) -> GatedInPlace: ...
    def pool(self, pool: Any, *, name: str, size: int | None = None) -> GatedPool | GatedInPlace:
        """`pool` behind a gate that follows `[backpressure.names.<name>]`, else `[backpressure]`; leaving closes it.

        asyncpg's pool is used through what is returned; SQLAlchemy's engine and psycopg_pool's pool as before.
        """
        return self._backpressure.pool(pool, name=name, size=size)

    def gate(self, *, name: str, size: int) -> Gate:
        """A gate that follows the file as `pool` does, for anything else: a door, an HTTP client, Redis, `size` threads."""
        return self._backpressure.gate(name=name, size=size)

    def index_runner(self, dsn: str | None = None, *, name: str = "") -> Runner:
        """A runner of index migrations that follows `[indexes]`; it changes nothing while that is off."""
        return self._indexes.runner(dsn, name=name)

    def channel(self, target: str, *, name: str, **options: Unpack[ChannelOptions]) -> RotatingChannel:
        """A gRPC channel that follows `[channels.names.<name>]`, else `[channels]`, and takes traces along; leaving closes it."""
        return self._channels.channel(target, name=name, **options)

    def dedup(self, *, group: str, **options: Unpack[DedupOptions]) -> Deduplicator:
        """A deduplicator for a consumer group: each change event takes effect once; leaving stops it."""
        return self._dedup.dedup(group=group, **options)

    def query_cache(self, *, name: str = "", **options: Unpack[QueryCacheOptions]) -> QueryCache:
        """A cache of GraphQL answers for `CachedGraphQL` or `CachedGraphQLRouter`; leaving closes it."""
        return self._query_caches.query_cache(name=name, **options)

    def asgi(
        self,
        app: App,
        *,
        gate: Gate | None = None,
        trusted: bool | Callable[[Scope], bool] = False,
        key: Callable[[Scope], str | None] | None = None,
        **door: Unpack[DoorOptions],
    ) -> App:
        """`app` with a log line for each request, answers for refusals, and `gate` at the door, each obeying its flag.

        `trusted` are those whose traces are continued; `key` gives what a percentage is one of, users or tenants, as
        `PinMiddleware` takes it (by default 5 % are 5 % of the requests); `door` is for `BackpressureMiddleware`.
        """
        logged = self._logs.asgi(self._backpressure.asgi(app, gate=gate, **door), trusted=trusted)
        return PinMiddleware(logged, self.flags, key=key)

    def grpc_interceptors(
        self,
        *,
        gate: Gate | None = None,
        trusted: bool | Callable[[grpc.HandlerCallDetails], bool] = False,
        key: Callable[[grpc.HandlerCallDetails], str | None] | None = None,
    ) -> list[grpc.aio.ServerInterceptor]:
        """What `asgi` puts around an application, for `grpc.aio.server(interceptors=qw.grpc_interceptors())`."""
        from quickwins.core.flags.grpc import PinInterceptor

        inner = self._logs.grpc_interceptor(trusted), self._backpressure.grpc_interceptor(gate)
        return [PinInterceptor(self.flags, key=key), *inner]

    def grpc_client_interceptors(self) -> list[grpc.aio.ClientInterceptor]:
        """For channels of `grpc.aio`: traces go on to the servers."""
        return [*self._logs.grpc_client_interceptors()]

    def strawberry_extensions(self) -> list[Any]:
        """For `strawberry.Schema(extensions=[..., *qw.strawberry_extensions()])`: operations on lines, refusals as errors."""
        return [self._backpressure.strawberry_extension(), self._logs.strawberry_extension()]
