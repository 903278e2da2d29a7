"""Comments and strings where f-strings contain their own quotes (PEP 701), on a Python that is older than that."""

from __future__ import annotations

import re

_NEXT = re.compile(r"\#[^\n]*+|\"\"\"|'''|[\"']")
_IN_FIELD = re.compile(r"\#[^\n]*+|\"\"\"|'''|[\"'()\[\]{}:]")
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")


def spans(text: str) -> tuple[list[tuple[int, int]], frozenset[int], bool]:
    """Where comments and pieces of strings begin and end, where pieces of strings begin, and whether all are closed."""
    reader = _Reader(text)
    at = 0
    while (found := _NEXT.search(text, at)) is not None:
        at = reader.token(found)
    reader.found.sort()
    return reader.found, frozenset(reader.strings), reader.is_closed


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self.found: list[tuple[int, int]] = []
        self.strings: set[int] = set()
        self.is_closed = True

    def token(self, found: re.Match[str]) -> int:
        """Note the comment or string that begins here; returns where it ends."""
        if found[0][0] == "#":
            self.found.append(found.span())
            return found.end()
        prefix = self._text[max(0, found.start() - 2) : found.start()].lower()
        has_fields = prefix[-1:] in {"f", "t"} or prefix in {"fr", "tr"}
        return self._string(found.start(), found[0], has_fields)

    def _string(self, start: int, quote: str, has_fields: bool) -> int:
        text, at = self._text, start + len(quote)
        while at < len(text):
            if text[at] == "\\":
                at += 2
            elif text.startswith(quote, at):
                return self._piece(start, at + len(quote))
            elif text[at] == "\n" and len(quote) == 1:
                break
            elif has_fields and text[at] == "{":
                if text.startswith("{{", at):
                    at += 2
                else:
                    at = start = self._field(self._piece(start, at + 1))
            else:
                at += 1
        self.is_closed = False
        return self._piece(start, len(text) if len(quote) > 1 else at)

    def _field(self, at: int) -> int:
        """The expression behind a `{`; returns where the string goes on: at its `}` or `:`, which belong to the string."""
        depth = 0
        while (found := _IN_FIELD.search(self._text, at)) is not None:
            sign = found[0]
            if sign in _OPENING:
                depth += 1
            elif depth == 0 and sign in {"}", ":"}:
                return found.start()
            elif sign in _CLOSING:
                depth -= 1
            elif sign != ":":
                at = self.token(found)
                continue
            at = found.end()
        self.is_closed = False
        return len(self._text)

    def _piece(self, start: int, end: int) -> int:
        if start < end:
            self.found.append((start, end))
            self.strings.add(start)
        return end
