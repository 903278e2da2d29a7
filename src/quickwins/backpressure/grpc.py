"""A refusal as gRPC says it: `UNAVAILABLE`, with the server's pushback for clients that retry."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from quickwins.backpressure.errors import PoolExhausted
from quickwins.core.errors import needs_extra, retry_pushback_ms

with needs_extra("backpressure"):
    import grpc
    import grpc.aio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PUSHBACK = "grpc-retry-pushback-ms"
"""Where a client with a retry policy looks for how long to wait (gRFC A6)."""


class BackpressureInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # grpc ships no types
    """Answers a `PoolExhausted` that leaves a unary handler of an aio server; passes everything else on.

    Example: `server = grpc.aio.server(interceptors=[BackpressureInterceptor()])`
    """

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler | None:
        """See `grpc.aio.ServerInterceptor`."""
        handler = await continuation(handler_call_details)
        if handler is None or not inspect.iscoroutinefunction(handler.unary_unary):
            return handler
        return grpc.unary_unary_rpc_method_handler(
            _answering(handler.unary_unary),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )


def _refusal(raised: BaseException) -> PoolExhausted | None:
    """The refusal in `raised`, when it holds nothing else: handlers that fan out raise groups."""
    if isinstance(raised, ExceptionGroup):
        found = [_refusal(one) for one in raised.exceptions]
        return found[0] if all(found) else None
    return raised if isinstance(raised, PoolExhausted) else None


def _answering(behavior: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def unary(request: Any, context: grpc.aio.ServicerContext) -> Any:
        try:
            return await behavior(request, context)
        except (PoolExhausted, ExceptionGroup) as raised:
            error = _refusal(raised)
            if error is None:
                raise
            trailing = tuple(context.trailing_metadata() or ())  # abort replaces what the handler has set
            if error.retry_after_seconds is not None:
                trailing += ((PUSHBACK, retry_pushback_ms(error.retry_after_seconds)),)
            await context.abort(grpc.StatusCode[error.grpc_status], str(error), trailing)

    return unary
