"""Stored answers before anything of the application runs: the bytes of the request find the bytes of the response.

    app = QueryCacheMiddleware(CachedGraphQL(schema, cache=cache), cache=cache, path="/graphql", anonymous_ok=True)

It answers *before* the view authenticates. So it serves what is public only with `anonymous_ok=True`, or to a principal that
`principal=` has verified by the request itself; and what is private to that principal alone. All else goes to the application,
whose view says which of its answers were stored.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from quickwins.core.asgi import plain
from quickwins.core.contexts import leave
from quickwins.core.digest import digest
from quickwins.core.errors import ConfigError
from quickwins.core.lazy import shows
from quickwins.query_cache._desk import Owner
from quickwins.query_cache._headers import matches
from quickwins.query_cache._passed import PASSED, Passed

if TYPE_CHECKING:
    from quickwins.core.asgi import App, Message, Receive, Scope, Send
    from quickwins.query_cache._core.memory import Slot
    from quickwins.query_cache._desk import Principal
    from quickwins.query_cache._known import Known
    from quickwins.query_cache.cache import QueryCache

__all__ = ["QueryCacheMiddleware"]
__dir__ = shows(__name__)

MOST_BODY = 256 << 10
"""How much of a request's body is looked at, in bytes; a longer one goes to the application."""
_OURS = {b"content-type", b"content-length", b"cache-control", b"age", b"etag", b"vary"}
"""The headers of a response that can be stored: with any other one it is the application's alone."""
_JSON = re.compile(rb"\s*application/json\s*(;|\Z)", re.IGNORECASE)
_NOBODY = Owner(None, None)


class _Ready:
    """What is sent for one stored answer, made once for each second of its age."""

    __slots__ = ("age", "headers", "known", "vary")

    def __init__(self, known: Known) -> None:
        self.known = known
        self.vary = known.vary
        self.age = -1
        self.headers: list[tuple[bytes, bytes]] = []


class _Request:
    """What one pass over a request's headers has found."""

    __slots__ = ("body", "if_none_match", "method", "owner")

    def __init__(self, method: str, if_none_match: bytes | None) -> None:
        self.method = method
        self.if_none_match = if_none_match
        self.body = b""
        self.owner = _NOBODY


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
        self._memory = cache.desk.serving.memory
        self._hits = cache.desk.serving.counts.hits
        self._now = cache.desk.now
        self._path = plain(path, "")
        self._anonymous_ok = anonymous_ok
        self._principal = principal
        self._vary: dict[bytes, tuple[str, ...]] = {}

    def __repr__(self) -> str:
        return f"<QueryCacheMiddleware at {self._path} around {type(self._app).__name__}>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http" or not self._is_ours(scope) or not self._desk.possible():
            await self._app(scope, receive, send)
            return
        request = _look_at(scope)
        if request is None:
            await self._app(scope, receive, send)
            return
        first: Message = {}
        if request.method == "POST":
            first = await receive()
            if first["type"] != "http.request" or first.get("more_body") or len(first["body"]) > MOST_BODY:
                await self._app(scope, _replayed(first, receive), send)
                return
            request.body = first["body"]
        else:
            request.body = scope["query_string"]
        if self._principal is not None:
            request.owner = await self._desk.owner_by(self._principal, scope)
        slot = self._find(scope, request) if self._desk.serves(request.owner) else None
        if slot is not None:
            await self._answer(slot, request, send)
            return
        if first:
            receive = _replayed(first, receive)
        if request.owner.failed or request.method == "HEAD":
            await self._app(scope, receive, send)
        else:
            await self._pass(scope, receive, send, request)

    def _is_ours(self, scope: Scope) -> bool:
        path: str = scope["path"]
        return path == self._path or plain(path, scope.get("root_path", "")) == self._path

    def _find(self, scope: Scope, request: _Request) -> Slot | None:
        """What is stored for `request`, as far as it may have it."""
        owner = request.owner.pseudonym
        if owner is None and not self._anonymous_ok:
            return None
        method = "POST" if request.method == "POST" else "GET"
        values: tuple[str | None, ...] = ()
        if self._vary and (names := self._vary.get(digest(request.body))) is not None:
            values = _values(scope, names)
        for whose in ("",) if owner is None else ("", owner):
            slot = self._memory.get_alias((self, method, whose, request.body, values))
            if slot is not None and self._may_have(slot, whose):
                return slot
        return None

    def _may_have(self, slot: Slot, whose: str) -> bool:
        entry, ready = slot.entry, slot.start
        return (
            ready is not None
            and self._now() - entry.stored_at < entry.ttl_seconds
            # Its document may have been seen to be private, or to vary on more, since it was stored.
            and ready.known.vary is ready.vary
            and (entry.scope == "PRIVATE") == bool(whose)
            and ready.known.private == bool(whose)
        )

    async def _answer(self, slot: Slot, request: _Request, send: Send) -> None:
        entry, ready = slot.entry, slot.start
        self._hits[entry.policy, "l1"] += 1
        age = int(self._now() - entry.stored_at)
        if ready.age != age:
            said = self._desk.serving.said(slot, is_new=False)
            ready.headers = [
                (b"content-type", entry.content_type.encode()),
                (b"content-length", str(len(entry.body)).encode()),
                *((name.encode(), value.encode()) for name, value in said.headers()),
            ]
            ready.age = age
        # Of their own for each response: what is outside of this may change them.
        headers = list(ready.headers)
        body, status = entry.body, 200
        if request.method != "POST":
            asked = request.if_none_match
            if asked is not None and matches(entry.etag, asked.decode("latin-1")):
                headers, status = headers[2:], 304
            if status != 200 or request.method == "HEAD":  # noqa: PLR2004 -- the one above; until=never
                body = b""
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _pass(self, scope: Scope, receive: Receive, send: Send, request: _Request) -> None:
        """Have the application answer, and remember which stored answer it was."""
        seen = _Seen(send)
        passed = Passed()
        token = PASSED.set(passed)
        try:
            await self._app(scope, receive, seen)
        finally:
            leave(PASSED, token)
        if len(passed.served) == 1 and seen.is_plain:
            slot, known, owner = passed.served[0]
            if seen.body == slot.entry.body:
                self._remember(scope, request, slot, known, owner)

    def _remember(self, scope: Scope, request: _Request, slot: Slot, known: Known, owner: str | None) -> None:
        whose = ""
        if slot.entry.scope == "PRIVATE":
            if owner is None or owner != request.owner.pseudonym:
                return
            whose = owner
        if tuple(slot.entry.vary) != known.vary:
            return
        values: tuple[str | None, ...] = ()
        if known.vary:
            if len(self._vary) >= MOST_VARYING:
                self._vary.clear()
            self._vary[digest(request.body)] = known.vary
            values = _values(scope, known.vary)
        if slot.start is None or slot.start.vary is not known.vary:
            slot.start = _Ready(known)
        size = len(request.body) + sum(len(value or "") for value in values)
        self._memory.name(slot, (self, request.method, whose, request.body, values), size)


MOST_VARYING = 1_000
"""How many requests are remembered by what they vary on."""


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


def _look_at(scope: Scope) -> _Request | None:
    """One pass over the headers; `None`: not a request that can be answered here."""
    method: str = scope["method"]
    is_json = method != "POST"
    if is_json and method not in {"GET", "HEAD"}:
        return None
    if not is_json and scope.get("query_string"):
        return None
    if_none_match = None
    for name, value in scope["headers"]:
        if name == b"content-type":
            is_json = is_json or value == b"application/json" or _JSON.match(value) is not None
        elif name == b"if-none-match":
            if_none_match = value
        elif name == b"accept":
            if b"multipart" in value or b"event-stream" in value or (b"html" in value and method == "GET"):
                return None
        elif name in {b"content-encoding", b"range"}:
            return None
    return _Request(method, if_none_match) if is_json else None


def _values(scope: Scope, names: tuple[str, ...]) -> tuple[str | None, ...]:
    """What a request has for what an answer varies on, as the view reads it."""
    from quickwins.query_cache._observed import ObservedRequest

    async def nothing() -> Any:
        return None

    request = ObservedRequest(scope, nothing)
    return tuple(request.value_of(name) for name in names)


def _replayed(first: Message, receive: Receive) -> Receive:
    """`receive`, which gives `first` again."""
    left: list[Message] = [first]

    async def again() -> Message:
        return left.pop() if left else await receive()

    return again
