"""What writes to the process's standard output or error: the place that our lines take. Everything else is its owner's.

Only looks, and never raises: handlers and streams are other people's objects.
"""

from __future__ import annotations

import sys
from typing import Any

_NAMES = frozenset(
    {1, 2, "<stdout>", "<stderr>"}
    | {f"/dev/{one}" for one in ("stdout", "stderr", "fd/1", "fd/2")}
    | {f"/proc/{process}/fd/{number}" for process in ("self", "1") for number in (1, 2)}
)
"""What such a stream says of itself; containers log into `/dev/stdout` and `/proc/1/fd/1`."""


def is_standard(stream: Any) -> bool:
    """Whether what is written to `stream` goes to standard output or error."""
    if stream is None:
        return False
    try:
        for one in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
            if one is not None and (stream is one or stream is getattr(one, "buffer", None)):
                return True
        return getattr(stream, "name", None) in _NAMES
    except Exception:  # noqa: BLE001 -- a stream of anybody's; until=never
        return False


def shows_there(handler: Any) -> bool:
    """Whether a handler of the standard library, or rich's, writes to standard output or error."""
    try:
        stream = handler.stream if hasattr(handler, "stream") else getattr(handler, "console", None)
        # rich's handler has a console, and a file's may not be open yet.
        return (
            is_standard(getattr(stream, "file", stream)) or getattr(handler, "baseFilename", None) in _NAMES
        )
    except Exception:  # noqa: BLE001 -- a handler of anybody's; until=never
        return False
