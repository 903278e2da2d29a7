"""What a closed terminal says, and what `nohup` makes of it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def children_take_sighup_by(handler: signal.Handlers) -> Iterator[None]:
    """What ignores a signal hands that down, and these tests may themselves run under `nohup`."""
    before = signal.signal(signal.SIGHUP, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
