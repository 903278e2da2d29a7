"""GraphQL answers served again, never to somebody else, and never past an invalidation.

    cache = QueryCache(principal=lambda context: context["user_id"])
    schema = strawberry.Schema(Query, Mutation, extensions=[cache.extension])
    app = CachedGraphQL(schema, cache=cache)

Turn it off with `enabled = false` (or `killed = true`) under `[query_cache]`: the views are Strawberry's own then, and what was
stored is void.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.query_cache.asgi import CachedGraphQL
    from quickwins.query_cache.cache import QueryCache
    from quickwins.query_cache.control import Control, cache_control, invalidates
    from quickwins.query_cache.directive import CacheControl
    from quickwins.query_cache.fastapi import CachedGraphQLRouter
    from quickwins.query_cache.l1 import L1
    from quickwins.query_cache.middleware import QueryCacheMiddleware
    from quickwins.query_cache.policy import Policy
    from quickwins.query_cache.stats import CacheStats, Explanation, PolicyStats
    from quickwins.query_cache.stores.valkey import Valkey

__all__ = [
    "L1",
    "CacheControl",
    "CacheStats",
    "CachedGraphQL",
    "CachedGraphQLRouter",
    "Control",
    "Explanation",
    "Policy",
    "PolicyStats",
    "QueryCache",
    "QueryCacheMiddleware",
    "Valkey",
    "cache_control",
    "invalidates",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "CacheControl": "directive",
        "CacheStats": "stats",
        "CachedGraphQL": "asgi",
        "CachedGraphQLRouter": "fastapi",
        "Control": "control",
        "Explanation": "stats",
        "L1": "l1",
        "Policy": "policy",
        "PolicyStats": "stats",
        "QueryCache": "cache",
        "QueryCacheMiddleware": "middleware",
        "Valkey": "stores.valkey",
        "cache_control": "control",
        "invalidates": "control",
    },
)
