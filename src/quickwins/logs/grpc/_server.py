"""The calls of a gRPC server; see `quickwins.logs.grpc`.

A call's line is written when its task is done: a plain handler that runs on in its thread, or a generator that nobody
iterates any more, would write it later or never.
"""

from __future__ import annotations

import asyncio
import functools
import random
import re
from contextlib import aclosing
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from quickwins.core.clock import SystemClock
from quickwins.core.errors import needs_extra, refusal_in
from quickwins.core.given import a_flag, function
from quickwins.core.grpc_handlers import EXEMPT, Style, methods, wrapped
from quickwins.logs._context import CONTEXT, Canonical, within
from quickwins.logs._levels import ERROR, INFO, WARNING
from quickwins.logs._logger import is_on, sum_up
from quickwins.logs._span import in_span, settled
from quickwins.logs._trace.request import NAMES, begin, pick

with needs_extra("grpc"):
    import grpc
    import grpc.aio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterator
    from contextvars import Context as Variables

    from quickwins.core.clock import Clock
    from quickwins.core.flags import Flag
    from quickwins.core.grpc_handlers import Behavior, Continuation
    from quickwins.logs._context import Context
    from quickwins.logs._trace.w3c import Bits

_METHOD = re.compile(r"/([A-Za-z_][A-Za-z0-9_.]{0,127}/[A-Za-z_][A-Za-z0-9_]{0,127})").fullmatch
_OK, _CANCELLED, _UNKNOWN, _DEADLINE_EXCEEDED, _UNIMPLEMENTED, _UNAVAILABLE = 0, 1, 2, 4, 12, 14
_ERRORS = frozenset(
    {_UNKNOWN, _DEADLINE_EXCEEDED, _UNIMPLEMENTED, 13, _UNAVAILABLE, 15}
)  # INTERNAL, DATA_LOSS
_NEAR_SECONDS = 0.1
_END = object()


class LogServerInterceptor(grpc.aio.ServerInterceptor):
    """Sets the context of each call, and writes `rpc.request` when the call is over, however it ends.

    Messages, metadata and other context variables pass untouched. Plain functions run in a copy of the interceptors'
    context variables, instead of without any.
    """

    def __init__(
        self,
        *,
        trusted: bool | Callable[[grpc.HandlerCallDetails], bool] = False,
        flag: Flag | None = None,
        slow_seconds: float | None = 1.0,
        exempt: Collection[str] = EXEMPT,
        clock: Clock | None = None,
        rng: Bits | None = None,
    ) -> None:
        """Make one for a server.

        Args:
            trusted: Whether a caller's trace is continued and its correlation ids may be any token; decided for each
                call when it is a function of its details. Say yes where nobody but your own services can connect.
            flag: While it is off, calls pass as they are; `None`: always on.
            slow_seconds: A call with one message each way that takes longer leaves a warning; `None`: none does.
            exempt: Full method names, `/package.Service/Method`, whose calls leave a line only when they fail or are
                slow.
            clock: For durations.
            rng: For new ids; the module `random` when `None`.

        Raises:
            ConfigError: An argument is of a wrong type, such as one text for `exempt`.
        """
        self._trusted = (
            trusted if isinstance(trusted, bool) else function("trusted", trusted, of="the details of a call")
        )
        self._flag = a_flag(flag)
        self._slow_seconds = float("inf") if slow_seconds is None else slow_seconds
        self._exempt = methods("exempt", exempt)
        self._monotonic = (SystemClock() if clock is None else clock).monotonic
        self._rng: Bits = random if rng is None else rng

    def __repr__(self) -> str:
        return f"<LogServerInterceptor {'on' if self._flag is None or self._flag.state.on else 'off'}>"

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler | None:
        """See `grpc.aio.ServerInterceptor`."""
        if not is_on(self._flag):
            return await continuation(handler_call_details)
        call = _Call(
            began=self._monotonic(),
            context=self._begin(handler_call_details),
            exempt=handler_call_details.method in self._exempt,
        )
        task = asyncio.current_task()
        if task is not None:  # it is the call's own
            task.add_done_callback(functools.partial(self._done, call))
        with within(call.context):
            try:
                handler = await continuation(handler_call_details)
                if handler is None:
                    call.code = _UNIMPLEMENTED
                    return None
                call.handled(
                    handler_call_details.method,
                    streams=handler.request_streaming or handler.response_streaming,
                )
                variables = copy_context()
                return wrapped(
                    handler,
                    {
                        Style.COROUTINE: functools.partial(_answering, call),
                        Style.ASYNC_GENERATOR: functools.partial(_generating, call),
                        Style.FUNCTION: functools.partial(_answering_in_thread, call, variables),
                        Style.ITERATOR: functools.partial(_generating_in_thread, call, variables),
                    },
                )
            except BaseException as raised:
                call.error = raised
                raise

    def _begin(self, details: grpc.HandlerCallDetails) -> Context:
        trusted = self._trusted
        if not isinstance(trusted, bool):
            try:
                trusted = trusted(details) is True
            except Exception:  # noqa: BLE001 -- logging must not fail a call; until=never
                trusted = False
        found = pick(details.invocation_metadata or (), NAMES)
        return begin(CONTEXT.get(), found, trusted, self._rng, Canonical())

    def _done(self, call: _Call, task: asyncio.Task[Any]) -> None:  # noqa: ARG002 -- as tasks call it; until=never
        seconds = self._monotonic() - call.began
        code, error = call.status(seconds)
        # An unknown method is the client's fault, though its code is one of a server's errors.
        failed = call.known and code in _ERRORS and not (call.refused and code == _UNAVAILABLE)
        warn = code is None or code == _CANCELLED or (seconds >= self._slow_seconds and not call.streams)
        try:
            if failed or warn or not call.exempt:
                level = ERROR if failed else WARNING if warn else INFO
                with within(settled(call.context)):  # the callbacks of a task have its creator's
                    sum_up(level, "rpc.request", call.fields(code, error, seconds))
        finally:
            call.error = call.servicer = (
                None  # an exception holds its handler's frame, and that holds the call
            )


class _Call:
    """One call of a server: what its handler leaves is put together when its task is done. A handler runs `with` it."""

    __slots__ = (
        "began", "code", "context", "ended", "error", "exempt", "known", "method", "refused", "servicer", "streams",
    )  # fmt: skip

    def __init__(self, *, began: float, context: Context, exempt: bool) -> None:
        self.began = began
        self.context = context
        self.exempt = exempt
        self.method: str | None = None
        self.known = False
        self.refused = False
        self.streams = False
        self.servicer: Any = None
        self.ended = False
        self.code: int | None = None
        self.error: BaseException | None = None

    def __enter__(self) -> None:
        # OpenTelemetry's interceptor may stand outside of this one, and its span end before the call's task.
        in_span(self.context)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.ended = True
        self.error = error
        if isinstance(error, grpc.aio.AbortError) and error.__context__ is not None:
            self.refused = refusal_in(error.__context__) is not None  # somebody has answered it

    def handled(self, method: str, *, streams: bool) -> None:
        """Note that there is a handler. A generic one may take any method, so the name is checked."""
        found = _METHOD(method)
        self.method = None if found is None else found[1]
        self.known = True
        self.streams = streams

    def status(self, seconds: float) -> tuple[int | None, BaseException | None]:
        """The code that the client got, as far as it can be known here, and what the handler raised by mistake."""
        code = self.code if self.servicer is None else number(self.servicer.code())
        error = self.error
        if isinstance(error, (grpc.aio.AbortError, asyncio.CancelledError, GeneratorExit)):
            error = None
        if code:
            return code, error
        if error is not None:
            return _UNKNOWN, error
        if self.servicer is None:
            return code, None  # it was over before there was anything to do
        if self.ended and self.error is None:
            return _OK, None
        left = self.servicer.time_remaining()
        # The client's clock starts first, so that it gives up a little before the deadline that is seen here.
        near = left is not None and left <= min(_NEAR_SECONDS, (left + seconds) / 10)
        return (_DEADLINE_EXCEEDED if near else _CANCELLED), None

    def fields(self, code: int | None, error: BaseException | None, seconds: float) -> dict[str, object]:
        """What its line says."""
        fields = dict(self.context.canonical or {})
        if self.method is not None:
            fields["rpc.method"] = self.method
        if code is not None:
            fields["rpc.grpc.status_code"] = code
        fields["duration_ms"] = int(seconds * 1e6) / 1e3
        if error is not None:
            fields["error.type"] = type(error).__name__
            fields["exc_info"] = error
        return fields


# By these names, `answer` and `call`, `_takeover.told` finds a call that an exception has left.


def _answering(call: _Call, behavior: Behavior) -> Behavior:
    async def answer(request: Any, context: grpc.aio.ServicerContext) -> Any:
        call.servicer = context
        with within(call.context), call:
            return await behavior(request, context)

    return answer


def _generating(call: _Call, behavior: Behavior) -> Behavior:
    async def answer(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        call.servicer = context
        with within(call.context), call:
            async with aclosing(behavior(request, context)) as messages:
                async for message in messages:
                    yield message

    return answer


def _answering_in_thread(call: _Call, variables: Variables, behavior: Behavior) -> Behavior:
    def answer(request: Any, context: Any) -> Any:
        call.servicer = watched = _Watched(context)
        with call:
            return variables.run(behavior, request, watched)

    return answer


def _generating_in_thread(call: _Call, variables: Variables, behavior: Behavior) -> Behavior:
    def answer(request: Any, context: Any) -> Iterator[Any]:
        call.servicer = watched = _Watched(context)
        with call:
            messages = variables.run(behavior, request, watched)
            iterator = variables.run(iter, messages)
            while (message := variables.run(next, iterator, _END)) is not _END:
                yield message

    return answer


class _Watched:
    """The servicer context of a plain handler, which does not tell the code that was set."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._code: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def set_code(self, code: Any) -> None:
        self._code = code
        self._context.set_code(code)

    def abort(self, code: Any, *details: Any, **more: Any) -> None:
        self._code = code
        self._context.abort(code, *details, **more)

    def code(self) -> Any:
        return self._code


def number(code: Any) -> int | None:
    """The number of a status code, in whatever form a handler gave it."""
    return code.value[0] if isinstance(code, grpc.StatusCode) else code if isinstance(code, int) else None
