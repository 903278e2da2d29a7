"""The deadline of the request that is being served, for everything that is asked on its behalf."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_deadline_at: ContextVar[float | None] = ContextVar("quickwins.backpressure.deadline", default=None)


current_deadline = _deadline_at.get
"""When the request at hand has had enough, in seconds of `time.monotonic`; `None` when nobody has said."""


def begin_deadline(seconds: float) -> None:
    """What is asked in this context from now on knows that it has `seconds` left, or less if it had less already."""
    deadline_at = time.monotonic() + seconds
    outer = _deadline_at.get()
    _deadline_at.set(deadline_at if outer is None else min(outer, deadline_at))


@contextmanager
def deadline_in(seconds: float) -> Iterator[None]:
    """Until the end of the block, what is asked knows that it has `seconds` left, or less if it had less already."""
    token = _deadline_at.set(_deadline_at.get())
    begin_deadline(seconds)
    try:
        yield
    finally:
        _deadline_at.reset(token)


@asynccontextmanager
async def deadline(seconds: float) -> AsyncIterator[None]:
    """`asyncio.timeout` that gates know of: who cannot be served in time is refused at once instead of cancelled later.

    Args:
        seconds: From now. The earlier of this and an enclosing one counts.

    Raises (at the end of the block):
        TimeoutError: The time is over.
    """
    async with asyncio.timeout(seconds):
        with deadline_in(seconds):
            yield
