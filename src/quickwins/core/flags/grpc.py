"""A key for each call of a gRPC server, for flags that are on for a percentage of them, as in `core.flags.asgi`.

    server = grpc.aio.server(interceptors=[PinInterceptor(flags), ...])

`QuickWins.grpc_interceptors` has it first. While all flags are at 0 or 100 % it does nothing.
"""

from __future__ import annotations

from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

from quickwins.core.errors import needs_extra
from quickwins.core.flags._requests import Requests
from quickwins.core.grpc_handlers import Style, wrapped
from quickwins.core.lazy import shows

with needs_extra("grpc"):
    import grpc
    import grpc.aio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from quickwins.core.flags._requests import Bits
    from quickwins.core.flags.pin import Live, pinned
    from quickwins.core.grpc_handlers import Continuation

__all__ = ["PinInterceptor"]
__dir__ = shows(__name__)


class PinInterceptor(grpc.aio.ServerInterceptor):
    """Pins each call to a key, and one that does not stream also to the flags as they are when it first asks.

    Handlers that are iterated over in threads have no key: each step may run in another thread.
    """

    def __init__(
        self,
        flags: Live,
        *,
        key: Callable[[grpc.HandlerCallDetails], str | None] | None = None,
        rng: Bits | None = None,
    ) -> None:
        """Make one for a server.

        Args:
            flags: The service's.
            key: The key of a call, by its details, as for `PinMiddleware`.
            rng: For drawing; the module `random` when `None`.
        """
        self._requests = Requests(flags, key=key, rng=rng)

    def __repr__(self) -> str:
        return f"<PinInterceptor {self._requests}>"

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler | None:
        """See `grpc.aio.ServerInterceptor`."""
        handler = await continuation(handler_call_details)
        streams = bool(handler and (handler.request_streaming or handler.response_streaming))
        pin = handler and self._requests.pin(handler_call_details, live=streams)
        if pin is None:
            return handler
        return wrapped(
            handler,
            {
                Style.COROUTINE: lambda behavior: partial(_answering, behavior, pin),
                Style.ASYNC_GENERATOR: lambda behavior: partial(_generating, behavior, pin),
                Style.FUNCTION: lambda behavior: partial(_returning, behavior, pin),
            },
        )


async def _answering(
    behavior: Callable[..., Awaitable[Any]], pin: pinned, request: Any, context: grpc.aio.ServicerContext
) -> Any:
    with pin:
        return await behavior(request, context)


async def _generating(
    behavior: Callable[..., AsyncIterator[Any]], pin: pinned, request: Any, context: grpc.aio.ServicerContext
) -> AsyncIterator[Any]:
    with pin:
        async with aclosing(behavior(request, context)) as messages:  # type: ignore[type-var]  # -- an async generator, as grpc has it; until=never
            async for message in messages:
                yield message


def _returning(behavior: Callable[..., Any], pin: pinned, request: Any, context: grpc.ServicerContext) -> Any:
    with pin:
        return behavior(request, context)
