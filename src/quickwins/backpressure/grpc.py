"""A refusal as gRPC says it, for all four kinds of calls: `UNAVAILABLE`, and when to come back.

    server = grpc.aio.server(interceptors=[BackpressureInterceptor()])

Two trailers say when: `grpc-retry-pushback-ms`, for which gRPC's own retry policy waits (gRFC A6), and
`google.rpc.RetryInfo` in `grpc-status-details-bin`, which other clients read (google.rpc.Status).
"""

from __future__ import annotations

import functools
import inspect
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from quickwins.backpressure._deadline import begin_deadline
from quickwins.backpressure.errors import PoolExhausted, refusal_in
from quickwins.backpressure.rule import RejectReason
from quickwins.core.errors import needs_extra, retry_pushback_ms

with needs_extra("grpc"):
    import grpc
    import grpc.aio
    from google.rpc import error_details_pb2, status_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection

    from quickwins.backpressure._gate import Gate
    from quickwins.backpressure._permit import Permit

PUSHBACK = "grpc-retry-pushback-ms"
"""Where a client with a retry policy looks for how long to wait."""

DETAILS = "grpc-status-details-bin"
"""Where a serialized `google.rpc.Status` is looked for."""

EXEMPT = ("/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch")
"""Methods that tell whether the service is alive: refusing them has a busy process restarted."""

_KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
_LONGEST_DEADLINE_SECONDS = 1e9
"""A call without a deadline says that it has some hundred years left."""


class BackpressureInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # -- grpc ships no types; until=2027-12-31
    """Answers a `PoolExhausted` that leaves a handler of an aio server, and passes everything else on.

    A call's deadline is known to all gates below it. With a gate of its own the interceptor refuses at the door; a
    permit comes back with the first response message, so that slow readers of a stream hold none.
    """

    def __init__(
        self,
        *,
        gate: Gate | None = None,
        status: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE,
        exempt: Collection[str] = EXEMPT,
    ) -> None:
        """Make one for a server.

        Args:
            gate: Bound (`size=`), for this edge alone; `None`: refusals of the service's own pools are answered, and
                nothing else.
            status: Of refusals; clients' retry policies must name it.
            exempt: Full method names, `/package.Service/Method`, that never need a permit.
        """
        self._gate = gate
        self._status = status
        self._exempt = frozenset(exempt)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler | None:
        """See `grpc.aio.ServerInterceptor`. Handlers that are not coroutines run in threads, and are not touched."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        kind = _KINDS[2 * handler.request_streaming + handler.response_streaming]
        behavior = getattr(handler, kind)
        gate = None if handler_call_details.method in self._exempt else self._gate
        wrap: Callable[..., Any]
        if inspect.isasyncgenfunction(_function(behavior)):
            wrap = self._generating
        elif inspect.iscoroutinefunction(_function(behavior)):
            wrap = self._answering
        else:
            return handler
        make = getattr(grpc, f"{kind}_rpc_method_handler")
        wrapped: grpc.RpcMethodHandler = make(
            wrap(behavior, gate),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )
        return wrapped

    def _answering(self, behavior: Callable[..., Awaitable[Any]], gate: Gate | None) -> Callable[..., Any]:
        async def answer(request: Any, context: grpc.aio.ServicerContext) -> Any:
            permit: Permit | None = None
            try:
                permit = await self._entered(gate, context)
                answered = await behavior(request, context)
            except BaseException as raised:
                if permit is not None:
                    permit.end(raised)
                await self._abort(raised, context)
                raise
            if permit is not None:
                permit.done()
            return answered

        return answer

    def _generating(
        self, behavior: Callable[..., AsyncIterator[Any]], gate: Gate | None
    ) -> Callable[..., AsyncIterator[Any]]:
        async def answer(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
            permit: Permit | None = None
            try:
                permit = await self._entered(gate, context)
                async with aclosing(behavior(request, context)) as messages:  # type: ignore[type-var]  # -- an async generator, as grpc has it; until=2027-12-31
                    async for message in messages:
                        if permit is not None:
                            permit.done()
                            permit = None
                        yield message
            except BaseException as raised:
                if permit is not None:
                    permit.end(raised)
                await self._abort(raised, context)
                raise
            if permit is not None:
                permit.done()

        return answer

    async def _entered(self, gate: Gate | None, context: grpc.aio.ServicerContext) -> Permit | None:
        """The permit of a call, and its deadline for everything that it asks for."""
        seconds = context.time_remaining()
        if seconds is not None and seconds < _LONGEST_DEADLINE_SECONDS:
            begin_deadline(seconds)  # each call has a task, and with it a context, of its own
        if gate is None:
            return None
        permit = gate.permit()
        try:
            await permit.__aenter__()
        except TimeoutError as late:
            raise PoolExhausted("the deadline passed in line", reason=RejectReason.DEADLINE) from late
        return permit

    async def _abort(self, raised: BaseException, context: grpc.aio.ServicerContext) -> None:
        """End the call if `raised` is a refusal."""
        error = refusal_in(raised)
        if error is None:
            return
        trailing = tuple(context.trailing_metadata() or ())  # abort replaces what the handler has set
        if error.retry_after_seconds is not None:
            status = status_pb2.Status(code=self._status.value[0], message=str(error))
            info = error_details_pb2.RetryInfo()
            info.retry_delay.FromNanoseconds(int(error.retry_after_seconds * 1e9))
            status.details.add().Pack(info)
            trailing += (
                (PUSHBACK, retry_pushback_ms(error.retry_after_seconds)),
                (DETAILS, status.SerializeToString()),
            )
        await context.abort(self._status, str(error), trailing)


def _function(behavior: Any) -> Any:
    """What `inspect` looks at: below `partial`, and behind an object that is called."""
    while isinstance(behavior, functools.partial):
        behavior = behavior.func
    if inspect.isroutine(behavior):
        return behavior
    return type(behavior).__call__
