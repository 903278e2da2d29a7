"""One line of a log, read: when, whose, how bad. Pure.

Logs are written by others, or by nobody we know: whatever a line holds, reading it ends in an entry or in a flaw.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_LINE_BYTES = 1 << 20
"""A longer line is passed over without being held."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class Flaw(StrEnum):
    """What keeps a line from being an entry."""

    TOO_LONG = "longer than 1 MiB"
    NOT_UTF8 = "not UTF-8"
    NOT_JSON = "not JSON"
    NOT_AN_OBJECT = "JSON, but not an object"
    NO_TIME = "no timestamp in ISO 8601 with Z or an offset"


class Severity(IntEnum):
    """The lowest numbers of OpenTelemetry's severities."""

    DEBUG = 5
    INFO = 9
    WARN = 13
    ERROR = 17
    FATAL = 21


_NUMBERS = {
    "TRACE": 1,
    **{one.name: int(one) for one in Severity},
    "WARNING": int(Severity.WARN),
    "CRITICAL": int(Severity.FATAL),
}


class Entry(NamedTuple):
    """One line. Entries compare in the order of an incident: by time, then service, then `seq`, then place.

    Attributes:
        micros: Microseconds since the epoch.
        service: Its `service.name`; empty: none.
        seq: Its `seq`; -1: none.
        log: Which of the logs it came from, counted from 0.
        number: Its line there, counted from 1.
        line: As it was read, without the line break.
    """

    micros: int
    service: str
    seq: int
    log: int
    number: int
    line: bytes

    def fields(self) -> dict[str, object]:
        """The fields of the line."""
        found = parsed(self.line)
        return {} if isinstance(found, Flaw) else found.fields


@dataclass(frozen=True, slots=True)
class Parsed:
    """A line that is an entry.

    Attributes:
        micros: Its time, in microseconds since the epoch.
        fields: All of it.
    """

    micros: int
    fields: dict[str, object]

    def entry(self, log: int, number: int, line: bytes) -> Entry:
        """The entry, with its place."""
        seq = self.fields.get("seq")
        return Entry(
            self.micros,
            text(self.fields, "service.name"),
            seq if type(seq) is int else -1,
            log,
            number,
            line,
        )


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # NaN and the infinities, which are Python's and not JSON's


_DECODE = json.JSONDecoder(parse_constant=_refuse).decode


def parsed(line: bytes) -> Parsed | Flaw:
    """What `line` says, or what is wrong with it."""
    try:
        fields = _DECODE(line.decode())
    except UnicodeDecodeError:
        return Flaw.NOT_UTF8
    except (
        ValueError,
        RecursionError,
    ):  # also integers of thousands of digits, and lists within lists within lists
        return Flaw.NOT_JSON
    if type(fields) is not dict:
        return Flaw.NOT_AN_OBJECT
    micros = microseconds(fields.get("timestamp"))
    return Flaw.NO_TIME if micros is None else Parsed(micros, fields)


def microseconds(written: object) -> int | None:
    """Microseconds since the epoch; `None` if `written` is not a moment in ISO 8601 with Z or an offset."""
    if type(written) is not str:
        return None
    try:
        moment = datetime.fromisoformat(written)
        # To UTC here, where the first and the last hours of the calendar may fall over its edge.
        return None if moment.tzinfo is None else (moment.astimezone(UTC) - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        return None


def written(micros: int) -> str:
    """The moment, as our own lines have it: UTC, to the microsecond; the calendar's first or last one beyond it."""
    try:
        moment = _EPOCH + micros * _MICROSECOND
    except OverflowError:
        moment = _LATEST if micros > 0 else _EARLIEST
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def severity(fields: Mapping[str, object]) -> int:
    """OpenTelemetry's number for how bad it is; 0: the line does not say."""
    number = fields.get("severity_number")
    if type(number) is int:
        return number
    return _NUMBERS.get(text(fields, "severity_text").upper(), 0)


def text(fields: Mapping[str, object], name: str) -> str:
    """The field, if it is a string; otherwise nothing."""
    value = fields.get(name)
    return value if type(value) is str else ""
