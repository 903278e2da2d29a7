"""Requests as they came: the bytes of one are a name of the answer that it was given, found before anything is parsed.

A name is made of all that the answer's key is made of: who was asked, the method, the body or the query string as it came,
whose the request is, and what it has for all that the answer varies on. So what is found by it is what would be found by
the key, and it is judged by the same fence and the same time.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from quickwins.core.digest import digest
from quickwins.query_cache._headers import matches
from quickwins.query_cache._observed import values_of

if TYPE_CHECKING:
    from quickwins.core.asgi import Scope
    from quickwins.query_cache._core.memory import Slot
    from quickwins.query_cache._known import Known
    from quickwins.query_cache._serving import Serving
    from quickwins.query_cache._store import Entry

MOST_BODY = 256 << 10
"""How much of a request's body is looked at, in bytes; a longer one is executed as if it had never been seen."""
MOST_VARYING = 10_000
"""How many contents are remembered by what their answers vary on, some 200 bytes each; those past it are parsed."""
_OK, _NOT_MODIFIED = 200, 304
_TELLING = {b"content-type", b"if-none-match", b"accept", b"content-encoding", b"range"}
_JSON = re.compile(rb"\s*application/json\s*(;|\Z)", re.IGNORECASE)


class Raw:
    """A request as it came.

    Attributes:
        method: GET, HEAD or POST.
        content: Its query string; for a POST its body, which is filled in where it is received.
        if_none_match: The header.
    """

    __slots__ = ("content", "if_none_match", "method")

    def __init__(self, method: str, content: bytes, if_none_match: bytes | None) -> None:
        self.method = method
        self.content = content
        self.if_none_match = if_none_match


def look_at(scope: Scope) -> Raw | None:
    """One pass over the headers; `None`: not a request that is known by its bytes."""
    method: str = scope["method"]
    is_json = method != "POST"
    if is_json and method not in {"GET", "HEAD"}:
        return None
    query: bytes = scope.get("query_string", b"")
    if query and not is_json:
        return None
    if_none_match = None
    for name, value in scope["headers"]:
        if name not in _TELLING:
            continue
        if name == b"content-type":
            is_json = is_json or value == b"application/json" or _JSON.match(value) is not None
        elif name == b"if-none-match":
            if_none_match = value
        elif name == b"accept":
            if b"multipart" in value or b"event-stream" in value or (b"html" in value and method == "GET"):
                return None
        else:
            return None
    return Raw(method, query, if_none_match) if is_json else None


class _Ready:
    """What is sent with one stored answer, made once for each second of its age."""

    __slots__ = ("counted", "ends_at", "headers", "known", "older_at", "version")

    def __init__(self, entry: Entry, known: Known) -> None:
        self.known = known
        self.version = known.version
        self.counted = (entry.policy, "l1")
        self.ends_at = entry.stored_at + entry.ttl_seconds
        self.older_at = -math.inf
        self.headers: list[tuple[bytes, bytes]] = []

    def holds(self, now: float) -> bool:
        """Whether the answer is fresh, and nothing was learned of its document since: it may be private, or vary on more."""
        return now < self.ends_at and self.known.version == self.version


class RawAnswers:
    """The answers that one view, or one middleware, has given, by the requests as they came. One event loop."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._memory = serving.memory
        self._hits = serving.counts.hits
        self._vary: dict[bytes, tuple[str, ...]] = {}

    def __len__(self) -> int:
        """How many contents are remembered by what their answers vary on."""
        return len(self._vary)

    def find(self, scope: Scope, raw: Raw, owner: str | None, now: float) -> Slot | None:
        """What is stored for `raw` of `owner`, as fresh as what is found by its key.

        Args:
            scope: Its own.
            raw: It.
            owner: Its principal's pseudonym; `None`: what is public alone.
            now: Monotonic seconds.
        """
        content = raw.content
        if len(content) > MOST_BODY:
            return None
        method = "GET" if raw.method == "HEAD" else raw.method
        values: tuple[str | None, ...] = ()
        if self._vary and (names := self._vary.get(digest(content))) is not None:
            values = values_of(scope, names)
        slot = self._memory.get_alias((self, method, "", content, values), now)
        if slot is not None and slot.start.holds(now):
            return slot
        if owner is not None:
            slot = self._memory.get_alias((self, method, owner, content, values), now)
            if slot is not None and slot.start.holds(now):
                return slot
        return None

    def remember(self, scope: Scope, raw: Raw, slot: Slot, known: Known, owner: str | None) -> None:
        """`raw` of `owner` was answered with `slot`, whose document is `known`."""
        entry = slot.entry
        whose = owner if known.private else ""
        if whose is None or len(raw.content) > MOST_BODY:
            return
        if (entry.scope == "PRIVATE", entry.vary) != (known.private, known.vary):
            return
        values: tuple[str | None, ...] = ()
        if known.vary:
            if len(self._vary) >= MOST_VARYING:
                del self._vary[next(iter(self._vary))]
            self._vary[digest(raw.content)] = known.vary
            values = values_of(scope, known.vary)
        ready: _Ready | None = slot.start
        if ready is None or ready.known is not known or ready.version != known.version:
            slot.start = _Ready(entry, known)
        size = len(raw.content) + sum(len(value or "") for value in values)
        self._memory.name(slot, (self, raw.method, whose, raw.content, values), size)

    def answer(self, slot: Slot, raw: Raw, now: float) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """The status, the headers and the body of a response with `slot`, which `find` has found; counts the hit."""
        entry = slot.entry
        ready: _Ready = slot.start
        self._hits[ready.counted] += 1
        if now >= ready.older_at:
            said = self._serving.said(slot, is_new=False)
            ready.headers = [
                (b"content-type", entry.content_type.encode()),
                (b"content-length", b"%d" % len(entry.body)),
                *((name.encode(), value.encode()) for name, value in said.headers()),
            ]
            ready.older_at = entry.stored_at + int(now - entry.stored_at) + 1
        # Of their own for each response: what is outside of this may change them.
        headers = list(ready.headers)
        if raw.method == "POST":
            return _OK, headers, entry.body
        asked = raw.if_none_match
        if asked is not None and matches(entry.etag, asked.decode("latin-1")):
            return _NOT_MODIFIED, headers[2:], b""
        return _OK, headers, b"" if raw.method == "HEAD" else entry.body
