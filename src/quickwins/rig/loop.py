"""An event loop whose timers are finer than a millisecond, for load that keeps to its schedule."""

from __future__ import annotations

import asyncio
import selectors


def fine_loop() -> asyncio.SelectorEventLoop:
    """A loop on `select(2)`, for `asyncio.Runner(loop_factory=fine_loop)`.

    The default loop waits by `epoll_wait`, which counts in whole milliseconds and rounds up: arrivals nearer to each other
    than that come in bunches, which a gate without a line refuses more of than of a true Poisson process. `select` counts in
    microseconds. It serves file descriptors below 1,024 only, so it is for measuring, not for serving.
    """
    return asyncio.SelectorEventLoop(selectors.SelectSelector())
