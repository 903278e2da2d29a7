"""The query cache as a caller writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_type

import strawberry
from strawberry.types import Info

import quickwins
from quickwins import QuickWins
from quickwins.core.events import (
    CACHE_INVALIDATION_UNTOLD,
    CACHE_PRINCIPAL_FAILED,
    CACHE_STORE_BACK,
    CACHE_STORE_LOST,
)
from quickwins.core.events import Event as Fact
from quickwins.query_cache import (
    L1,
    CacheControl,
    CachedGraphQL,
    CachedGraphQLRouter,
    CacheStats,
    Control,
    Explanation,
    Policy,
    PolicyStats,
    QueryCache,
    QueryCacheMiddleware,
    Valkey,
    cache_control,
    invalidates,
)
from quickwins.query_cache.lint import Finding, lint

if TYPE_CHECKING:
    from quickwins.core.asgi import App

POLICIES = {"FEED": Policy(ttl_seconds=10.0, scope="PRIVATE", vary=["accept-language"])}


@strawberry.type(directives=[CacheControl(max_age=30, inherit_max_age=None)])
class User:
    id: strawberry.ID
    name: str


def user(info: Info, key: strawberry.ID) -> User:
    assert_type(cache_control(info).restrict(max_age=5).tag("cart:9").no_store(), Control)
    return User(id=key, name="")


@invalidates("User", id=lambda args, result: args["key"], lists=["Query.users"], tags=["a"], tag_prefix="b")
async def rename(key: strawberry.ID, name: str) -> User:
    return User(id=key, name=name)


async def whose(context: Any) -> str | None:
    name: str = context["user"]
    return name


async def used(schema: strawberry.Schema) -> tuple[App, CachedGraphQLRouter]:
    async with QueryCache(
        policies=POLICIES, principal=whose, l1=L1(max_bytes=1 << 20), name="feed", secret="s"
    ) as cache:
        assert_type(cache.stats(), CacheStats)
        policies: dict[str, PolicyStats] = dict(cache.stats().policies)
        assert_type(policies["FEED"].hit_rate, float)
        assert_type(cache.explain("{ user { id } }", {"a": 1}), Explanation)
        await cache.invalidate(types=["User"], entities=[("User", 1)], lists=["Query.users"], tags=["t"])
        await cache.invalidate(tag_prefix="user:42:", principal=42)
        app: App = QueryCacheMiddleware(
            CachedGraphQL(schema, cache=cache),
            cache=cache,
            path="/graphql",
            principal=lambda scope: scope["user"],
        )
        app = QueryCacheMiddleware(app, cache=cache, anonymous_ok=True)
        return app, CachedGraphQLRouter(schema, cache=cache, prefix="/graphql")


NUMBERED = QueryCache(principal=lambda context: 7)
SHARED = QueryCache(l2=Valkey("redis://127.0.0.1:6379", timeout_seconds=0.02), secret="s")
FACTS: tuple[Fact, ...] = (
    CACHE_INVALIDATION_UNTOLD,
    CACHE_PRINCIPAL_FAILED,
    CACHE_STORE_BACK,
    CACHE_STORE_LOST,
)


def linted(schema: strawberry.Schema) -> list[Finding]:
    return [*lint(schema, POLICIES), Finding("Query.me", "words")]


def wired(qw: QuickWins) -> quickwins.query_cache.QueryCache:
    return qw.query_cache(name="feed", policies=POLICIES, principal=whose, shared_context=["pool"])
