"""Where a request stands in a distributed trace: strict parsing, and new ids. No I/O, no clock, no randomness of its own.

What a `traceparent` may look like is `core.tracing`'s to say.

The trap: a header that cannot be read is never fatal, and never half used. Without a `traceparent` there is no
`tracestate`; a `tracestate` with one wrong member is dropped as a whole, and the trace stays.

Sources: W3C Trace Context, level 2 (a superset of level 1): 2.2 `traceparent`, 2.3 `tracestate`, 2.2.4 versions.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

from quickwins.core.tracing import MAX_TRACEPARENT, span_named

MAX_TRACESTATE = 512
"""Characters of all `tracestate` headers of a request together; a longer one is dropped."""

MAX_MEMBERS = 32
MAX_CORRELATION = 64

SAMPLED = 0x01
"""The caller may have recorded this request. Set in traces that begin here: each request leaves a line."""

RANDOM = 0x02
"""The trace id is random, so its bytes may be used for sampling."""

_CURRENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-(0[0-3])").fullmatch
_FLAGS = {"00": 0, "01": 1, "02": 2, "03": 3}
_WRITTEN = tuple(_FLAGS)
_MEMBER = re.compile(r"([a-z0-9][a-z0-9_\-*/@]{0,255})=[ -+\--<>-~]{0,255}[!-+\--<>-~]").fullmatch
_NO_TRACE = "0" * 32
_NO_SPAN = "0" * 16
# Sixteen to nineteen decimal digits are hexadecimal, too, and look like the number of a card.
_PUBLIC = re.compile(
    r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"
    r"|(?![0-9]{16,19}\Z)[0-9A-Fa-f]{16,64}"
    r"|([0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25})"
).fullmatch
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch


class Bits(Protocol):
    """A source of randomness, such as the module `random`, which begins anew in a forked process."""

    def getrandbits(self, k: int, /) -> int:
        """A whole number of `k` random bits."""
        ...


class Trace(NamedTuple):
    """One span of a trace, immutable. A tuple, since a frozen dataclass takes half a microsecond more to make.

    Attributes:
        trace_id: 32 lower-case hex digits, not all zero.
        span_id: 16 of them, not all zero: this piece of work.
        flags: `SAMPLED`, `RANDOM`, or both.
        tracestate: What tracing systems said of it, as it goes into a header; empty: nothing.
    """

    trace_id: str
    span_id: str
    flags: int
    tracestate: str = ""

    @property
    def traceparent(self) -> str:
        """The header that says so, in version 00."""
        return f"00-{self[0]}-{self[1]}-{_WRITTEN[self[2]]}"

    def child(self, rng: Bits, tracestate: str = "") -> Trace:
        """A new span of the same trace, with that `tracestate`, or its own."""
        while True:
            span_id = rng.getrandbits(64).to_bytes(8).hex()
            if span_id != _NO_SPAN:
                return _new(Trace, (self[0], span_id, self[2], tracestate or self[3]))


_new = tuple.__new__  # half of what the constructor of a named tuple takes


def new_trace(rng: Bits) -> Trace:
    """The first span of a new trace."""
    while True:
        digits = rng.getrandbits(192).to_bytes(24).hex()
        trace_id, span_id = digits[:32], digits[32:]
        if trace_id != _NO_TRACE and span_id != _NO_SPAN:
            return _new(Trace, (trace_id, span_id, SAMPLED | RANDOM, ""))


def parse_traceparent(value: bytes | str) -> Trace | None:
    """The span that a `traceparent` header names, without its `tracestate`; `None` when it names none.

    Flags that nobody has defined yet are not passed on; of a later version only `SAMPLED` is understood.
    """
    if len(value) > MAX_TRACEPARENT:
        return None
    text = value if isinstance(value, str) else value.decode("latin-1")
    found = _CURRENT(text)
    if found is not None:
        trace_id, span_id, flags = found.groups()
        return _new(Trace, (trace_id, span_id, _FLAGS[flags], ""))
    named = span_named(text)
    if named is None:
        return None
    version, trace_id, span_id, flags = named
    return Trace(trace_id, span_id, int(flags, 16) & (SAMPLED | RANDOM if version == "00" else SAMPLED))


def parse_tracestate(value: bytes | str) -> str:
    """The `tracestate` to pass on: `value`, several headers joined with commas, without what is optional in it.

    Of members with the same key the first is kept, which is the newest.

    Returns:
        Empty for one that does not follow the grammar, has more than `MAX_MEMBERS`, or is too long.
    """
    if not value or len(value) > MAX_TRACESTATE:
        return ""
    text = value if isinstance(value, str) else value.decode("latin-1")
    members: dict[str, str] = {}
    for part in text.split(","):
        member = part.strip(" \t")
        if not member:
            continue
        found = _MEMBER(member)
        if found is None:
            return ""
        members.setdefault(found[1], member)
        if len(members) > MAX_MEMBERS:
            return ""
    return ",".join(members.values())


def parse_correlation(value: object, *, trusted: bool) -> str | None:
    """A correlation id from outside, written our way; `None` for anything else, which must never be shown.

    From anybody: a UUID, with hyphens or without, 16 to 64 hex digits, or a ULID, all in either case. From a trusted
    caller also 1 to 64 letters, digits, `_` and `-`.
    """
    if not isinstance(value, (str, bytes)) or not 0 < len(value) <= MAX_CORRELATION:
        return None
    text = value if isinstance(value, str) else value.decode("latin-1")
    found = _PUBLIC(text)
    if found is not None:
        return text.upper() if found.lastindex else text.lower()
    if trusted and _TOKEN(text) is not None:
        return text
    return None
