"""Where lines go without holding up the code that logs: a bounded queue in memory, and a writer that empties it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.logs.sink._buffering import SinkOptions
    from quickwins.logs.sink._outlet import Outage
    from quickwins.logs.sink._queue import DropReason
    from quickwins.logs.sink._sink import Sink, SinkState, SinkStats

__all__ = [
    "DropReason",
    "Outage",
    "Sink",
    "SinkOptions",
    "SinkState",
    "SinkStats",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "DropReason": "_queue",
        "Outage": "_outlet",
        "Sink": "_sink",
        "SinkOptions": "_buffering",
        "SinkState": "_sink",
        "SinkStats": "_sink",
    },
)
