"""A refusal as HTTP says it, for any ASGI service: 503, `Retry-After`, and a body that programs can read.

    app.add_middleware(BackpressureMiddleware)                                        # Starlette, FastAPI
    app = BackpressureMiddleware(app, gate=Gate.queue(size=50, name="http"))          # with a gate at the edge

Inside it, a `PoolExhausted` that leaves the service before its response has begun becomes the answer. Frameworks turn
errors into a 500 of their own at their outermost layer: put it below that, as `add_middleware` does.

With a gate, each HTTP request takes a permit before the service sees it. It comes back when the response begins, so
that nobody who reads slowly, and no stream of events, holds one; websockets never take one.

Sources: RFC 9110, 10.2.3 and 15.6.4 (`Retry-After`, 503), RFC 6585, 4 (429), RFC 9457 (problem details), and the
GraphQL-over-HTTP draft, 6.3 and 6.4 (which media type may carry which status).
"""

from __future__ import annotations

import json
import math
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from quickwins.backpressure._deadline import deadline_in
from quickwins.backpressure.errors import PoolExhausted, refusal_in
from quickwins.backpressure.rule import Priority, RejectReason
from quickwins.core.errors import retry_after_header

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, MutableMapping

    from quickwins.backpressure._gate import Gate
    from quickwins.backpressure._permit import Permit

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

EXEMPT = ("/health", "/healthz", "/livez", "/readyz", "/metrics")
"""Paths that tell whether the service is alive: refusing them has a busy process restarted."""

LONGEST_DEADLINE_SECONDS = 3600.0
"""What a client may ask for at most; a header that says more says nothing."""

_TOO_MANY_REQUESTS = 429
_TITLES = {429: "Too Many Requests", 503: "Service Unavailable"}
_DETAILS = {
    429: "You have more requests in progress than your share while others wait.",
    503: "The service has as much work as it can do. Nothing was done; try again later.",
}
_GRAPHQL = b"application/graphql-response+json"


class BackpressureMiddleware:
    """Answers refusals; with a gate, refuses at the door. Pure ASGI: context variables and streams pass untouched."""

    def __init__(
        self,
        app: App,
        *,
        gate: Gate | None = None,
        exempt: Collection[str] = EXEMPT,
        graphql: Collection[str] = ("/graphql",),
        deadline_header: str | None = None,
        priority: Callable[[Scope], Priority] | None = None,
        tenant: Callable[[Scope], str | None] | None = None,
    ) -> None:
        """Put `app` behind it.

        Args:
            app: The service.
            gate: Bound (`size=`), for this edge alone; `None`: refusals of the service's own pools are answered, and
                nothing else.
            exempt: Paths that never need a permit.
            graphql: Paths whose clients read GraphQL errors instead of problem details.
            deadline_header: A request header with the seconds that its client waits, for the edge gate and every gate
                below it; `None`, the default: clients are not asked. Anything but a number up to an hour is ignored.
            priority: What a request is worth, by its scope; all are normal when `None`. Believe only what an
                authenticated caller says.
            tenant: Whose it is, by its scope; never logged or exported.
        """
        self._app = app
        self._gate = gate
        self._exempt = frozenset(exempt)
        self._graphql = frozenset(graphql)
        self._deadline_header = None if deadline_header is None else deadline_header.lower().encode("latin-1")
        self._priority = priority
        self._tenant = tenant

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        edge = _Edge(None if scope["path"] in self._exempt else self._gate, send)
        seconds = self._seconds_left(scope)
        try:
            with nullcontext() if seconds is None else deadline_in(seconds):
                if edge.gate is not None:
                    await edge.enter(
                        Priority.NORMAL if self._priority is None else self._priority(scope),
                        None if self._tenant is None else self._tenant(scope),
                    )
                await self._app(scope, receive, edge.send)
        except BaseException as raised:
            edge.leave(raised)
            refusal = refusal_in(raised)
            if refusal is None or edge.begun:
                raise
            await _answer(send, refusal, graphql_type=self._graphql_type(scope))
        else:
            edge.leave()

    def _seconds_left(self, scope: Scope) -> float | None:
        if self._deadline_header is None:
            return None
        text = _header(scope, self._deadline_header)
        try:
            seconds = math.nan if text is None else float(text)
        except ValueError:
            return None
        return seconds if seconds <= LONGEST_DEADLINE_SECONDS else None  # false for what is no number, too

    def _graphql_type(self, scope: Scope) -> bytes | None:
        """The media type of a GraphQL answer to this request; `None`: it wants no such answer."""
        accepts = _header(scope, b"accept") or b""
        if _GRAPHQL in accepts:
            return _GRAPHQL
        return b"application/json" if scope["path"] in self._graphql else None


class _Edge:
    """The permit of one request, and whether its response has begun."""

    __slots__ = ("_permit", "_send", "begun", "gate")

    def __init__(self, gate: Gate | None, send: Send) -> None:
        self.gate = gate
        self.begun = False
        self._permit: Permit | None = None
        self._send = send

    async def enter(self, priority: Priority, tenant: str | None) -> None:
        assert self.gate is not None
        permit = self.gate.permit(priority=priority, tenant=tenant)
        try:
            await permit.__aenter__()
        except TimeoutError as late:
            raise PoolExhausted("the deadline passed in line", reason=RejectReason.DEADLINE) from late
        self._permit = permit

    def leave(self, error: BaseException | None = None) -> None:
        permit, self._permit = self._permit, None
        if permit is not None:
            permit.end(error)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            self.leave()
        await self._send(message)


def _header(scope: Scope, name: bytes) -> bytes | None:
    """The last header of that name, in lower case as ASGI has it."""
    found: bytes | None = None
    for key, value in scope["headers"]:
        if key == name:
            found = value
    return found


async def _answer(send: Send, refusal: PoolExhausted, *, graphql_type: bytes | None) -> None:
    """Say no. Neither the pool's name nor its numbers are the client's business."""
    status = _TOO_MANY_REQUESTS if refusal.reason is RejectReason.TENANT else refusal.http_status
    headers = [(b"cache-control", b"no-store")]
    body: dict[str, object]
    extra: dict[str, object] = {}
    if refusal.retry_after_seconds is not None:
        after = retry_after_header(refusal.retry_after_seconds)
        headers.append((b"retry-after", after.encode()))
        extra["retryAfter"] = int(after)
    if graphql_type is None:
        content_type = b"application/problem+json"
        body = {
            "type": "about:blank",
            "title": _TITLES[status],
            "status": status,
            "detail": _DETAILS[status],
            "reason": refusal.reason,
            **extra,
        }
    else:
        content_type = graphql_type
        extensions = {"code": refusal.graphql_code, "reason": refusal.reason, **extra}
        body = {"errors": [{"message": _DETAILS[status], "extensions": extensions}]}
    content = json.dumps(body).encode()
    headers += [
        (b"content-type", content_type + b"; charset=utf-8"),
        (b"content-length", b"%d" % len(content)),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
