"""The deadline of the request that is being served, for everything that waits on its behalf.

It is fixed once, at the door, and whatever waits below takes the earlier one of its own and the request's:

    with within(seconds):                             # an ASGI door; a gRPC call begins one for its whole context
        limit = earliest(timeout_seconds, clock.monotonic())
        ...                                           # wait until `limit.at`

The rule: an inner deadline can move an outer one closer, never further away. Whoever gives up because of one looks at
`of_request`: if that is true the request has no time left, and the error is a `core.errors.DeadlineExceeded`; if not, it
is the time-out of one caller, who may go on.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from quickwins.core.clock import Deadline, SystemClock
from quickwins.core.contexts import leave
from quickwins.core.edge import known
from quickwins.core.errors import DeadlineExceeded
from quickwins.core.given import number
from quickwins.core.lazy import shows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from quickwins.core.clock import Clock

__all__ = ["NEVER", "begin", "current", "deadline", "earliest", "within"]
__dir__ = shows(__name__)

_REQUEST: ContextVar[Deadline | None] = ContextVar("quickwins.deadline", default=None)

NEVER = Deadline.after(None, 0.0)
"""That of a caller who may wait for ever."""

# A named tuple's own constructor is Python code, and takes more than twice as long.
_made = tuple.__new__

current = _REQUEST.get
"""The deadline of the request at hand; `None` when nobody has set one."""


def earliest(timeout_seconds: float | None, now: float) -> Deadline:
    """The request's deadline, or the one `timeout_seconds` from `now`, whichever comes first; `NEVER` without either."""
    request = _REQUEST.get()
    if timeout_seconds is None:
        return NEVER if request is None else request
    at = now + timeout_seconds
    return _made(Deadline, (at, timeout_seconds, False)) if request is None or at < request.at else request


def begin(seconds: float, *, clock: Clock | None = None) -> Deadline:
    """Give the request at hand `seconds` from now on, for the rest of this context, and tell its deadline.

    Args:
        seconds: How long; an earlier deadline that it has already stays.
        clock: The one that everything below it reads; the system's when `None`.

    Raises:
        ConfigError: `seconds` is no number.
    """
    number("seconds", seconds)
    now = (SystemClock() if clock is None else clock).monotonic()
    request = _REQUEST.get()
    if request is None or now + seconds < request.at:
        request = Deadline(now + seconds, seconds, of_request=True)
        _REQUEST.set(request)
    return request


@contextmanager
def within(seconds: float, *, clock: Clock | None = None) -> Iterator[Deadline]:
    """`begin` for a block instead of the rest of the context. Nothing is cancelled: those who wait look at it."""
    token = _REQUEST.set(_REQUEST.get())
    try:
        yield begin(seconds, clock=clock)
    finally:
        leave(_REQUEST, token)


@asynccontextmanager
async def deadline(seconds: float, *, clock: Clock | None = None) -> AsyncIterator[None]:
    """`asyncio.timeout` that gates, channels and caches know of: what cannot be done in time is refused at once.

    Args:
        seconds: From now. The earlier of this and the request's own counts.
        clock: The one that everything in the block reads; the system's when `None`. The block itself is cancelled by the
            event loop's.

    Raises (at the end of the block):
        DeadlineExceeded: The time is over; it is a `TimeoutError`.
    """
    clock = SystemClock() if clock is None else clock
    with within(seconds, clock=clock) as request:
        timeout = asyncio.timeout(request.remaining(clock.monotonic()))
        try:
            async with timeout:
                yield
        except TimeoutError as late:
            if not timeout.expired() or isinstance(late, DeadlineExceeded):
                raise
            raise known(DeadlineExceeded(f"not done within the {request} asked for")) from late
