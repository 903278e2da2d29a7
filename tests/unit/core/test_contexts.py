"""What sets a context variable may be left anywhere: in FastAPI's dependencies, closed by others, thrown away."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from contextvars import copy_context
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from quickwins.core import deadline as deadlines
from quickwins.core.deadline import deadline, within
from quickwins.core.flags import pinned
from quickwins.core.flags.pin import PIN
from quickwins.logs import bound
from quickwins.logs._context import CONTEXT, EMPTY
from quickwins.logs.asgi import LogMiddleware
from quickwins.logs.kafka import extract

Block = Callable[[], AbstractContextManager[Any]]
BLOCKS = [
    pytest.param(lambda: pinned("user-7"), id="pinned"),
    pytest.param(lambda: bound(user="user-7"), id="bound"),
    pytest.param(lambda: extract(None), id="extract"),
    pytest.param(lambda: within(10), id="within"),
]


def nothing_is_set() -> bool:
    return (PIN.get(), CONTEXT.get(), deadlines.current()) == (None, EMPTY, None)


def served(dependency: Callable[[], Any]) -> int:
    """The status of requests to a service with `dependency`; 0 when they differ."""
    app = FastAPI(dependencies=[Depends(dependency)])

    @app.get("/thread")
    def thread() -> str:
        return "fine"

    @app.get("/loop")
    async def loop() -> str:
        return "fine"

    client = TestClient(app)
    statuses = {client.get(path).status_code for path in ("/thread", "/loop")}
    return statuses.pop() if len(statuses) == 1 else 0


@pytest.mark.parametrize("block", BLOCKS)
def test_a_dependency_that_yields_in_a_thread_may_use_it(block: Block) -> None:
    def dependency() -> Iterator[None]:
        with block():
            yield

    assert served(dependency) == 200
    assert nothing_is_set()


@pytest.mark.parametrize(
    "block",
    [*BLOCKS, pytest.param(lambda: deadline(10), id="deadline")],
)
def test_a_dependency_that_yields_on_the_loop_may_use_it(
    block: Callable[[], AbstractContextManager[Any] | AbstractAsyncContextManager[Any]],
) -> None:
    async def dependency() -> AsyncIterator[None]:
        made = block()
        async with made if isinstance(made, AbstractAsyncContextManager) else nullcontext():
            with nullcontext() if isinstance(made, AbstractAsyncContextManager) else made:
                yield

    assert served(dependency) == 200
    assert nothing_is_set()


@pytest.mark.parametrize("block", BLOCKS)
def test_a_generator_may_be_closed_in_another_context_or_thrown_away(block: Block) -> None:
    def steps() -> Generator[int, None, None]:
        with block():
            yield 1

    began, other, one = copy_context(), copy_context(), steps()
    began.run(next, one)
    other.run(one.close)
    assert other.run(nothing_is_set)
    thrown_away = steps()
    copy_context().run(next, thrown_away)
    del thrown_away
    gc.collect()
    assert nothing_is_set()


async def forever(*_: object) -> None:
    class Suspended:
        def __await__(self) -> Generator[None, None, None]:
            yield

    await Suspended()


def test_a_request_may_be_closed_in_another_context() -> None:
    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    request: Any = LogMiddleware(forever)(scope, forever, forever)  # type: ignore[arg-type]  # -- never asked; until=never
    copy_context().run(request.send, None)
    other = copy_context()
    other.run(request.close)
    assert other.run(nothing_is_set)
