"""What writes to the process's own standard output or error: the place that our lines take. Everything else is its owner's.

Descriptors decide, not what `sys.stdout` is: code that puts an object into its place, as `contextlib.redirect_stdout` and
pytest's `capsys` do, wants to have what is written, and finds it there as without us. What redirects the descriptors, as shells and
pytest's `capfd` do, redirects our lines as well.

Only looks, and never raises: handlers and streams are other people's objects.
"""

from __future__ import annotations

import logging
import os
from typing import Any

_NUMBERS = (1, 2)
_NAMES = frozenset(
    {*_NUMBERS, "<stdout>", "<stderr>"}
    | {f"/dev/{one}" for one in ("stdout", "stderr", "fd/1", "fd/2")}
    | {f"/proc/{process}/fd/{number}" for process in ("self", "1") for number in _NUMBERS}
)
"""What streams and files there are called; containers log into `/dev/stdout` and `/proc/1/fd/1`."""


def is_standard(stream: Any) -> bool:
    """Whether what is written to `stream` goes where descriptor 1 or 2 does."""
    try:
        number = stream.fileno()
        if number in _NUMBERS:  # a file gets such a number when it was free: then it has a name of its own
            return getattr(stream, "name", number) in _NAMES
        there = os.fstat(number)
        return any(_is_open_for(one, there) for one in _NUMBERS)
    except Exception:  # noqa: BLE001 -- a stream of anybody's, with or without a descriptor; until=never
        return False


def _is_open_for(number: int, there: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(number), there)
    except OSError:  # closed
        return False


def shows_there(handler: Any) -> bool:
    """Whether a handler of the standard library, or rich's, writes to the process's standard output or error.

    So does the last resort of `logging`, whatever `sys.stderr` is: while ours is on, no record is without a handler.
    """
    try:
        if handler is logging.lastResort:
            return True
        path = getattr(handler, "baseFilename", None)
        if path is not None:  # a file's handler, which may not have opened it yet; cheap, for there are many
            return path in _NAMES
        stream = handler.stream if hasattr(handler, "stream") else getattr(handler, "console", None)
        return is_standard(getattr(stream, "file", stream))  # rich's handler has a console, which has a file
    except Exception:  # noqa: BLE001 -- a handler of anybody's; until=never
        return False
