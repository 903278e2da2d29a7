"""What adapters say, with the context that it was said in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from quickwins.logs._context import CONTEXT
from quickwins.logs.testing import Line, recording


def bound_here() -> dict[str, Any]:
    """What each line says here: the trace's ids, and the fields that are bound."""
    context = CONTEXT.get()
    trace = context.trace
    ids = {} if trace is None else {"trace_id": trace.trace_id, "span_id": trace.span_id}
    return {**ids, **context.fields}


@dataclass(frozen=True)
class Lines:
    """The lines of a recording so far, or those of one event."""

    kept: list[Line]
    event: str = ""

    @property
    def lines(self) -> list[Any]:
        return [line for line in self.kept if line.event == self.event] if self.event else self.kept

    def only(self) -> Any:
        (line,) = self.lines
        return line


@contextmanager
def recorded() -> Iterator[Lines]:
    with recording() as kept:
        yield Lines(kept)
