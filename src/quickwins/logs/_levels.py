"""The five severities, as OpenTelemetry's log data model numbers and names them."""

from __future__ import annotations

import logging
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Level:
    """One severity.

    Attributes:
        name: As settings and metrics write it.
        number: `logging`'s number for it.
        severity: OpenTelemetry's number for it (log data model, `SeverityNumber`).
        text: As a line shows it.
        index: Its place in `LEVELS`.
    """

    name: str
    number: int
    severity: int
    text: str
    index: int


DEBUG = Level("debug", logging.DEBUG, 5, "DEBUG", 0)
INFO = Level("info", logging.INFO, 9, "INFO", 1)
WARNING = Level("warning", logging.WARNING, 13, "WARN", 2)
ERROR = Level("error", logging.ERROR, 17, "ERROR", 3)
CRITICAL = Level("critical", logging.CRITICAL, 21, "FATAL", 4)
LEVELS = (DEBUG, INFO, WARNING, ERROR, CRITICAL)


_BY_NAME = {
    **{level.name: level for level in LEVELS},
    "notset": DEBUG,
    "trace": DEBUG,
    "warn": WARNING,
    "fatal": CRITICAL,
}


def level_of(given: object) -> Level:
    """The level that is meant: of a `logging` number the highest one that is not above it, or `DEBUG`.

    Names are understood as well, in any case. What is no level is a `WARNING`: a call must not fail, or go unseen, for that.
    """
    kind = type(given)
    if issubclass(kind, (int, float)):
        for level in reversed(LEVELS):
            if given >= level.number:  # type: ignore[operator]  # -- a number, as just seen; until=never
                return level
        return DEBUG
    return _BY_NAME.get(str.__str__(given).lower(), WARNING) if issubclass(kind, str) else WARNING
