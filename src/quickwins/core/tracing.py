"""The header that takes a trace along, as every edge must read it. Pure.

The rule for `traceparent`, first match wins:

1. longer than `MAX_TRACEPARENT` characters, or not `hh-<32 h>-<16 h>-hh` with h a lower-case hex digit -> invalid
2. version ff, a trace id or a span id of zeros                                                         -> invalid
3. something after the flags: in version 00 -> invalid; in a later one it must begin with `-`, and is not read

Source: W3C Trace Context, level 2 (a superset of level 1): 2.2 `traceparent`, 2.2.4 versions.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"

MAX_TRACEPARENT = 512
"""Characters; versions after 00 may be longer than its 55, and nobody needs more."""

_TRACEPARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL
).fullmatch


def span_named(traceparent: bytes | str) -> tuple[str, str, str, str] | None:
    """The version, the trace id, the span id and the flags in a `traceparent`; `None` when it is invalid."""
    if len(traceparent) > MAX_TRACEPARENT:
        return None
    text = traceparent if isinstance(traceparent, str) else traceparent.decode("latin-1")
    found = _TRACEPARENT(text.strip(" \t"))
    if found is None or (found[1] == "00" and found[5] is not None):
        return None
    return found[1], found[2], found[3], found[4]


def names_span(headers: Iterable[tuple[str, object]]) -> bool:
    """Whether there is one `traceparent` among `headers`, and it is valid.

    It is somebody's who begins a span for this call, or chose where it goes: it stays, and so does its `tracestate`.
    """
    named = [value for name, value in headers if name.lower() == TRACEPARENT]
    return len(named) == 1 and isinstance(named[0], (str, bytes)) and span_named(named[0]) is not None
