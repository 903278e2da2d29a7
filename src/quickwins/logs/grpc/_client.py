"""The calls of a gRPC channel; see `quickwins.logs.grpc`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Sequence
from logging import DEBUG
from typing import TYPE_CHECKING, Any, overload

from quickwins.core.clock import SystemClock
from quickwins.core.errors import needs_extra
from quickwins.core.given import a_flag
from quickwins.logs._context import CONTEXT, within
from quickwins.logs._logger import get_logger, is_on
from quickwins.logs._span import in_span, settled
from quickwins.logs._trace.request import departing, joined
from quickwins.logs.grpc._server import number

with needs_extra("grpc"):
    import grpc
    import grpc.aio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quickwins.core.clock import Clock
    from quickwins.core.flags import Flag
    from quickwins.logs._context import Context

_log = get_logger()


def trace_metadata(full_method: str) -> list[tuple[str, str]]:  # noqa: ARG001 -- what `metadata=` of a channel is called with; until=never
    """The trace, its state and the correlation id, for `rotating_channel(metadata=trace_metadata)`; empty outside a trace.

    Where a span of OpenTelemetry's is active, it is that. It is what the interceptors add, for the price of a call: each intercepted call of gRPC's is a task of its own. It
    leaves no `rpc.call`.

    Args:
        full_method: Of the call; all get the same.
    """
    return departing(in_span(CONTEXT.get()))


class LogClientInterceptor(Sequence["grpc.aio.ClientInterceptor"]):
    """The four interceptors of a channel: the trace, its state and the correlation id go along with every call.

    The caller's metadata is copied, not changed. A valid `traceparent` in it, as from OpenTelemetry's interceptor or the caller, stays
    with its `tracestate`; headers of our names are otherwise replaced in the copy. Where a span of OpenTelemetry's is active,
    that is what goes along. At the level DEBUG each call leaves `rpc.call` when it is done. Interceptors that come later in the
    list see the metadata with the trace.
    """

    def __init__(self, *, flag: Flag | None = None, clock: Clock | None = None) -> None:
        """Make them for one channel or several.

        Args:
            flag: While it is off, calls pass as they are; `None`: always on.
            clock: For durations.
        """
        clock = SystemClock() if clock is None else clock
        self._four = tuple(kind(flag, clock) for kind in _KINDS)

    def __len__(self) -> int:
        return len(self._four)

    @overload
    def __getitem__(self, index: int) -> grpc.aio.ClientInterceptor: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[grpc.aio.ClientInterceptor]: ...

    def __getitem__(self, index: int | slice) -> Any:
        return self._four[index]

    def __repr__(self) -> str:
        # A channel that is given this without the star shows it in its error.
        return "LogClientInterceptor (four in one: [*LogClientInterceptor()])"


class _Calls:
    """What each of the four does, under the name that its kind of calls has for it."""

    def __init__(self, flag: Flag | None, clock: Clock) -> None:
        self._flag = a_flag(flag)
        self._monotonic = clock.monotonic

    async def through(self, continuation: Callable[..., Awaitable[Any]], details: Any, request: Any) -> Any:
        if not is_on(self._flag):
            return await continuation(details, request)
        context = in_span(CONTEXT.get())
        headers = departing(context)
        if headers:
            details = grpc.aio.ClientCallDetails(
                details.method,
                details.timeout,
                _with(details.metadata, headers),
                details.credentials,
                details.wait_for_ready,
            )
        if not _log.is_enabled_for(DEBUG):
            return await continuation(details, request)
        began = self._monotonic()
        done = functools.partial(self._done, details.method, context, began)
        try:
            call: Any = await continuation(details, request)
        except grpc.RpcError as failed:
            done(failed)
            raise
        try:
            call.add_done_callback(done)
        except NotImplementedError:  # an inner interceptor awaited the answer, and returned that
            done(call)
        return call

    def _done(self, method: bytes | str, context: Context, began: float, call: Any) -> None:
        name = method.decode() if isinstance(method, bytes) else method
        with within(settled(context)):
            _log.debug(
                "rpc.call",
                **{
                    "rpc.method": name.removeprefix("/"),
                    "rpc.grpc.status_code": _code_of(call),
                    "duration_ms": int((self._monotonic() - began) * 1e6) / 1e3,
                },
            )


class _UnaryUnary(_Calls, grpc.aio.UnaryUnaryClientInterceptor):
    intercept_unary_unary = _Calls.through


class _UnaryStream(_Calls, grpc.aio.UnaryStreamClientInterceptor):
    intercept_unary_stream = _Calls.through


class _StreamUnary(_Calls, grpc.aio.StreamUnaryClientInterceptor):
    intercept_stream_unary = _Calls.through


class _StreamStream(_Calls, grpc.aio.StreamStreamClientInterceptor):
    intercept_stream_stream = _Calls.through


_KINDS = (_UnaryUnary, _UnaryStream, _StreamUnary, _StreamStream)


def _with(metadata: Any, headers: list[tuple[str, str]]) -> grpc.aio.Metadata:
    kept, ours = joined(metadata or (), headers)
    return grpc.aio.Metadata(*kept, *ours)


def _code_of(call: Any) -> int | None:
    """The status code of a finished call, or of an error. `code` is a coroutine with nothing left to wait for."""
    code = call.code()
    if not inspect.iscoroutine(code):
        return number(code)
    try:
        code.send(None)
    except StopIteration as done:
        return number(done.value)
    except Exception:  # noqa: BLE001 -- logging must not fail a call; until=never
        return None
    code.close()
    return None
