"""A logger that remembers what adapters say, with the context that it was said in."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from quickwins.logs._context import CONTEXT


def bound_here() -> dict[str, Any]:
    """What each line says here: the trace's ids, and the fields that are bound."""
    context = CONTEXT.get()
    trace = context.trace
    ids = {} if trace is None else {"trace_id": trace.trace_id, "span_id": trace.span_id}
    return {**ids, **context.fields}


@dataclass(frozen=True)
class Line:
    """One call of a logger.

    `fields` are those of the call; `bound` are those of the context.
    """

    level: str
    event: str
    fields: dict[str, Any]
    bound: dict[str, Any]


@dataclass
class Lines:
    """Stands in for a logger."""

    lines: list[Line] = field(default_factory=list)
    level: int = logging.DEBUG

    def _add(self, level: str, event: str, fields: dict[str, Any]) -> None:
        self.lines.append(Line(level, event, fields, bound_here()))

    def debug(self, event: str, /, **fields: Any) -> None:
        self._add("debug", event, fields)

    def info(self, event: str, /, **fields: Any) -> None:
        self._add("info", event, fields)

    def warning(self, event: str, /, **fields: Any) -> None:
        self._add("warning", event, fields)

    def error(self, event: str, /, **fields: Any) -> None:
        self._add("error", event, fields)

    def is_enabled_for(self, level: int) -> bool:
        return level >= self.level

    def only(self) -> Line:
        (line,) = self.lines
        return line


class Somewhere:
    """Where lines go while logging is on; here they are forgotten."""

    threshold = logging.DEBUG

    def emit(self, *record: object) -> None:
        """See `Destination`."""

    def adopt(self) -> None:
        """See `Destination`."""
