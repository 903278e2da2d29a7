"""Cancels a coroutine at its n-th suspension, for every n, whatever it awaits inside."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.eventually import DEADLINE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator


class Moment(StrEnum):
    """When, at a suspension, the cancellation comes."""

    WAITING = "waiting"
    ANSWERED = "answered"
    """What it waited for has happened, but the task has not run since: a result is on its way and must not be lost."""


class Stepped:
    """Awaits `coroutine` and cancels the task that does so at suspension number `at`; 0 never."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], at: int, moment: Moment) -> None:
        self._coroutine = coroutine
        self._at = at
        self._moment = moment
        self.suspensions = 0

    def __await__(self) -> Generator[Any, None, Any]:
        steps = self._coroutine.__await__()
        go_on: Callable[[], Any] = partial(next, steps)
        while True:
            try:
                awaited = go_on()
            except StopIteration as end:
                return end.value
            self.suspensions += 1
            if self.suspensions == self._at:
                self._cancel_on(awaited)
            try:
                yield awaited
            except BaseException as error:  # noqa: BLE001 -- handed on as it came; until=never
                go_on = partial(steps.throw, error)
            else:
                go_on = partial(next, steps)

    def _cancel_on(self, awaited: asyncio.Future[Any] | None) -> None:
        task = asyncio.current_task()
        assert task is not None
        if awaited is None or self._moment is Moment.WAITING:
            task.cancel()
        else:
            # Called before the wake-up of the task, which adds its own call when we have yielded the future to it.
            awaited.add_done_callback(lambda _: task.cancel())


async def cancelled_at(
    coroutine: Coroutine[Any, Any, Any], at: int, moment: Moment
) -> tuple[bool, BaseException | Any]:
    """Run `coroutine` in a task of its own, cancelled at suspension `at`.

    Returns:
        Whether it got that far, and what it returned or raised.
    """
    stepped = Stepped(coroutine, at, moment)

    async def run() -> Any:
        return await stepped

    task = asyncio.create_task(run())
    done, _ = await asyncio.wait([task], timeout=DEADLINE_SECONDS)
    assert done, f"still waiting after suspension {stepped.suspensions}"
    result = asyncio.CancelledError() if task.cancelled() else (task.exception() or task.result())
    return stepped.suspensions >= at, result
