"""Counts a `grpc.aio` server's calls by cohort, as `rollout.asgi` counts requests.

server = grpc.aio.server(interceptors=[RolloutInterceptor(qw.flags, features=["channels"]), *qw.grpc_interceptors()])
"""

from __future__ import annotations

import time
from asyncio import CancelledError
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from quickwins.core.errors import PUSHBACK, needs_extra, refusal_in
from quickwins.core.flags.grpc import PinInterceptor
from quickwins.core.grpc_handlers import EXEMPT, Style, methods, wrapped
from quickwins.core.lazy import shows
from quickwins.rollout._counts import Ended, counted

with needs_extra("grpc"):
    import grpc
    import grpc.aio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator

    from prometheus_client import CollectorRegistry

    from quickwins.core.clock import Clock
    from quickwins.core.flags import Flags
    from quickwins.core.grpc_handlers import Continuation

__all__ = ["RolloutInterceptor"]
__dir__ = shows(__name__)

_ERRORS = frozenset({2, 12, 13, 14, 15})  # UNKNOWN, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS
_CANCELLED, _UNKNOWN, _DEADLINE, _EXHAUSTED, _UNAVAILABLE = 1, 2, 4, 8, 14


class RolloutInterceptor(grpc.aio.ServerInterceptor):
    """Pins each call to a key, and counts how it ended, by feature and cohort.

    `error` is a status that is the server's fault, `timeout` DEADLINE_EXCEEDED, `refused` RESOURCE_EXHAUSTED and
    UNAVAILABLE with a pushback. A call that its client cancelled is not counted. Handlers that run in threads are not
    touched, and not counted.
    """

    def __init__(
        self,
        flags: Flags,
        *,
        features: Collection[str],
        key: Callable[[grpc.HandlerCallDetails], str | None] | None = None,
        exempt: Collection[str] = EXEMPT,
        registry: CollectorRegistry | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Make one for a server.

        Args:
            flags: The service's.
            features: What ramps: for each, both cohorts are counted.
            key: What a percentage is one of, as for `PinInterceptor`; by default calls.
            exempt: Full method names, `/package.Service/Method`, that are not counted.
            registry: For the series; the default registry when `None`.
            clock: For durations.

        Raises:
            ConfigError: No feature is named, or one has no flag.
        """
        self._pin = PinInterceptor(flags, key=key)
        self._counts, self._series = counted(flags, features, registry=registry)
        self._exempt = methods("exempt", exempt)
        self._monotonic = time.monotonic if clock is None else clock.monotonic

    def __repr__(self) -> str:
        return f"<RolloutInterceptor counting {', '.join(one.feature for one in self._counts)}>"

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler | None:
        """See `grpc.aio.ServerInterceptor`."""

        async def counting(details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
            handler = await continuation(details)
            if details.method in self._exempt:
                return handler
            return wrapped(
                handler,
                {Style.COROUTINE: self._answering, Style.ASYNC_GENERATOR: self._generating},
            )

        return await self._pin.intercept_service(counting, handler_call_details)

    def _answering(self, behavior: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        async def answering(request: Any, context: grpc.aio.ServicerContext) -> Any:
            with _Call(self, context):
                return await behavior(request, context)

        return answering

    def _generating(self, behavior: Callable[..., AsyncIterator[Any]]) -> Callable[..., AsyncIterator[Any]]:
        async def generating(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
            with _Call(self, context):
                async with aclosing(behavior(request, context)) as messages:  # type: ignore[type-var]  # -- an async generator, as grpc has it; until=never
                    async for message in messages:
                        yield message

        return generating


class _Call:
    """One call, from where its cohort is known to its end."""

    __slots__ = ("_began", "_cohorts", "_context", "_monotonic")

    def __init__(self, owner: RolloutInterceptor, context: grpc.aio.ServicerContext) -> None:
        self._cohorts = [(one, one.cohort()) for one in owner._counts]  # noqa: SLF001 -- its own part; until=never
        self._monotonic = owner._monotonic  # noqa: SLF001 -- its own part; until=never
        self._context = context
        self._began = self._monotonic()

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, raised: BaseException | None, trace: object) -> None:
        ended = _ended(self._context, raised)
        if ended is not None:
            seconds = self._monotonic() - self._began
            for one, cohort in self._cohorts:
                one.count(cohort, ended, seconds)


def _ended(context: grpc.aio.ServicerContext, raised: BaseException | None) -> Ended | None:
    """How a call ended; `None`: nobody waited for its end."""
    code = context.code()
    number = code.value[0] if isinstance(code, grpc.StatusCode) else code
    if isinstance(raised, (CancelledError, GeneratorExit)) or number == _CANCELLED:
        return None
    if not number and raised is not None:
        number = _UNKNOWN
    refused = number == _UNAVAILABLE and PUSHBACK in _names(context)
    if refused or number == _EXHAUSTED or (raised is not None and refusal_in(raised) is not None):
        return Ended.REFUSED
    if number == _DEADLINE or isinstance(raised, TimeoutError):
        return Ended.TIMEOUT
    return Ended.ERROR if number in _ERRORS else Ended.OK


def _names(context: grpc.aio.ServicerContext) -> Iterator[str]:
    return (name for name, *_ in context.trailing_metadata() or ())
