"""A refusal as HTTP says it, for any ASGI service: 503, `Retry-After`, and a body that programs can read.

    app.add_middleware(BackpressureMiddleware)                                        # Starlette, FastAPI
    app = BackpressureMiddleware(app, gate=Gate.queue(size=50, name="http"))          # with a gate at the edge

A refusal, such as a `PoolExhausted`, that leaves the service before its response has begun becomes the answer; so does the
refusal of a gRPC backend that says when to come back. Where a framework answers errors itself, its 500 after a refusal
becomes the answer too: the middleware may stand inside or outside.

With a gate, each HTTP request takes a permit before the service sees it. The permit comes back when the response begins,
so that slow readers and streams of events hold none. WebSockets never take one; a refusal that leaves one answers its
handshake, where the server lets it, or closes it with 1013, "try again later".

Sources: RFC 9110, 10.2.3 and 15.6.4 (`Retry-After`, 503), RFC 6585, 4 (429), RFC 9457 (problem details), and the
GraphQL-over-HTTP draft, 6.3 and 6.4 (which media type may carry which status), the registry of WebSocket close codes (1013), and
the ASGI extension "WebSocket Denial Response".
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
from collections import deque
from contextlib import nullcontext
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from quickwins.backpressure._gate import at_door
from quickwins.backpressure.errors import CallerGone
from quickwins.backpressure.rule import Priority
from quickwins.core.asgi import EXEMPT, REFUSED, header, plain, plainly
from quickwins.core.contexts import leave
from quickwins.core.deadline import within
from quickwins.core.edge import REQUEST, Refused
from quickwins.core.errors import Answer, Rejected, answer, refusal_in
from quickwins.core.events import DOOR_QUESTION_FAILED, Reporter
from quickwins.core.given import application, function, texts
from quickwins.core.lazy import shows

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from quickwins.backpressure._gate import Gate
    from quickwins.backpressure._permit import Permit
    from quickwins.core.asgi import App, Message, Receive, Scope, Send
    from quickwins.core.clock import Clock

__all__ = [
    "EXEMPT",
    "KEPT_BYTES",
    "LONGEST_DEADLINE_SECONDS",
    "MESSAGE_BYTES",
    "TRY_AGAIN_LATER",
    "BackpressureMiddleware",
]
__dir__ = shows(__name__)

LONGEST_DEADLINE_SECONDS = 3600.0
"""What a client may ask for at most; a header that says more says nothing."""

KEPT_BYTES = 1 << 16
MESSAGE_BYTES = 1 << 10
"""How much of a request is read while it waits in line, to notice that its client has gone, and what each message counts
beside its body: a server that always has another one must not be asked for ever."""

TRY_AGAIN_LATER = 1013
"""The close code of a WebSocket that was accepted before something was refused."""

_T = TypeVar("_T")
_HANDSHAKE = "websocket.http.response"
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
        clock: Clock | None = None,
    ) -> None:
        """Put `app` behind the middleware.

        Args:
            app: The service.
            gate: Bound (`size=`), for this edge alone; `None`: refusals of the service's own pools are answered, and
                nothing else.
            exempt: Paths that never need a permit, with a slash at the end or without. Those that tell whether the service is alive must be among them, or
                a busy process is restarted.
            graphql: Paths whose clients read GraphQL errors instead of problem details.
            deadline_header: A request header with the seconds that its client waits, for the edge gate and every gate
                below it; `None`, the default: clients are not asked. Anything but a number up to an hour is ignored.
            priority: What a request is worth, by its scope; all are normal when `None`, and those that it fails on. Believe
                only what an authenticated caller says.
            tenant: Whose it is, by its scope; never logged or exported. A request that it fails on is nobody's.
            clock: For deadlines; the one that the gates read. The system's when `None`.

        Raises:
            ConfigError: `gate` is none, or not bound; or something else is not what it should be.
        """
        self._app = application(app)
        self._gate = at_door(gate)
        self._exempt = plainly("exempt", exempt)
        self._graphql = plainly("graphql", graphql)
        self._deadline_header = _in_scopes(deadline_header)
        self._priority = function("priority", priority, of="the scope of a request")
        self._tenant = function("tenant", tenant, of="the scope of a request")
        self._clock = clock
        self._reporter = Reporter()
        self._failed: set[str] = set()

    def __repr__(self) -> str:
        gate = "without a gate" if self._gate is None else f"with {self._gate}"
        return f"<BackpressureMiddleware around {type(self._app).__name__}, {gate}>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            serve = self._session if scope["type"] == "websocket" else self._app
            await serve(scope, receive, send)
            return
        response = _Response(scope, send)
        seconds = self._seconds_left(scope)
        token = REQUEST.set(response.refused)
        try:
            with nullcontext() if seconds is None else within(seconds, clock=self._clock):
                if self._gate is not None and _path(scope) not in self._exempt:
                    client = _Client(receive)
                    response.permit = await self._permit(self._gate, scope).entered(client.gone)
                    if client.said:
                        receive = client.receive
                await self._app(scope, receive, response.send)
        except CallerGone:
            return  # there is nobody to answer
        except BaseException as raised:
            response.end(raised)
            refusal = refusal_in(raised) or response.replaced
            if refusal is None or response.begun:
                raise
            await self._refuse(refusal, scope, send)
        else:
            response.end(None)
            if response.replaced is not None:
                await self._refuse(response.replaced, scope, send)
        finally:
            leave(REQUEST, token)

    async def _session(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A WebSocket, which takes no permit. A refusal that leaves it closes it, or answers its handshake."""
        accepted = ended = False

        def sending(message: Message) -> Awaitable[None]:
            nonlocal accepted, ended
            kind = message["type"]
            accepted = accepted or kind == "websocket.accept"
            ended = ended or kind in {"websocket.close", "websocket.http.response.start"}
            return send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as raised:
            refusal = refusal_in(raised)
            if refusal is None or ended:
                raise
            scope[REFUSED] = True
            said = answer(refusal)
            if not accepted and _HANDSHAKE in (scope.get("extensions") or {}):
                await _send(send, said, graphql_type=None, kind=_HANDSHAKE)
                return
            await send({"type": "websocket.close", "code": TRY_AGAIN_LATER, "reason": said.sentence})

    async def _refuse(self, refusal: Rejected, scope: Scope, send: Send) -> None:
        scope[REFUSED] = True
        await _send(send, answer(refusal), graphql_type=self._graphql_type(scope))

    def _permit(self, gate: Gate, scope: Scope) -> Permit:
        return gate.permit(
            priority=self._asked("priority", self._priority, scope, Priority, Priority.NORMAL),
            tenant=self._asked("tenant", self._tenant, scope, _hashable, None),
        )

    def _asked(
        self,
        name: str,
        question: Callable[[Scope], _T] | None,
        scope: Scope,
        checked: Callable[[_T], _T],
        otherwise: _T,
    ) -> _T:
        """What a function of the caller's says; where it fails, no request does, and an event says so once."""
        if question is None:
            return otherwise
        try:
            return checked(question(scope))
        except Exception as error:  # noqa: BLE001 -- a caller's function; until=never
            if name not in self._failed:
                self._failed.add(name)
                self._reporter.report(DOOR_QUESTION_FAILED, question=name, error=type(error).__name__)
            return otherwise

    def _seconds_left(self, scope: Scope) -> float | None:
        if self._deadline_header is None:
            return None
        text = header(scope, self._deadline_header)
        try:
            seconds = math.nan if text is None else float(text)
        except ValueError:
            return None
        return seconds if seconds <= LONGEST_DEADLINE_SECONDS else None  # false for what is no number, too

    def _graphql_type(self, scope: Scope) -> bytes | None:
        """The media type of a GraphQL answer to this request; `None`: it wants no such answer."""
        accepts = header(scope, b"accept") or b""
        if _GRAPHQL in accepts:
            return _GRAPHQL
        return b"application/json" if _path(scope) in self._graphql else None


def _in_scopes(name: str | None) -> bytes | None:
    """A header's name as scopes have it."""
    if name is None:
        return None
    (text,) = texts("deadline_header", [name], such_as="x-request-timeout")
    return text.lower().encode("latin-1")


def _path(scope: Scope) -> str:
    return plain(scope["path"], scope.get("root_path", ""))


def _hashable(found: _T) -> _T:
    hash(found)
    return found


class _Client:
    """What a client says while its request is in line: kept for the service, unless it goes away."""

    __slots__ = ("_receive", "said")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.said: deque[Message] = deque()

    async def gone(self) -> None:
        """Return when the client has gone. One that sends more than is kept, or cannot be asked, is not watched any longer.

        Some servers answer a cancellation with a message: what they say then of a client that has gone is not so.
        """
        watching: Any = asyncio.current_task()
        left = KEPT_BYTES
        while left > 0:
            try:
                message = await self._receive()
            except OSError:  # as sockets say it
                return
            except Exception:  # noqa: BLE001 -- the service meets it when it reads, if it does; until=never
                break
            except asyncio.CancelledError:
                if watching.cancelling():
                    raise
                break
            gone = message["type"] == "http.disconnect"
            if not (gone and watching.cancelling()):
                self.said.append(message)
            if gone or watching.cancelling():
                return
            left -= len(message.get("body", b"")) + MESSAGE_BYTES
        await asyncio.get_running_loop().create_future()

    async def receive(self) -> Message:
        """See the ASGI specification."""
        return self.said.popleft() if self.said else await self._receive()


class _Response:
    """The response to one request: whether it has begun, and the permit that it gives back then.

    A 500 of a framework, after a refusal that nobody else answered, is not sent: `replaced` is to be answered instead.

    The rule: a framework that answers an exception while it handles it has that exception for its reason, and a refusal
    before that was somebody else's. One that answers later, as Django does, has the last refusal of its request.
    """

    __slots__ = ("_outer", "_scope", "_send", "begun", "permit", "refused", "replaced")

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self.begun = False
        self.permit: Permit | None = None
        self.refused = Refused()
        self.replaced: Rejected | None = None
        self._send = send
        self._outer = sys.exception()

    def end(self, error: BaseException | None) -> None:
        if self.permit is not None:
            self.permit.end(error)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.end(None)
            status = message["status"]
            if status == HTTPStatus.SERVICE_UNAVAILABLE and self.refused.error is not None:
                self._scope[REFUSED] = True  # the service answers the refusal itself
            elif status == HTTPStatus.INTERNAL_SERVER_ERROR:
                handled = sys.exception()
                if handled is None or handled is self._outer:
                    self.replaced = self.refused.error
                else:
                    self.replaced = refusal_in(handled)
            self.begun = self.replaced is None
        if self.replaced is None:
            await self._send(message)


async def _send(
    send: Send, answer: Answer, *, graphql_type: bytes | None, kind: str = "http.response"
) -> None:
    """Say `answer`, and nothing else."""
    body: dict[str, object]
    if graphql_type is None:
        content_type = b"application/problem+json"
        body = {
            "type": "about:blank",
            "title": HTTPStatus(answer.http_status).phrase,
            "status": answer.http_status,
            "detail": answer.sentence,
            **answer.extensions,
        }
    else:
        content_type = graphql_type
        body = {"errors": [{"message": answer.sentence, "extensions": dict(answer.extensions)}]}
    content = json.dumps(body).encode()
    headers = [
        *((name.encode(), value.encode()) for name, value in answer.http_headers),
        (b"content-type", content_type + b"; charset=utf-8"),
        (b"content-length", b"%d" % len(content)),
    ]
    await send({"type": f"{kind}.start", "status": answer.http_status, "headers": headers})
    await send({"type": f"{kind}.body", "body": content})
