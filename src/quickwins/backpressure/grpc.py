"""A refusal as gRPC says it, for all four kinds of calls: `UNAVAILABLE`, and when to come back.

    server = grpc.aio.server(interceptors=[BackpressureInterceptor()])

Two trailers say when: `grpc-retry-pushback-ms`, for which gRPC's own retry policy waits (gRFC A6), and
`google.rpc.RetryInfo` in `grpc-status-details-bin`, which other clients read (google.rpc.Status).
"""

from __future__ import annotations

from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from quickwins.backpressure._gate import at_door
from quickwins.core.deadline import begin
from quickwins.core.errors import answer, needs_extra, refusal_in
from quickwins.core.grpc_handlers import EXEMPT, Style, methods, wrapped
from quickwins.core.lazy import shows

with needs_extra("grpc"):
    import grpc
    import grpc.aio
    from google.rpc import error_details_pb2, status_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection

    from quickwins.backpressure._gate import Gate
    from quickwins.backpressure._permit import Permit
    from quickwins.core.clock import Clock
    from quickwins.core.grpc_handlers import Continuation

__all__ = ["DETAILS", "EXEMPT", "BackpressureInterceptor"]
__dir__ = shows(__name__)

DETAILS = "grpc-status-details-bin"
"""The trailer in which clients look for a serialized `google.rpc.Status`."""

_LONGEST_DEADLINE_SECONDS = 1e9
"""A call without a deadline says that it has some hundred years left."""


class BackpressureInterceptor(grpc.aio.ServerInterceptor):
    """Answers refusals that leave a handler of an aio server, such as `PoolExhausted`, and passes everything else on.

    A call's deadline is known to all gates below it. With a gate of its own, the interceptor refuses at the door; a permit
    comes back with the first response message, yielded or written, so that slow readers of a stream hold none.
    """

    def __init__(
        self,
        *,
        gate: Gate | None = None,
        status: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE,
        exempt: Collection[str] = EXEMPT,
        clock: Clock | None = None,
    ) -> None:
        """Make one for a server.

        Args:
            gate: Bound (`size=`), for this edge alone; `None`: refusals of the service's own pools are answered, and
                nothing else.
            status: What refused callers get; their retry policies must name it.
            exempt: Full method names, `/package.Service/Method`, that never need a permit. Those that tell whether the
                service is alive must be among them, or a busy process is restarted.
            clock: For deadlines; the one that the gates read. The system's when `None`.
        """
        self._gate = at_door(gate)
        self._status = status
        self._exempt = methods("exempt", exempt)
        self._clock = clock

    def __repr__(self) -> str:
        gate = "without a gate" if self._gate is None else f"with {self._gate}"
        return f"<BackpressureInterceptor, {gate}>"

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler | None:
        """See `grpc.aio.ServerInterceptor`. Handlers that are not coroutines run in threads, and are not touched."""
        handler = await continuation(handler_call_details)
        gate = None if handler_call_details.method in self._exempt else self._gate
        return wrapped(
            handler,
            {
                Style.COROUTINE: lambda behavior: self._answering(behavior, gate),
                Style.ASYNC_GENERATOR: lambda behavior: self._generating(behavior, gate),
            },
        )

    def _answering(self, behavior: Callable[..., Awaitable[Any]], gate: Gate | None) -> Callable[..., Any]:
        async def answering(request: Any, context: grpc.aio.ServicerContext) -> Any:
            _begin_deadline(context, self._clock)
            try:
                if gate is None:
                    return await behavior(request, context)
                async with gate.permit() as permit:
                    return await behavior(request, _Writing(context, permit))
            except BaseException as raised:
                await self._abort(raised, context)
                raise

        return answering

    def _generating(
        self, behavior: Callable[..., AsyncIterator[Any]], gate: Gate | None
    ) -> Callable[..., AsyncIterator[Any]]:
        async def generating(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
            _begin_deadline(context, self._clock)
            permit: Permit | None = None
            try:
                if gate is not None:
                    permit = await gate.permit().__aenter__()
                async with aclosing(behavior(request, context)) as messages:  # type: ignore[type-var]  # -- an async generator, as grpc has it; until=never
                    async for message in messages:
                        if permit is not None:
                            permit.done()
                        yield message
            except BaseException as raised:
                if permit is not None:
                    permit.end(raised)
                await self._abort(raised, context)
                raise
            if permit is not None:
                permit.done()

        return generating

    async def _abort(self, raised: BaseException, context: grpc.aio.ServicerContext) -> None:
        """End the call if `raised` is a refusal.

        Raises:
            grpc.aio.AbortError: It is one.
        """
        refusal = refusal_in(raised)
        if refusal is None:
            return
        said = answer(refusal)
        trailing = (
            *(context.trailing_metadata() or ()),  # abort replaces what the handler has set
            *said.grpc_trailers,
        )
        if refusal.retry_after_seconds is not None:
            status = status_pb2.Status(code=self._status.value[0], message=said.sentence)
            info = error_details_pb2.RetryInfo()
            info.retry_delay.FromNanoseconds(int(refusal.retry_after_seconds * 1e9))
            status.details.add().Pack(info)
            trailing = (*trailing, (DETAILS, status.SerializeToString()))
        with suppress(grpc.aio.InternalError):  # the call is over: there is nobody to answer
            await context.abort(self._status, said.sentence, trailing)
        raise grpc.aio.AbortError(said.sentence)


class _Writing:
    """A call's context, which gives the permit back with the first message that is written to it."""

    __slots__ = ("_context", "_permit")

    def __init__(self, context: grpc.aio.ServicerContext, permit: Permit) -> None:
        self._context = context
        self._permit = permit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def write(self, message: Any) -> None:
        """See `grpc.aio.ServicerContext`."""
        self._permit.done()
        await self._context.write(message)


def _begin_deadline(context: grpc.aio.ServicerContext, clock: Clock | None) -> None:
    """Tell everything that the call asks for how much time it has."""
    seconds = context.time_remaining()
    if seconds is not None and seconds < _LONGEST_DEADLINE_SECONDS:
        begin(seconds, clock=clock)  # each call has a task, and with it a context, of its own
