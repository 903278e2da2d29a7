"""Whatever a handler's author wrote, an interceptor's wrapper of that style gets it, and the rest stays as it was."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc
import pytest

from quickwins.core.grpc_handlers import Style, wrapped

KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


async def coroutine(request: Any, context: Any) -> bytes:
    return b""


async def async_generator(request: Any, context: Any) -> AsyncIterator[bytes]:
    yield b""


def function(request: Any, context: Any) -> bytes:
    return b""


def generator(request: Any, context: Any) -> Iterator[bytes]:
    yield b""


class Servicer:
    async def coroutine(self, request: Any, context: Any) -> bytes:
        return b""

    async def async_generator(self, request: Any, context: Any) -> AsyncIterator[bytes]:
        yield b""

    def function(self, request: Any, context: Any) -> bytes:
        return b""

    @staticmethod
    async def static(request: Any, context: Any) -> bytes:
        return b""


class Called:
    async def __call__(self, request: Any, context: Any) -> bytes:
        return b""


class CalledToGenerate:
    async def __call__(self, request: Any, context: Any) -> AsyncIterator[bytes]:
        yield b""


class CalledInThread:
    def __call__(self, request: Any, context: Any) -> bytes:
        return b""


@functools.wraps(coroutine)
def decorated_into_a_function(request: Any, context: Any) -> bytes:
    return b""


STYLES = [
    pytest.param(coroutine, Style.COROUTINE, id="coroutine"),
    pytest.param(async_generator, Style.ASYNC_GENERATOR, id="async generator"),
    pytest.param(function, None, id="function"),
    pytest.param(generator, None, id="generator"),
    pytest.param(Servicer().coroutine, Style.COROUTINE, id="bound coroutine"),
    pytest.param(Servicer().async_generator, Style.ASYNC_GENERATOR, id="bound async generator"),
    pytest.param(Servicer().function, None, id="bound function"),
    pytest.param(Servicer.static, Style.COROUTINE, id="static coroutine"),
    pytest.param(functools.partial(coroutine), Style.COROUTINE, id="partial of a coroutine"),
    pytest.param(
        functools.partial(functools.partial(async_generator)), Style.ASYNC_GENERATOR, id="partial of one"
    ),
    pytest.param(functools.partial(function), None, id="partial of a function"),
    pytest.param(Called(), Style.COROUTINE, id="called coroutine"),
    pytest.param(CalledToGenerate(), Style.ASYNC_GENERATOR, id="called async generator"),
    pytest.param(CalledInThread(), None, id="called function"),
    pytest.param(functools.partial(Called()), Style.COROUTINE, id="partial of a called coroutine"),
    pytest.param(Called().__call__, Style.COROUTINE, id="bound call"),
    pytest.param(decorated_into_a_function, None, id="a function that wraps a coroutine is a function"),
    pytest.param(len, None, id="built-in"),
]


def made(kind: str, behavior: Any, **serializers: Any) -> grpc.RpcMethodHandler:
    return getattr(grpc, f"{kind}_rpc_method_handler")(behavior, **serializers)


def wrapping(seen: list[tuple[Style, Any]], style: Style) -> Callable[[Any], Any]:
    def wrap(behavior: Any) -> Any:
        seen.append((style, behavior))
        return (style, behavior)

    return wrap


@pytest.mark.parametrize(("behavior", "style"), STYLES)
@pytest.mark.parametrize("kind", KINDS)
def test_each_behavior_gets_the_wrapper_of_its_style(kind: str, behavior: Any, style: Style | None) -> None:
    seen: list[tuple[Style, Any]] = []
    in_thread = Style.ITERATOR if kind.endswith("stream") else Style.FUNCTION
    got = wrapped(made(kind, behavior), {one: wrapping(seen, one) for one in Style})
    expected = (style or in_thread, behavior)
    assert seen == [expected]
    assert getattr(got, kind) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_and_the_serializers_stay_as_they_were(kind: str) -> None:
    handler = made(kind, function, request_deserializer=int, response_serializer=bytes)
    seen: list[tuple[Style, Any]] = []
    got = wrapped(handler, {one: wrapping(seen, one) for one in Style})
    for name in ("request_streaming", "response_streaming", "request_deserializer", "response_serializer"):
        assert getattr(got, name) == getattr(handler, name), name
    assert [name for name in KINDS if getattr(got, name) is not None] == [kind]


def test_a_handler_whose_style_has_no_wrapper_is_handed_back_as_it_is() -> None:
    seen: list[tuple[Style, Any]] = []
    handler = made("unary_stream", generator)
    assert wrapped(handler, {Style.COROUTINE: wrapping(seen, Style.COROUTINE)}) is handler
    assert seen == []


def test_the_module_is_imported_without_grpc() -> None:
    code = "import sys; sys.modules['grpc'] = None; import quickwins.core.grpc_handlers"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
