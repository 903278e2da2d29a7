"""Where lines go without holding up who logs: a bounded queue in memory, and a writer that empties it into one place."""

from quickwins.logs.sink._buffering import SinkOptions
from quickwins.logs.sink._outlet import Outage
from quickwins.logs.sink._queue import DropReason
from quickwins.logs.sink._sink import Sink, SinkState, SinkStats

__all__ = ["DropReason", "Outage", "Sink", "SinkOptions", "SinkState", "SinkStats"]
