"""What a request brings along and takes with it: headers to a context, and a context to headers.

The rule: a trusted caller's trace goes on, with a new span. Any other request gets a new trace, and the one that its
caller named is kept as a link. A missing or invalid correlation id becomes the trace's id.

The trap: a server may run one request inside the context of another (uvicorn does, when requests are pipelined).
Fields are therefore inherited from a context that belongs to no request, such as the process's own, and from no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, TypeVar

from quickwins.core.tracing import TRACEPARENT, TRACESTATE, names_span
from quickwins.logs._context import MAX_FIELDS, Canonical, Context
from quickwins.logs._trace.fresh import fresh
from quickwins.logs._trace.w3c import MAX_TRACESTATE, parse_correlation, parse_traceparent, parse_tracestate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from quickwins.logs._trace.w3c import Bits

CORRELATION = "x-correlation-id"

NAMES = {TRACEPARENT: 0, TRACESTATE: 1, CORRELATION: 2}
"""The headers that are read, in lower case, and their places among what is found."""

NAMES_IN_BYTES = {name.encode(): place for name, place in NAMES.items()}

Found: TypeAlias = "tuple[bytes | str | None, bytes | str | None, bytes | str | None]"

_NOTHING: Found = (None, None, None)
_TWICE = b""
_K = TypeVar("_K", str, bytes)
_V = TypeVar("_V")


def pick(headers: Iterable[tuple[_K, bytes | str]], names: Mapping[_K, int]) -> Found:
    """The three headers' values, in one pass.

    Several `tracestate` headers count as one. Two of any other are invalid: nobody can tell which one is meant.
    """
    found: list[bytes | str | None] | None = None
    for name, value in headers:
        if name in names:
            if found is None:
                found = [None, None, None]
            place = names[name]
            before = found[place]
            if before is None:
                found[place] = value
            elif place != 1:
                found[place] = _TWICE
            elif len(before) <= MAX_TRACESTATE:
                found[place] = f"{_text(before)},{_text(value)}"
    return _NOTHING if found is None else (found[0], found[1], found[2])


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def begin(outer: Context, found: Found, trusted: bool, rng: Bits, canonical: Canonical | None) -> Context:
    """The context of a request. By places: a keyword keeps the interpreter from its quick way to call.

    Args:
        outer: The one that is in force.
        found: What the request brought (`pick`).
        trusted: Whether its trace is continued.
        rng: For the new ids.
        canonical: What the request's one line will say, to which a link is added; `None`: it has no such line, and
            the link is bound.
    """
    traceparent, tracestate, correlation = found
    caller = None if traceparent is None else parse_traceparent(traceparent)
    known = None if correlation is None else parse_correlation(correlation, trusted=trusted)
    inherited: Mapping[str, object] = outer.fields if outer.canonical is None else {}
    links: dict[str, object] = {}
    if caller is not None and trusted:
        trace = caller.child(rng, parse_tracestate(tracestate) if tracestate else "")
    else:
        context = fresh(rng)
        if caller is not None:
            links = {"link.trace_id": caller.trace_id, "link.span_id": caller.span_id}
            if canonical is not None:
                canonical.update(links)
                links = {}
        if known is None and not inherited and not links:
            context.canonical = canonical
            return context  # nearly always
        assert context.trace is not None
        trace = context.trace
    # First, so that it is never what is left out.
    fields: dict[str, object] = {"correlation_id": known or trace.trace_id, **links}
    if inherited:
        fields = dict(list({**fields, **inherited, **fields}.items())[:MAX_FIELDS])
    return Context(fields, trace=trace, canonical=canonical)


def joined(
    theirs: Iterable[tuple[str, _V]], ours: list[tuple[str, str]]
) -> tuple[list[tuple[str, _V]], list[tuple[str, str]]]:
    """What stays of the headers that are there, and what comes to them of `ours`.

    A trace that is there stays (`names_span`). Otherwise what has our names is replaced: two of a kind would mean nothing.
    """
    there = list(theirs)
    if not there:
        return there, ours
    if names_span(there):
        ours = [pair for pair in ours if pair[0] == CORRELATION]
        return [pair for pair in there if pair[0].lower() != CORRELATION], ours
    return [pair for pair in there if pair[0].lower() not in NAMES], ours


def departing(context: Context) -> list[tuple[str, str]]:
    """The headers that take `context` to another process, in ASCII; empty outside a trace."""
    trace = context.trace
    if trace is None:
        return []
    headers = [(TRACEPARENT, trace.traceparent)]
    if trace.tracestate:
        headers.append((TRACESTATE, trace.tracestate))
    # Anybody may have bound anything under the name; most often it is the trace's own, which needs no check.
    correlation = context.fields.get("correlation_id")
    if type(correlation) is not str:
        correlation = None
    elif correlation != trace.trace_id:
        correlation = parse_correlation(correlation, trusted=True)
    if correlation is not None:
        headers.append((CORRELATION, correlation))
    return headers
