"""A context for each request of any ASGI service, and one line about it at its end.

    app.add_middleware(LogMiddleware)                       # Starlette, FastAPI: the last one added, to be outermost
    app = LogMiddleware(app, trusted=behind_our_gateway)    # whose callers' traces are continued

Within a request every line carries `trace_id`, `span_id` and `correlation_id`; the correlation id goes back to the
client in `x-correlation-id`. At the end comes `http.request`, even when the application failed, was cancelled, or the
client went away, with what `annotate` had to say. A WebSocket has `websocket.session` instead.

Neither line has a path, a query or a header in it: `http.route` is the route's template, or is absent.

Sources: OpenTelemetry's semantic conventions for HTTP spans (names, `_OTHER`), W3C Trace Context.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, TypeVar

from quickwins.core.asgi import EXEMPT, REFUSED, plain, plainly
from quickwins.core.contexts import leave
from quickwins.core.given import a_flag, application, function
from quickwins.core.lazy import shows
from quickwins.logs import _logger
from quickwins.logs._context import CONTEXT, Canonical
from quickwins.logs._levels import ERROR, INFO, WARNING
from quickwins.logs._span import finder
from quickwins.logs._takeover.told import is_refusal
from quickwins.logs._trace.request import CORRELATION, NAMES_IN_BYTES, begin, pick
from quickwins.logs._trace.route import Routes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from quickwins.core.asgi import App, Message, Receive, Scope, Send
    from quickwins.core.clock import Clock
    from quickwins.core.flags import Flag
    from quickwins.logs._context import Context
    from quickwins.logs._trace.w3c import Bits

__all__ = ["EXEMPT", "METHODS", "LogMiddleware"]
__dir__ = shows(__name__)

METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})
"""What `http.request.method` may say; any other is `_OTHER`, because a client may send anything."""

_EVENTS = {"http": "http.request", "websocket": "websocket.session"}
_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
_FAILED = 500
_GONE = frozenset({"ClientDisconnect", "ClientDisconnected"})  # what Starlette and uvicorn call it
_CORRELATION = CORRELATION.encode()
_T = TypeVar("_T")


class LogMiddleware:
    """Sets the context and writes the line. Pure ASGI: bodies, streams and other context variables pass untouched.

    Put it outside of everything that answers for the application, so that it sees what the client gets.
    """

    def __init__(
        self,
        app: App,
        *,
        trusted: bool | Callable[[Scope], bool] = False,
        flag: Flag | None = None,
        slow_seconds: float | None = 1.0,
        exempt: Collection[str] = EXEMPT,
        route: Callable[[Scope], str | None] | None = None,
        clock: Clock | None = None,
        rng: Bits | None = None,
    ) -> None:
        """Put `app` behind it.

        Args:
            app: The service.
            trusted: Whether a caller's trace is continued and its correlation ids may be any token; decided for each
                request when it is a function of the scope. By default nobody is trusted: the trace that they name
                becomes a link, and only well-known forms of ids are taken over. Say yes where nobody but your own
                gateway can connect.
            flag: While it is off, `app` is called as it is; `None`: always on. So it is where logging was never configured.
            slow_seconds: A request that takes longer leaves a warning, which is never sampled out; of an answer in several
                parts, as of a stream of events, the time until the first one counts. `None`: none does.
            exempt: Paths whose requests leave a line only when they fail or are slow; below `root_path`, with a slash at the
                end or without.
            route: Names a request's route, by its scope after the application has seen it; `None`: as Starlette, FastAPI,
                Litestar and Django have declared it. It must never return what a client made up. What a handler says
                with `annotate(**{"http.route": ...})` comes first.
            clock: For durations.
            rng: For new ids; the module `random` when `None`.

        Raises:
            ConfigError: An argument is of a wrong type, such as one text for `exempt`.
        """
        self._app = application(app)
        self._trusted = (
            trusted
            if isinstance(trusted, bool)
            else function("trusted", trusted, of="the scope of a request")
        )
        self._flag = a_flag(flag)
        self._route = function("route", route, of="the scope of a request")
        self._routes = Routes(self._app)
        self._slow_seconds = float("inf") if slow_seconds is None else slow_seconds
        self._exempt = plainly("exempt", exempt)
        self._monotonic = time.monotonic if clock is None else clock.monotonic
        self._rng: Bits = random if rng is None else rng

    def __repr__(self) -> str:
        state = "on" if self._flag is None or self._flag.state.on else "off"
        return f"<LogMiddleware {state} around {type(self._app).__name__}>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] not in _EVENTS or not _logger.is_on(self._flag):
            if scope["type"] == "lifespan" and _logger.current is not None:
                # Servers set up their own logging after they import the application, and before this.
                _logger.current.adopt()
            await self._app(scope, receive, send)
            return
        began = self._monotonic()
        given = self._trusted
        trusted = given if given is True or given is False else _asked(given, scope) is True
        canonical = Canonical()
        found = pick(scope.get("headers") or (), NAMES_IN_BYTES)
        begun = begin(CONTEXT.get(), found, trusted, self._rng, canonical)
        in_span = finder()
        # By this name `_takeover.told` finds it where an exception has passed.
        context = begun if in_span is None else in_span(begun)
        root, path = scope.get("root_path", ""), scope.get("path", "")
        status: int | None = None
        streaming: float | None = None
        ended: float | None = None

        def sending(message: Message) -> Awaitable[None]:
            # No coroutine of its own: one less for each part of a body.
            nonlocal status, streaming, ended
            kind = message["type"]
            if kind == "http.response.body":
                if not message.get("more_body"):
                    ended = self._monotonic()
                elif streaming is None:
                    streaming = self._monotonic()
            elif kind in _STARTS:
                status = message.get("status")
                if in_span is not None:
                    # OpenTelemetry's middleware may stand inside of this one, and its span end before.
                    in_span(context)
                message = _with_correlation(context, message)
            return send(message)

        token = CONTEXT.set(context)
        error: BaseException | None = None
        try:
            await self._app(scope, receive, sending)
        except BaseException as raised:
            error = raised
            raise
        finally:
            # Background tasks run on when the client has everything, and a stream lasts as long as somebody listens.
            ended = ended or self._monotonic()
            slow = (ended if streaming is None else streaming) - began >= self._slow_seconds
            self._write(scope, root, path, status, error, canonical, ended - began, slow)
            leave(CONTEXT, token)

    def _write(
        self,
        scope: Scope,
        root: str,
        path: str,
        status: int | None,
        error: BaseException | None,
        annotated: dict[str, object],
        seconds: float,
        slow: bool,
    ) -> None:
        http = scope["type"] == "http"
        if error is None:
            failed = status is not None and status >= _FAILED and REFUSED not in scope
            warn = http and slow
            if not failed and not warn and plain(path, root) in self._exempt:
                return
        else:
            # A refusal that ends what has begun, a stream or a background task, is policy as any other.
            warn = status is None or not is_refusal(error)
            failed = warn and isinstance(error, Exception) and type(error).__name__ not in _GONE
            if failed and status is None and http:
                status = _FAILED
        fields = annotated.copy()  # a context outlives its request in the tasks that this has begun
        if http:
            method = scope.get("method")
            fields["http.request.method"] = method if method in METHODS else "_OTHER"
        template = self._routes.template(scope, root) if self._route is None else _asked(self._route, scope)
        if template is not None:
            fields.setdefault("http.route", template)  # what the application has said of itself stays
        if status is not None:
            fields["http.response.status_code"] = status
        fields["duration_ms"] = int(seconds * 1e6) / 1e3  # a third of what `round` takes
        if error is not None:
            fields["error.type"] = type(error).__name__
            if failed:
                fields["exc_info"] = error
        level = ERROR if failed else WARNING if warn else INFO
        _logger.sum_up(level, _EVENTS[scope["type"]], fields)


def _with_correlation(context: Context, message: Message) -> Message:
    """`message` with the request's correlation id as a header, instead of any of that name."""
    headers = [*(message.get("headers") or ())]
    for pair in headers:
        if pair[0] == _CORRELATION:
            headers = [one for one in headers if one[0] != _CORRELATION]
            break
    headers.append((_CORRELATION, str(context.fields["correlation_id"]).encode()))
    return {**message, "headers": headers}


def _asked(question: Callable[[Scope], _T], scope: Scope) -> _T | None:
    """The caller's answer; `None` when it fails, because logging must not fail a request."""
    try:
        return question(scope)
    except Exception:  # noqa: BLE001 -- whatever the function of a caller raises; until=never
        return None
