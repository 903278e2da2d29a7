"""A wait in line that ends when the one it is for has gone. Who says so is foreign code."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from quickwins.backpressure._core.verdict import IGNORED
from quickwins.backpressure.errors import CallerGone

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quickwins.backpressure._core.line import Waiter
    from quickwins.backpressure._hold import Hold
    from quickwins.backpressure._waiting import GateShell


async def unless(
    gone: Callable[[], Awaitable[object]],
    waiting: Awaitable[None],
    shell: GateShell,
    hold: Hold[Any],
    waiter: Waiter,
) -> None:
    """Be `waiting` for `hold` in the place of `waiter`, until somebody has `gone`, at most.

    Raises:
        CallerGone: They have, or nobody could say whether they had.
    """

    async def watch() -> None:
        await gone()  # called here, so that failing at the call ends the watch like any other failure

    # A factory of eager tasks runs its beginning here: whatever that does to our place, `waiting` finds it done.
    leaving = asyncio.ensure_future(watch())
    leaving.add_done_callback(lambda _: shell.interrupt(waiter))
    try:
        await waiting
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if leaving.done() and not leaving.cancelled() and not (task and task.cancelling()):
            raise CallerGone("the caller this was for has gone") from leaving.exception()
        raise
    finally:
        leaving.cancel()
        try:
            await asyncio.wait([leaving])
        except asyncio.CancelledError:
            shell.leave(hold, IGNORED)  # given meanwhile, and nobody will enter with it
            raise
