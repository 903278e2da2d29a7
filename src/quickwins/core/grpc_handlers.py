"""A gRPC server's handlers taken apart and put together again, for interceptors that stand around its calls.

A handler has one of four kinds, by what streams, and a behavior, which is what its author wrote, in one of four styles.
An interceptor says what it puts around each style that it knows; the rest, serializers included, stays as it was:

    return wrapped(handler, {Style.COROUTINE: self._around_coroutine})

The rule is `grpc.aio`'s own: a coroutine or an asynchronous generator runs on the event loop, anything else in threads.
The trap: `inspect` takes an object that is called for neither, although its `__call__` may be one of them.
"""

from __future__ import annotations

import functools
import inspect
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from quickwins.core.given import texts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    import grpc

    Behavior = Callable[[Any, Any], Any]
    Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler | None]]

EXEMPT = ("/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch")
"""Methods that monitors ask every few seconds, to see whether the service is alive."""

_KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


def methods(name: str, given: Collection[str]) -> frozenset[str]:
    """The argument `name` of an interceptor: methods, as calls name them.

    Raises:
        ConfigError: It is no list of texts.
    """
    return frozenset(texts(name, given, such_as=EXEMPT[0]))


class Style(Enum):
    """How a behavior answers."""

    COROUTINE = auto()
    """On the event loop: it returns its answer; where answers stream, it writes them with `context.write` instead."""
    ASYNC_GENERATOR = auto()
    """On the event loop: it yields its answers."""
    FUNCTION = auto()
    """In a thread: it returns its answer."""
    ITERATOR = auto()
    """It yields its answers, or returns something to iterate over, and a thread takes them one by one."""


def wrapped(
    handler: grpc.RpcMethodHandler | None, wrappers: Mapping[Style, Callable[[Behavior], Behavior]]
) -> grpc.RpcMethodHandler | None:
    """`handler` with its behavior in the wrapper of its style; the very same handler when that style has none.

    Args:
        handler: Of any kind; `None`, for a method that nobody serves, stays `None`.
        wrappers: For a style, what makes a behavior of the same style out of the one that is there.
    """
    if handler is None:
        return None
    kind = _KINDS[2 * bool(handler.request_streaming) + bool(handler.response_streaming)]
    behavior = getattr(handler, kind)
    wrap = wrappers.get(_style(behavior, streams=handler.response_streaming))
    if wrap is None:
        return handler
    import grpc  # there is a handler, so there is grpc

    made: grpc.RpcMethodHandler = getattr(grpc, f"{kind}_rpc_method_handler")(
        wrap(behavior),
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )
    return made


def _style(behavior: Behavior, *, streams: bool) -> Style:
    function = _function(behavior)
    if inspect.isasyncgenfunction(function):
        return Style.ASYNC_GENERATOR
    if inspect.iscoroutinefunction(function):
        return Style.COROUTINE
    return Style.ITERATOR if streams else Style.FUNCTION


def _function(behavior: Any) -> Any:
    """What `inspect` has to look at."""
    while isinstance(behavior, functools.partial):
        behavior = behavior.func
    return behavior if inspect.isroutine(behavior) else type(behavior).__call__
