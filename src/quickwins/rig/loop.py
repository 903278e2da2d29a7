"""An event loop with timers finer than a millisecond, for load that keeps to its schedule."""

from __future__ import annotations

import asyncio
import selectors


def fine_loop() -> asyncio.SelectorEventLoop:
    """A loop that uses `select(2)`, for `asyncio.Runner(loop_factory=fine_loop)`.

    The default loop waits with `epoll_wait`, which counts whole milliseconds and rounds up: arrivals closer together than
    that come in bunches, and a gate without a line refuses more of those than of a true Poisson process. `select` counts
    microseconds. It only works with file descriptors below 1,024, so it is for measuring, not for serving.
    """
    return asyncio.SelectorEventLoop(selectors.SelectSelector())
