"""Metadata that goes along with each call, such as a trace, without an interceptor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from quickwins.core.events import CALL_METADATA_FAILED
from quickwins.core.tracing import TRACEPARENT, TRACESTATE, names_span

if TYPE_CHECKING:
    from quickwins.core.events import Reporter

Metadata = Sequence[tuple[str, str | bytes]]
AddedMetadata = Callable[[str], Metadata]
"""Given a method's full name, it returns metadata for one call."""

_TRACE = (TRACEPARENT, TRACESTATE)


class Added:
    """What a function adds. When it raises, the call goes without, and one event says so."""

    __slots__ = ("_failed", "_function", "_reporter")

    def __init__(self, function: AddedMetadata, reporter: Reporter) -> None:
        self._function = function
        self._reporter = reporter
        self._failed = False

    def to(self, path: str, given: Any) -> Any:
        """The metadata of a call of `path` whose caller has `given` some."""
        try:
            return _with(self._function(path), given)
        except Exception as error:  # noqa: BLE001 -- what goes along with a call is no reason to fail it; until=never
            if not self._failed:
                self._failed = True
                self._reporter.report(CALL_METADATA_FAILED, error=type(error).__name__)
            return given


def _with(more: Metadata, given: Any) -> Any:
    """`given` and `more`, which replaces what has the same name, but for a trace."""
    if not more:
        return given
    if not given:
        return tuple(more)
    if names_span(given):
        more = [pair for pair in more if pair[0] not in _TRACE]
    names = {name for name, _ in more}
    return (*((name, value) for name, value in given if name not in names), *more)
