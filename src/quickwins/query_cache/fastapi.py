"""Strawberry's router for FastAPI, with a cache between the dependencies and the executing.

app.include_router(CachedGraphQLRouter(schema, cache=cache, context_getter=get_context), prefix="/graphql")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quickwins.core.errors import needs_extra
from quickwins.core.lazy import shows
from quickwins.query_cache._observed import ObservedRequest, PlainAdapter
from quickwins.query_cache._view import CachedView

with needs_extra("query-cache"):
    from fastapi.routing import APIRoute
    from strawberry.fastapi import GraphQLRouter

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.requests import Request
    from starlette.responses import Response
    from strawberry.schema import BaseSchema

    from quickwins.query_cache.cache import QueryCache

__all__ = ["CachedGraphQLRouter"]
__dir__ = shows(__name__)


class CachedGraphQLRouter(CachedView, GraphQLRouter[Any, Any]):
    """Serves stored answers to those they were made for, after `context_getter` and all dependencies.

    Inherit from it as from Strawberry's router. While the flag is off it is that router.
    """

    request_adapter_class = PlainAdapter

    def __init__(self, schema: BaseSchema, *, cache: QueryCache, **options: Any) -> None:
        """Serve `schema`.

        Args:
            schema: As for `CachedGraphQL`.
            cache: Where answers are.
            options: What `strawberry.fastapi.GraphQLRouter` takes.

        Raises:
            ConfigError: A hint of the schema is wrong.
        """
        options.setdefault("route_class", _watching(cache, options.pop("route_class", APIRoute)))
        super().__init__(schema, **options)
        self._cached_by(cache)


def _watching(cache: QueryCache, route: type[APIRoute]) -> type[APIRoute]:
    """A class of routes whose requests note what is read of them."""

    class Watching(route):  # type: ignore[valid-type, misc]  # -- whichever class the application has; until=never
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle: Callable[[Request], Coroutine[Any, Any, Response]] = super().get_route_handler()

            async def watched(request: Request) -> Response:
                if not cache.desk.possible():
                    return await handle(request)
                return await handle(ObservedRequest(request.scope, request.receive))

            return watched

    return Watching
