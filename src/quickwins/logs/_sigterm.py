"""SIGTERM in a process that has no handler for it: its default action ends the process at once, with what is queued.

The rule: the lines first, then what the signal would have done without us.

The trap: a handler runs between any two steps of the main thread, which may hold a lock that closing needs. So another
thread closes, and is waited for no longer than the limit.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

from quickwins.core.errors import ConfigError
from quickwins.logs import _logger
from quickwins.logs._logger import CLOSE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_MARGIN_SECONDS = 0.25
"""How much longer than its limit closing may take, which looks at the time in steps."""


def close_on_sigterm(timeout_seconds: float = CLOSE_SECONDS) -> None:
    """At SIGTERM, close what `configure_logging` began, and end the process as the signal does by default.

    For programs that nobody else ends well: scripts, consumers, a `grpc.aio` server. uvicorn, gunicorn, hypercorn and others
    have a handler of their own. Where one was set before this call, it runs as before, as soon as what is queued is written;
    whether the process ends is its decision. One that is set later, as by `loop.add_signal_handler`, takes this one's place.
    Where the signal is ignored it stays so. Calling it again changes the limit.

    Args:
        timeout_seconds: How long to wait for a slow reader.

    Raises:
        ConfigError: Called in another thread than the main one, or the handler that is set isn't Python's: it would be lost.
    """
    before: Any = signal.getsignal(signal.SIGTERM)
    if before is signal.SIG_IGN:
        return
    if before is None:
        raise ConfigError("SIGTERM has a handler already that is not Python's, and can't be called from here")
    if isinstance(before, _AtSigterm):
        before = before.before
    try:
        signal.signal(signal.SIGTERM, _AtSigterm(before, timeout_seconds))
    except ValueError:
        raise ConfigError(
            "close_on_sigterm() was called in another thread than the main one, where no handler can be set"
        ) from None


class _AtSigterm:
    """The handler.

    Attributes:
        before: The one before it: `SIG_DFL`, or a function.
    """

    def __init__(self, before: Any, timeout_seconds: float) -> None:
        self.before = before
        self._timeout_seconds = timeout_seconds
        self._writing = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        ends = self.before is signal.SIG_DFL
        destination = _logger.current
        if self._writing:  # a second signal meanwhile
            if not ends:
                self.before(number, frame)
            return
        if destination is not None:
            self._writing = True
            self._within_limit(destination.close if ends else destination.flush)
            self._writing = False
        if not ends:
            self.before(number, frame)
            return
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
        os._exit(128 + number)  # the first process of a container has no default action

    def _within_limit(self, write: Callable[[float], object]) -> None:
        limit = self._timeout_seconds
        thread = threading.Thread(target=write, args=(limit,), name="quickwins-log-sigterm", daemon=True)
        try:
            thread.start()
        except (RuntimeError, MemoryError):  # there is none to be had, and nothing to wait for
            return
        thread.join(limit + _MARGIN_SECONDS)
