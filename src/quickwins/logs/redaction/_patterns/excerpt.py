"""The parts of a text that may hold a key: a long text has few, and dozens of patterns pass over them. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate
from sys import maxsize
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from quickwins.logs.redaction._patterns.spans import Span, Work

_LEAST = 15
"""Characters of the shortest key, the prefix included: a Slack token of ten."""
_GAP = b" "
_SIGNS = "_.,/@+=%$~!:|#^&*()-"
_RUNS = bytes(
    97 if chr(code).isascii() and (chr(code).isalnum() or chr(code) in _SIGNS) else ord(_GAP)
    for code in range(256)
)
"""What keys are made of, and what stands before and behind one within its word."""
_RUN = b"a" * _LEAST
WORDS = bytes(
    ord(chr(code).lower()) if chr(code).isascii() and chr(code).isalnum() else ord(_GAP)
    for code in range(256)
)
_RANDOM = re.compile(b"(?:[^0-9A-Z]*+[0-9A-Z]){3}")
"""What has three digits or capitals, as each key has."""


class Excerpt:
    """Some parts of a text, each on a line of its own.

    Attributes:
        text: The parts.
    """

    __slots__ = ("_parts", "_starts", "text")

    def __init__(self, text: str, parts: list[tuple[int, int]]) -> None:
        """Take the `parts` of `text`, which are in order and apart from each other."""
        self._parts = parts
        self.text = "\n".join([text[start:end] for start, end in parts])
        self._starts = (
            list(accumulate((end - start + 1 for start, end in parts[:-1]), initial=0)) if parts else []
        )

    def place(self, at: int) -> int:
        """Where in the text the character `at` of the excerpt is."""
        number = bisect_right(self._starts, at) - 1
        return self._parts[number][0] + at - self._starts[number]

    def within(self, at: int) -> int:
        """Where in the excerpt the first character is that stands at `at` or behind it."""
        number = bisect_right(self._parts, (at, maxsize)) - 1
        if number < 0:
            return 0
        start, end = self._parts[number]
        return self._starts[number] + min(at, end + 1) - start

    def looked(self, look: Callable[[str, Work], list[Span]], work: Work) -> list[Span]:
        """What `look` finds in the excerpt, in places of the text; `work` is what may be done."""
        inner = work.copy(self.within(work.end))
        found = look(self.text, inner)
        work.left = inner.left
        if inner.end < len(self.text):
            work.end = min(work.end, self.place(inner.end))
        return [(self.place(start), self.place(end - 1) + 1, rule) for start, end, rule in found]


def key_parts(data: bytes) -> list[tuple[int, int]]:
    """Where something stands in a text, in ASCII, that is long enough for a key, without a gap, and has three digits or capitals."""
    runs = data.translate(_RUNS)
    found = []
    at = runs.find(_RUN)
    while at >= 0:
        end = runs.find(_GAP, at)
        if end < 0:
            end = len(runs)
        if _RANDOM.match(data, at, end) is not None:
            found.append((at, end))
        at = runs.find(_RUN, end)
    return found


def without(parts: list[tuple[int, int]], spans: list[Span], length: int) -> list[tuple[int, int]]:
    """What is left of `parts` where none of some `spans` is, which are in order, up to `length`."""
    left = []
    number = 0
    for start, end in parts:
        at = start
        while number < len(spans) and spans[number][0] < end and at <= end:
            if at < spans[number][0]:
                left.append((at, spans[number][0]))
            at = max(at, spans[number][1])
            number += at <= end  # the next part may be in this span too
        if at < min(end, length):
            left.append((at, min(end, length)))
    return left


def has_run(value: str, data: bytes) -> bool:
    """Whether `value`, which is encoded as `data`, has a long run of letters and digits, with a digit, or a UUID behind a word.

    Most keys have one; one in thirty of AWS's access keys has no digit.
    """
    runs = data.translate(_LETTERS)
    at = runs.find(_RUN)
    while at >= 0:
        if _BEGINS_KEY.match(data, at) is not None:
            return True
        end = runs.find(_GAP, at)
        at = runs.find(_RUN, end) if end >= 0 else -1
    return value.count("-") > _DASHES and _UUID.search(data) is not None


_LETTERS = bytes(97 if chr(code).isascii() and chr(code).isalnum() else ord(_GAP) for code in range(256))
_BEGINS_KEY = re.compile(rb"(?=[A-Za-z]{0,64}[0-9])|A[KS]IA[A-Z]{16}")
_UUID = re.compile(rb"-(?<=[A-Za-z0-9][-/][0-9a-f]{8}-)[0-9a-f]{4}-")
_DASHES = 3
"""Of a UUID."""
