"""Strawberry's ASGI view, with a cache between its `get_context` and its executing.

app = CachedGraphQL(schema, cache=cache)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quickwins.core.errors import needs_extra
from quickwins.core.lazy import shows
from quickwins.query_cache._observed import ObservedRequest, PlainAdapter
from quickwins.query_cache._view import CachedView

with needs_extra("query-cache"):
    from cross_web import HTTPException
    from starlette.responses import PlainTextResponse
    from strawberry.asgi import GraphQL

if TYPE_CHECKING:
    from strawberry.schema import BaseSchema

    from quickwins.core.asgi import Receive, Scope, Send
    from quickwins.query_cache.cache import QueryCache

__all__ = ["CachedGraphQL"]
__dir__ = shows(__name__)


class CachedGraphQL(CachedView, GraphQL[Any, Any]):
    """Serves stored answers to those they were made for, after `get_context` has authenticated the request.

    Inherit from it as from Strawberry's view. While the flag is off it is that view.
    """

    request_adapter_class = PlainAdapter

    def __init__(self, schema: BaseSchema, *, cache: QueryCache, **options: Any) -> None:
        """Serve `schema`.

        Args:
            schema: A Strawberry schema, best with `extensions=[cache.extension]`, so that mutations over WebSockets void
                what they change, too.
            cache: Where answers are.
            options: What `strawberry.asgi.GraphQL` takes.

        Raises:
            ConfigError: A hint of the schema is wrong.
        """
        super().__init__(schema, **options)
        self._cached_by(cache)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http" or not self._cache.desk.possible():
            await super().__call__(scope, receive, send)
            return
        request = ObservedRequest(scope, receive)
        try:
            response = await self.run(request)
        except HTTPException as error:
            response = PlainTextResponse(
                error.reason, status_code=error.status_code, headers={"cache-control": "no-store"}
            )
        await response(scope, receive, send)
