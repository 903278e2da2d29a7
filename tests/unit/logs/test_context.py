"""The context of a request: bound, seen by whom it concerns, and put back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from contextvars import copy_context

import pytest

from quickwins.logs._context import (
    CONTEXT,
    EMPTY,
    MAX_FIELDS,
    Canonical,
    Context,
    annotate,
    bound,
    in_context,
)
from quickwins.logs._trace.w3c import Trace
from quickwins.logs.kafka import extract

TRACE = Trace("a" * 32, "b" * 16, 1)


def fields() -> dict[str, object]:
    return dict(CONTEXT.get().fields)


def test_fields_are_bound_within_the_block_only() -> None:
    with bound(tenant="t1", shard=1):
        with bound(shard=2):
            assert fields() == {"tenant": "t1", "shard": 2}
        assert fields() == {"tenant": "t1", "shard": 1}
    assert CONTEXT.get() is EMPTY


def test_they_are_put_back_when_the_block_fails() -> None:
    with pytest.raises(ValueError, match="no"), bound(tenant="t1"):
        raise ValueError("no")
    assert CONTEXT.get() is EMPTY


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(lambda: bound(tenant="t1"), id="bound"),
        pytest.param(lambda: extract(None), id="extract"),
    ],
)
def test_a_block_that_is_left_in_another_context_changes_nothing_there(
    block: Callable[[], AbstractContextManager[object]],
) -> None:
    def dependency() -> Iterator[None]:  # as frameworks run them: begun in one context, ended in another
        with block():
            yield

    running = dependency()
    copy_context().run(next, running)
    with bound(tenant="t2"):
        copy_context().run(next, running, None)
        assert fields() == {"tenant": "t2"}
    assert CONTEXT.get() is EMPTY


def test_binding_keeps_the_trace_and_the_line_of_the_request() -> None:
    token = CONTEXT.set(Context({}, trace=TRACE, canonical=Canonical()))
    with bound(tenant="t1"):
        annotate(rows=3)
        assert CONTEXT.get().trace is TRACE
        assert CONTEXT.get().canonical == {"rows": 3}
    assert CONTEXT.get().canonical == {"rows": 3}
    CONTEXT.reset(token)


def test_outside_a_request_nothing_is_annotated() -> None:
    annotate(rows=3)
    with bound(tenant="t1"):
        annotate(rows=3)
    assert EMPTY.canonical is None


def test_what_is_bound_and_annotated_has_a_limit() -> None:
    many = {f"field{number}": number for number in range(MAX_FIELDS + 5)}
    with bound(**many):
        assert len(fields()) == MAX_FIELDS
    token = CONTEXT.set(Context({}, canonical=Canonical()))
    annotate(**many)
    annotate(field0="again", another=1)
    canonical = CONTEXT.get().canonical
    CONTEXT.reset(token)
    assert canonical is not None
    assert (len(canonical), canonical["field0"], "another" in canonical) == (MAX_FIELDS, "again", False)


def test_a_thread_sees_the_context_it_is_given_and_leaves_nothing_behind() -> None:
    def work(more: str) -> dict[str, object]:
        with bound(more=more):
            return fields()

    with ThreadPoolExecutor(1) as executor:
        with bound(tenant="t1"):
            given = in_context(work)
            assert executor.submit(work, "x").result() == {"more": "x"}
            assert executor.submit(given, "x").result() == {"tenant": "t1", "more": "x"}
            assert executor.submit(given, more="y").result() == {"tenant": "t1", "more": "y"}
        assert executor.submit(fields).result() == {}


def test_two_threads_may_use_it_at_once() -> None:
    import threading

    together = threading.Barrier(2, timeout=30)

    def work() -> dict[str, object]:
        together.wait()
        return fields()

    with ThreadPoolExecutor(2) as executor, bound(tenant="t1"):
        given = in_context(work)
        assert [one.result() for one in [executor.submit(given), executor.submit(given)]] == [
            {"tenant": "t1"}
        ] * 2


@pytest.mark.asyncio
async def test_tasks_inherit_what_is_bound_and_keep_theirs_apart() -> None:
    async def work(number: int) -> dict[str, object]:
        with bound(number=number):
            await asyncio.sleep(0)
            return fields()

    with bound(tenant="t1"):
        seen = await asyncio.gather(*(work(number) for number in range(100)))
    assert seen == [{"tenant": "t1", "number": number} for number in range(100)]
    assert CONTEXT.get() is EMPTY
