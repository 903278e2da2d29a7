"""Ends several things at once, so that the graces they are given do not add up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable


async def close_together(what: str, closings: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all of `closings` to their ends; one that fails keeps none of the others from it.

    Cancelled, it cancels each of them, waits until they have cleaned up, and raises `CancelledError`.

    Args:
        what: What is closed, for the group of errors.
        closings: Each cleans up when it is cancelled.

    Raises:
        BaseException: What the only one that failed has raised.
        BaseExceptionGroup: What several have raised.
    """
    tasks = [asyncio.create_task(closing) for closing in closings]
    if not tasks:
        return
    try:
        # Not `gather`, which cancels at once what has not begun yet, and so would never clean up.
        await asyncio.wait(tasks)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        raise
    failures = [error for task in tasks if (error := _failure(task)) is not None]
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise BaseExceptionGroup(f"closing the {what}", failures)


def _failure(task: asyncio.Task[None]) -> BaseException | None:
    return asyncio.CancelledError() if task.cancelled() else task.exception()
