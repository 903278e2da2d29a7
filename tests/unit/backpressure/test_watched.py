"""Callers in line that somebody watches for: foreign code, which may end before or after the wait, or fail where it is called."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from quickwins.backpressure import Gate, Nested
from quickwins.backpressure.errors import CallerGone
from tests.eventually import eventually
from tests.stepping import Moment, cancelled_at

pytestmark = pytest.mark.asyncio


def gate_of_one() -> Gate:
    gate = Gate.queue(target_seconds=30.0, interval_seconds=30.0, nested=Nested.ALLOW)
    gate.bind(1, name="search", registry=CollectorRegistry())
    return gate


async def never_gone() -> None:
    await asyncio.get_running_loop().create_future()


async def slow_to_end() -> None:
    try:
        await never_gone()
    finally:
        await asyncio.sleep(0)


def watched(gate: Gate, gone: Callable[[], Awaitable[object]]) -> Any:
    async def use() -> str:
        permit = await gate.permit().entered(gone)
        permit.done()
        return "served"

    return use


@pytest.mark.parametrize("moment", Moment)
async def test_cancelled_at_each_await_of_a_watched_wait_no_permit_is_lost(moment: Moment) -> None:
    reached, at = True, 0
    while reached:
        at += 1
        gate = gate_of_one()
        first = await gate.permit().entered()
        task = asyncio.ensure_future(cancelled_at(watched(gate, slow_to_end)(), at, moment))
        await eventually(lambda gate=gate, task=task: gate.stats().waiting == 1 or task.done())  # type: ignore[misc]  # -- bound defaults; until=never
        first.done()
        reached, result = await task
        assert result == "served" or isinstance(result, asyncio.CancelledError)
        assert (gate.stats().inflight, gate.stats().waiting) == (0, 0), f"cancelled at suspension {at}"
    assert at == 3, "it waits in line, then for the end of what watches"


def not_a_coroutine_function() -> Any:
    raise LookupError("who is watched")


@pytest.mark.parametrize("gone", [not_a_coroutine_function, lambda: None], ids=["raises", "nothing to await"])
async def test_a_watch_that_fails_where_it_is_called_leaves_no_place_behind(gone: Any) -> None:
    gate = gate_of_one()
    first = await gate.permit().entered()
    with pytest.raises(CallerGone):
        await gate.permit().entered(gone)
    assert gate.stats().waiting == 0
    first.done()
    assert gate.stats().inflight == 0


async def test_what_a_watch_does_before_the_wait_has_begun_is_not_lost(eager: None) -> None:
    gate = gate_of_one()
    first = await gate.permit().entered()

    async def gone() -> None:
        first.done()
        await never_gone()

    second = await gate.permit().entered(gone)
    assert gate.stats().inflight == 1
    second.done()
    assert (gate.stats().inflight, gate.stats().waiting) == (0, 0)
