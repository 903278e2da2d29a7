"""Stored answers before anything of the application runs: the bytes of the request find the bytes of the response.

    app = QueryCacheMiddleware(CachedGraphQL(schema, cache=cache), cache=cache, path="/graphql", anonymous_ok=True)

It answers *before* the view authenticates. So it serves what is public only with `anonymous_ok=True`, or to a principal that
`principal=` has verified by the request itself; and what is private to that principal alone. All else goes to the application,
whose view says which of its answers were stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.asgi import plain
from quickwins.core.contexts import leave
from quickwins.core.errors import ConfigError
from quickwins.core.lazy import shows
from quickwins.query_cache._desk import Owner
from quickwins.query_cache._passed import PASSED, Passed
from quickwins.query_cache._raw import MOST_BODY, Raw, RawAnswers, look_at

if TYPE_CHECKING:
    from quickwins.core.asgi import App, Message, Receive, Scope, Send
    from quickwins.query_cache._desk import Principal
    from quickwins.query_cache.cache import QueryCache

__all__ = ["QueryCacheMiddleware"]
__dir__ = shows(__name__)

_OURS = {b"content-type", b"content-length", b"cache-control", b"age", b"etag", b"vary"}
"""The headers of a response that can be stored: with any other one it is the application's alone."""
_NOBODY = Owner(None, None)


class QueryCacheMiddleware:
    """Pure ASGI. Put it inside of what adds headers to responses, such as CORS, and outside of the application.

    While the flag is off every request goes to the application.
    """

    def __init__(
        self,
        app: App,
        *,
        cache: QueryCache,
        path: str = "/graphql",
        anonymous_ok: bool = False,
        principal: Principal | None = None,
    ) -> None:
        """Put `app` behind it.

        Args:
            app: With a `CachedGraphQL` or a `CachedGraphQLRouter` of the same cache in it.
            cache: Where answers are.
            path: Where that view is, below the application's root path.
            anonymous_ok: Whether everybody may see what is public, before the application has looked at the request.
            principal: Gets the ASGI scope; whose the request is, once that is verified (a token's signature, a session).
                It must say of a request what the cache's own `principal` says, or nothing. `None`: nobody's.

        Raises:
            ConfigError: Neither of the two is given: then nothing could ever be served.
        """
        if not anonymous_ok and principal is None:
            raise ConfigError("QueryCacheMiddleware serves nothing without anonymous_ok=True or principal=")
        self._app = app
        self._desk = cache.desk
        self._answers = RawAnswers(cache.desk.serving)
        self._now = cache.desk.now
        self._path = plain(path, "")
        self._anonymous_ok = anonymous_ok
        self._principal = principal

    def __repr__(self) -> str:
        return f"<QueryCacheMiddleware at {self._path} around {type(self._app).__name__}>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if (
            scope["type"] != "http"
            or (scope["path"] != self._path and not self._is_below(scope))
            or not self._desk.possible()
        ):
            await self._app(scope, receive, send)
            return
        raw = look_at(scope)
        if raw is None:
            await self._app(scope, receive, send)
            return
        first: Message = {}
        if raw.method == "POST":
            first = await receive()
            if first["type"] != "http.request" or first.get("more_body") or len(first["body"]) > MOST_BODY:
                await self._app(scope, _replayed(first, receive), send)
                return
            raw.content = first["body"]
        owner = _NOBODY
        if self._principal is not None:
            owner = await self._desk.owner_by(self._principal, scope)
        if (self._anonymous_ok or owner.pseudonym is not None) and self._desk.serves(owner):
            now = self._now()
            slot = self._answers.find(scope, raw, owner.pseudonym, now)
            if slot is not None:
                status, headers, body = self._answers.answer(slot, raw, now)
                await send({"type": "http.response.start", "status": status, "headers": headers})
                await send({"type": "http.response.body", "body": body})
                return
        if first:
            receive = _replayed(first, receive)
        if owner.failed or raw.method == "HEAD":
            await self._app(scope, receive, send)
        else:
            await self._pass(scope, receive, send, raw, owner)

    def _is_below(self, scope: Scope) -> bool:
        return plain(scope["path"], scope.get("root_path", "")) == self._path

    async def _pass(self, scope: Scope, receive: Receive, send: Send, raw: Raw, owner: Owner) -> None:
        """Have the application answer, and remember which stored answer it was."""
        seen = _Seen(send)
        passed = Passed()
        token = PASSED.set(passed)
        try:
            await self._app(scope, receive, seen)
        finally:
            leave(PASSED, token)
        if len(passed.served) == 1 and seen.is_plain:
            slot, known, its_owner = passed.served[0]
            # What is private and not this middleware's own principal's is nobody's here.
            mine = its_owner if its_owner == owner.pseudonym else None
            if seen.body == slot.entry.body:
                self._answers.remember(scope, raw, slot, known, mine)


class _Seen:
    """A `send` that looks at what is sent."""

    __slots__ = ("_send", "body", "is_plain")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.is_plain = False
        self.body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            names = {bytes(name).lower() for name, _ in message.get("headers", ())}
            self.is_plain = message["status"] == 200 and names <= _OURS  # noqa: PLR2004 -- OK; until=never
        elif message["type"] == "http.response.body":
            self.is_plain = self.is_plain and not message.get("more_body") and not self.body
            self.body = message.get("body", b"")
        else:
            self.is_plain = False
        await self._send(message)


def _replayed(first: Message, receive: Receive) -> Receive:
    """`receive`, which gives `first` again."""
    left: list[Message] = [first]

    async def again() -> Message:
        return left.pop() if left else await receive()

    return again
