"""The active span of OpenTelemetry, where the application has imported it: its ids are those of lines and headers.

The rule, first match wins:

1. a span is active whose ids are valid, recording or not, of this process or a caller's -> its ids
2. one was active before in the same request                                             -> the first one's
3. else                                                                                  -> ours, as our adapters have made them

The second is for lines that are written where the span has ended, or isn't active yet: the request's own line, where our
middleware stands outside of OpenTelemetry's, or a handler of errors.

OpenTelemetry is never imported here, nor is anything of its context changed: a span that we put there would turn the server's
span into an inner one.
"""

from __future__ import annotations

import sys
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from quickwins.logs._context import Context
from quickwins.logs._logger import failed
from quickwins.logs._trace.w3c import RANDOM, SAMPLED, Trace, parse_tracestate

if TYPE_CHECKING:
    from collections.abc import Callable

_API = "opentelemetry.trace"
_ANY = object()


NOBODY = Context(MappingProxyType({}))
"""Of what is said of the process itself, whatever request or span is active."""
NOBODY.spanned = _ANY, NOBODY


def finder() -> Callable[[Context], Context] | None:
    """`in_span`, once the application has imported OpenTelemetry; until then `None`."""
    return in_span if _API in sys.modules else None


def in_span(context: Context) -> Context:
    """`context`, with the trace that lines and headers have here. The same object for the same span."""
    api: Any = sys.modules.get(_API)
    if api is None:
        return context
    try:
        span = api.get_current_span().get_span_context()
        known = context.spanned
        if known is not None and (known[0] is span or known[0] is _ANY):
            return known[1]
        trace = _trace_of(span)
    except Exception as broken:  # noqa: BLE001 -- spans may be anybody's, and logging must not fail; until=never
        failed(broken)
        return context
    canonical = context.canonical
    if canonical is not None:
        if canonical.span is None:
            canonical.span = trace
        elif trace is None:
            trace = canonical.span
    if trace is None:
        return context
    made = Context(context.fields, trace=trace, canonical=canonical)
    context.spanned = span, made
    return made


def settled(context: Context) -> Context:
    """`context` for what is said of a request after it: its first span's, whatever is active where that is said."""
    canonical = context.canonical
    if canonical is None or canonical.span is None:
        return context
    made = Context(context.fields, trace=canonical.span, canonical=canonical)
    made.spanned = _ANY, made
    return made


def _trace_of(span: Any) -> Trace | None:
    if not span.is_valid:
        return None
    state = span.trace_state
    return Trace(
        f"{span.trace_id:032x}",
        f"{span.span_id:016x}",
        span.trace_flags & (SAMPLED | RANDOM),
        parse_tracestate(state.to_header()) if state else "",
    )
