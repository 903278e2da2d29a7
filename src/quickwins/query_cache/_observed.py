"""The request as resolvers get it: the same, but what is read of it is noted.

A read of a header or of one cookie becomes something that the answer varies on. What cannot be told apart (all headers at
once, the client's address, the session) keeps the answer from being stored; see `Reads`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from quickwins.core.errors import needs_extra
from quickwins.query_cache._execution import BODY, CLIENT, SCOPE, SESSION, USER, Reads
from quickwins.query_cache._watched import WatchedCookies, WatchedHeaders, WatchedParameters

with needs_extra("query-cache"):
    from cross_web import StarletteRequestAdapter
    from starlette.datastructures import Headers, QueryParams
    from starlette.requests import Request, cookie_parser

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from quickwins.core.asgi import Receive, Scope

_FRAMEWORKS = ("starlette.", "fastapi.", "strawberry.", "cross_web.", "quickwins.query_cache.")


class ObservedRequest(Request):
    """A request that notes what is read of it.

    Attributes:
        reads: The notes.
        shared: What the view keeps with the request.
        sub_response: The one that its context has.
    """

    def __init__(self, scope: Scope, receive: Receive, *more: Any) -> None:
        self.reads = Reads()
        self.shared: Any = None
        self.sub_response: Any = None
        super().__init__(scope, receive, *more)

    @property
    def scope(self) -> Scope:
        """The ASGI scope. Frameworks read it all the time; what an application reads in it can be anything."""
        reader = sys._getframe(1).f_globals.get("__name__", "")  # noqa: SLF001 -- who reads is the question; until=never
        if not reader.startswith(_FRAMEWORKS):
            self.reads.note(SCOPE)
        return self._own_scope

    @scope.setter
    def scope(self, scope: Scope) -> None:
        self._own_scope = scope

    @property
    def plain_scope(self) -> Scope:
        """The ASGI scope; nothing is noted."""
        return self._own_scope

    @property
    def headers(self) -> Headers:
        """See Starlette."""
        if not hasattr(self, "_noted_headers"):
            self._noted_headers = WatchedHeaders(self._own_scope, self.reads)
        return self._noted_headers

    @property
    def plain_headers(self) -> Headers:
        """The headers; nothing is noted."""
        if not hasattr(self, "_plain_headers"):
            self._plain_headers = Headers(scope=self._own_scope)
        return self._plain_headers

    @property
    def cookies(self) -> dict[str, str]:
        """See Starlette."""
        if not hasattr(self, "_noted_cookies"):
            self._noted_cookies = WatchedCookies(self.plain_cookies, self.reads)
        return self._noted_cookies

    @property
    def plain_cookies(self) -> dict[str, str]:
        """The cookies; nothing is noted."""
        return _cookies_in(self.plain_headers)

    def value_of(self, name: str) -> str | None:
        """What the request has for something that an answer varies on; nothing is noted."""
        return _value_in(self.plain_headers, name)

    def __getitem__(self, key: str) -> Any:
        self.reads.note(SCOPE)
        return self._own_scope[key]

    @property
    def client(self) -> Any:
        """See Starlette."""
        self.reads.note(CLIENT)
        return super().client

    @property
    def user(self) -> Any:
        """See Starlette."""
        self.reads.note(USER)
        return super().user

    @property
    def auth(self) -> Any:
        """See Starlette."""
        self.reads.note(USER)
        return super().auth

    @property
    def session(self) -> Any:
        """See Starlette."""
        self.reads.note(SESSION)
        return super().session

    @property
    def state(self) -> Any:
        """See Starlette."""
        self.reads.note(SESSION)
        return super().state

    @property
    def url(self) -> Any:
        """See Starlette; the host and the parameters of a GET are in it."""
        self.reads.note(CLIENT)
        return super().url

    @property
    def base_url(self) -> Any:
        """See Starlette."""
        self.reads.note(CLIENT)
        return super().base_url

    @property
    def query_params(self) -> Any:
        """See Starlette; it may have more than GraphQL's."""
        return WatchedParameters(dict(self.plain_query), self.plain_query, self.reads)

    @property
    def plain_query(self) -> QueryParams:
        """The parameters; nothing is noted."""
        return QueryParams(self._own_scope.get("query_string", b""))

    @property
    def path_params(self) -> dict[str, Any]:
        """See Starlette."""
        found: dict[str, Any] = self._own_scope.get("path_params", {})
        return WatchedParameters(found, QueryParams(), self.reads)

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """See Starlette; a body may have more than GraphQL's."""
        self.reads.note(BODY)
        async for chunk in super().stream():
            yield chunk

    async def body(self) -> bytes:
        """See Starlette."""
        self.reads.note(BODY)
        return await super().body()

    async def plain_body(self) -> bytes:
        """The body; nothing is noted."""
        with self.reads.unnoted():
            return await super().body()

    async def json(self) -> Any:
        """See Starlette."""
        self.reads.note(BODY)
        return await super().json()


class PlainAdapter(StarletteRequestAdapter):
    """A request as Strawberry itself reads it: these reads are not the application's."""

    def __init__(self, request: Any) -> None:
        super().__init__(request)
        self._observed = request if isinstance(request, ObservedRequest) else None
        if self._observed is not None:
            self._headers = self._observed.plain_headers

    @property
    def query_params(self) -> Any:
        """See Strawberry."""
        return super().query_params if self._observed is None else self._observed.plain_query

    async def get_body(self) -> bytes:
        """See Strawberry."""
        if self._observed is None:
            return await super().get_body()
        with self._observed.reads.unnoted():
            return await super().get_body()

    async def get_form_data(self) -> Any:
        """See Strawberry."""
        if self._observed is None:
            return await super().get_form_data()
        with self._observed.reads.unnoted():
            return await super().get_form_data()


def values_of(scope: Scope, names: Iterable[str]) -> tuple[str | None, ...]:
    """What a request has for each of these that an answer varies on; nothing is noted."""
    headers = Headers(scope=scope)
    return tuple(_value_in(headers, name) for name in names)


def _value_in(headers: Headers, name: str) -> str | None:
    if name.startswith("cookie:"):
        return _cookies_in(headers).get(name[len("cookie:") :])
    values = headers.getlist(name)
    return "\n".join(values) if values else None


def _cookies_in(headers: Headers) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in headers.getlist("cookie"):
        found.update(cookie_parser(one))
    return found
