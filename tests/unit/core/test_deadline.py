"""A request's deadline is fixed once, is known to all that waits for it, and ends with the request."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from contextvars import copy_context
from typing import Any

import pytest

from quickwins.core.clock import Deadline, FakeClock
from quickwins.core.deadline import NEVER, begin, current, deadline, earliest, within
from quickwins.core.errors import ConfigError, DeadlineExceeded


def test_without_a_deadline_and_a_time_out_one_waits_for_ever() -> None:
    assert current() is None
    assert earliest(None, 1.0) is NEVER
    assert not NEVER.passed(1e300)


@pytest.mark.parametrize(
    ("timeout", "expected"),
    [
        pytest.param(None, Deadline(1_005.0, 5.0, of_request=True), id="none of its own"),
        pytest.param(60.0, Deadline(1_005.0, 5.0, of_request=True), id="the request's is first"),
        pytest.param(
            5.0, Deadline(1_005.0, 5.0, of_request=True), id="the request's, when they are the same"
        ),
        pytest.param(4.0, Deadline(1_004.0, 4.0, of_request=False), id="its own is first"),
    ],
)
def test_of_the_requests_deadline_and_ones_own_the_earlier_counts_and_says_whose_it_is(
    timeout: float | None, expected: Deadline
) -> None:
    with within(5.0, clock=FakeClock()):
        assert earliest(timeout, FakeClock().monotonic()) == expected


def test_an_error_may_name_what_was_asked_for_and_not_what_was_left_of_it() -> None:
    clock = FakeClock()
    with within(0.08, clock=clock):
        clock.now += 0.0799
        assert str(earliest(None, clock.monotonic())) == "0.08 s"


def test_an_inner_deadline_moves_the_outer_one_closer_and_never_away() -> None:
    clock = FakeClock()
    with within(1.0, clock=clock) as outer:
        with within(100.0, clock=clock) as later:
            assert later is outer is current()
        with within(0.5, clock=clock) as inner:
            assert inner.at < outer.at
            assert current() is inner
        assert current() is outer
    assert current() is None


def test_a_context_keeps_what_was_begun_in_it_and_no_other_does() -> None:
    def call() -> Deadline | None:
        begin(2.0, clock=FakeClock())
        begin(3.0, clock=FakeClock())
        return current()

    assert copy_context().run(call) == Deadline(1_002.0, 2.0, of_request=True)
    assert current() is None


def test_a_deadline_that_is_left_in_another_context_leaves_that_one_alone() -> None:
    def dependency() -> Iterator[None]:
        with within(5.0):
            yield

    began, ended = copy_context(), copy_context()
    steps = dependency()
    began.run(next, steps)
    other = ended.run(begin, 60.0)
    with pytest.raises(StopIteration):
        ended.run(next, steps)
    assert ended.run(current) is other
    assert current() is None


@pytest.mark.asyncio
async def test_a_stream_that_its_reader_drops_may_be_closed_in_any_task() -> None:
    async def stream() -> AsyncGenerator[int]:
        async with deadline(60.0):
            yield 1

    async def first() -> int:
        return await anext(messages)

    async with aclosing(stream()) as messages:
        assert await asyncio.create_task(first()) == 1
        assert current() is None
    assert current() is None


@pytest.mark.asyncio
async def test_a_block_is_ended_by_its_deadline_which_everything_in_it_knows() -> None:
    async with deadline(60.0):
        known = current()
        assert known is not None
        assert 50 < known.at - time.monotonic() <= 60
    with pytest.raises(DeadlineExceeded, match=r"^not done within the 0\.001 s asked for$") as caught:
        async with deadline(0.001):
            await asyncio.Event().wait()
    assert isinstance(caught.value, TimeoutError)
    assert current() is None


@pytest.mark.asyncio
async def test_a_block_inside_of_a_request_ends_when_the_request_does() -> None:
    with within(0.001), pytest.raises(DeadlineExceeded, match=r"within the 0\.001 s"):
        async with deadline(60.0):
            await asyncio.Event().wait()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "error", [TimeoutError("a hook's own"), DeadlineExceeded("a gate's"), KeyError("x")], ids=repr
)
async def test_what_else_a_block_raises_stays_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        async with deadline(60.0):
            raise error
    assert caught.value is error


@pytest.mark.parametrize("seconds", [None, "1", math.nan, True])
@pytest.mark.asyncio
async def test_what_is_no_number_of_seconds_is_refused_at_the_door(seconds: Any) -> None:
    with pytest.raises(ConfigError, match=r"^seconds=.* is not allowed: a number$"):
        async with deadline(seconds):
            pass
    assert current() is None
