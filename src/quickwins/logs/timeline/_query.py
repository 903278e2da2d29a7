"""What is asked of logs, and which lines answer it. Pure.

Most lines of a big log are not wanted, and parsing is what costs. So a line is first looked at as bytes: one that does
not hold the id, or whose beginning, if it is as we write it, shows another time or level, is not parsed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickwins.core.errors import ConfigError
from quickwins.logs.timeline._entries import Severity, microseconds, severity, text, written

if TYPE_CHECKING:
    from quickwins.logs.timeline._entries import Parsed

MAX_TRACES = 64
"""How many linked traces are followed, the nearest first: anybody may send one trace id with all their requests."""

_BEGINNING = re.compile(
    rb'\{"timestamp":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)","severity_text":"(DEBUG|INFO|WARN|ERROR|FATAL)"'
)
_SEVERITIES = {one.name.encode(): int(one) for one in Severity}
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?", re.IGNORECASE)
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_AS_WRITTEN = re.compile(r"[A-Za-z0-9_.:@=+-]+")
"""Text that JSON has only one usual way of writing."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which lines are wanted: those that meet all of it.

    Attributes:
        trace: Those of this trace, of traces linked with it, and with it as their `correlation_id`; empty: all.
        since: From this moment on, in microseconds since the epoch; `None`: from the beginning.
        until: Up to and including this moment, in microseconds since the epoch; `None`: to the end.
        severity: At least this bad, as OpenTelemetry counts; 0: all, also those that do not say.
        services: Of these services; empty: all.
    """

    trace: str = ""
    since: int | None = None
    until: int | None = None
    severity: int = 0
    services: frozenset[str] = frozenset()

    def wants(self, one: Parsed) -> bool:
        """Whether a line meets all but `trace`."""
        return (
            (self.since is None or one.micros >= self.since)
            and (self.until is None or one.micros <= self.until)
            and (not self.severity or severity(one.fields) >= self.severity)
            and (not self.services or text(one.fields, "service.name") in self.services)
        )


class Sieve:
    """Tells lines that need no parsing from those that may be wanted, and follows links between traces.

    Attributes:
        traces: The id that was asked for, then those found by links, in the order in which they were found.
        left_out: How many links were not followed, since `MAX_TRACES` were.
    """

    def __init__(self, query: Query) -> None:
        self._query = query
        self._since = None if query.since is None else written(query.since).encode()
        self._until = None if query.until is None else written(query.until).encode()
        self._looks_at_beginning = query.since is not None or query.until is not None or query.severity > 0
        self.traces: dict[str, None] = {}
        self.left_out = 0
        self._needles: list[bytes] = []
        if query.trace:
            self._follow(query.trace)

    def may_want(self, line: bytes) -> bool:
        """Whether `line` may be wanted, as far as its bytes tell."""
        if self._needles:
            for needle in self._needles:  # noqa: SIM110 -- a generator costs more than the search, on every line; until=never
                if needle in line:
                    return True
            return False
        if not self._looks_at_beginning:
            return True
        beginning = _BEGINNING.match(line)
        if beginning is None:
            return True
        time, level = beginning.groups()
        return (
            (self._since is None or time >= self._since)
            and (self._until is None or time <= self._until)
            and _SEVERITIES[level] >= self._query.severity
        )

    def wants(self, one: Parsed) -> bool:
        """Whether a line is wanted. Follows its link, whether it is or not."""
        if self._needles:
            trace, link = text(one.fields, "trace_id"), text(one.fields, "link.trace_id")
            known = self.traces
            if trace not in known and link not in known and text(one.fields, "correlation_id") not in known:
                return False
            for found in (trace, link):
                if found not in known and _TRACE_ID.fullmatch(found):
                    self._follow(found)
        return self._query.wants(one)

    def _follow(self, trace: str) -> None:
        if len(self.traces) > MAX_TRACES:
            self.left_out += 1
            return
        self.traces[trace] = None
        self._needles.append(trace.encode() if _AS_WRITTEN.fullmatch(trace) else b"")


def trace_of(given: str) -> str:
    """The id that somebody pasted: as it is, or out of a whole `traceparent`; hexadecimal ids in lower case.

    Raises:
        ConfigError: There is nothing.
    """
    given = given.strip()
    whole = _TRACEPARENT.fullmatch(given)
    found = whole[1] if whole else given
    if not found:
        raise ConfigError("--trace is empty; it takes a trace_id or a correlation_id")
    return found.lower() if _TRACE_ID.fullmatch(found.lower()) else found


def moment_of(given: str) -> int:
    """The moment that somebody typed, in microseconds since the epoch.

    Args:
        given: ISO 8601 with Z or an offset, or seconds since the epoch.

    Raises:
        ConfigError: It is neither; the message says what is allowed.
    """
    allowed = "allowed: 2026-11-26T01:21:49.123Z, 2026-11-26T03:21:49+02:00, or seconds since 1970 as in 1795656109.123"
    given = given.strip()
    micros = microseconds(given)
    if micros is not None:
        return micros
    if microseconds(f"{given}Z") is not None:
        raise ConfigError(f"{given} may be anywhere in the world; add Z for UTC, or an offset such as +02:00")
    try:
        micros = round(float(given) * 1e6)
    except (ValueError, OverflowError):
        raise ConfigError(f"{given!r} is not a moment; {allowed}") from None
    if microseconds(written(micros)) != micros:
        raise ConfigError(f"{given} is beyond the calendar: seconds are needed, not milliseconds; {allowed}")
    return micros
