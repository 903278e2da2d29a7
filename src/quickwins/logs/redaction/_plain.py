r"""A text without its escapes, looked at as what it stands for. Pure.

These are percent-encoding, `\n` and `\u0022` spelled out, `&quot;`, the colours of terminals, zero-width and full-width
characters; undone once, so that what is escaped twice stays.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from itertools import accumulate
from operator import add, sub
from sys import maxsize

_SIGNS = "[%\\x1b\\\\&\uff01-\uff5e\u00ad\u200b-\u200f\u2060-\u2064\ufeff]"
_ESCAPE = re.compile(
    rf"({_SIGNS}(?:(?<=%)(?!25|7[Ff])[0-7][0-9A-Fa-f]"
    r"|(?<=\x1b)\[[0-9;]{0,16}[A-Za-z]"
    # Of a longer run of backslashes the last four; what is before them is passed at a glance.
    r"|(?<=\\)(?!\\{4})\\{0,3}+(?:(?:x1[bB]|u001[bB]|033|e)\[[0-9;]{0,16}[A-Za-z]|[nrt/]|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2})"
    r"|(?<=&)(?:quot|lt|gt|amp|apos|nbsp|\#[0-9]{1,5}|\#x[0-9A-Fa-f]{1,4});"
    r"|(?<=[^\x00-\x7f])))"
)
"""With one class of signs first, which `re` finds in a fraction of the time."""
_BLANKS = {"n": "\n", "r": "\r", "t": "\t", "/": "/"}
_ENTITIES = {"quot": '"', "lt": "<", "gt": ">", "amp": "&", "apos": "'", "nbsp": " "}
_FULL_WIDTH = 0xFEE0
_FIRST_PRINTED = 0x20
_NEVER = {0x7F, *range(0xD800, 0xE000), *range(0x10000, 100_000)}
"""The delete character, surrogates, and what five digits say beyond the first plane."""
_WHITE = "\t\n\r"
_GLUES = re.compile(
    "[\u00ad\u200b-\u200f\u2060-\u2064\ufeff\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff0b\uff0d-\uff0f\uff3f\uff1a\uff03](?:(?<![\uff1a\uff03])|00)"
)
"""Without these a word may go on where it ends with them: what is invisible, letters, digits, and signs within numbers and words."""


class Plain:
    """A text without escapes, and where each of its characters was.

    Attributes:
        text: What is left.
        changed: Whether there were any.
        read: How much of the text was read; there are more escapes behind that.
        escapes: How many were undone.
        keeps_borders: Whether a word ends in the text where it ends without the escapes, apart from those of ASCII.
    """

    __slots__ = ("_at", "_extra", "_made", "_pieces", "changed", "escapes", "keeps_borders", "read", "text")

    def __init__(self, text: str, most: int = maxsize) -> None:
        """Undo the escapes of `text`, at most so many."""
        self.text = text
        self.read = len(text)
        self.escapes = 0
        self.changed = False
        self.keeps_borders = True
        self._at: list[int] | None = None
        self._extra: list[int] = []
        if not may_escape(text):
            return
        self._pieces = pieces = _ESCAPE.split(text, most)
        if len(pieces) == 1:
            return
        self.escapes = len(pieces) >> 1
        if self.escapes == most and _ESCAPE.search(pieces[-1]) is not None:
            self.read -= len(pieces[-1])
        escapes = pieces[1::2]
        table = {escape: _USUAL.get(escape) or _meant(escape) for escape in set(escapes)}
        self._made = made = list(map(table.__getitem__, escapes))
        self.changed = True
        self.keeps_borders = text.isascii() or _GLUES.search(text) is None
        plain = pieces.copy()
        plain[1::2] = made
        self.text = "".join(plain)

    def place(self, at: int) -> int:
        """Where in the text with its escapes the character `at` begins."""
        if not self.changed:
            return at
        if self._at is None:
            sizes = list(map(len, self._made))
            removed = list(map(sub, map(len, self._pieces[1::2]), sizes))
            self._extra = list(accumulate(removed, initial=0))
            ends = accumulate(map(add, map(len, self._pieces[::2]), sizes))
            self._at = list(map(sub, ends, sizes))
        return at + self._extra[bisect_left(self._at, at)]


def may_escape(text: str) -> bool:
    """Whether an escape may be in `text`."""
    return "%" in text or "\\" in text or "&" in text or "\x1b" in text or not text.isascii()


def escape_signs(text: str) -> int:
    """How many signs of ASCII are in `text` at which an escape may begin."""
    return text.count("%") + text.count("\\") + text.count("&") + text.count("\x1b")


def _meant(escape: str) -> str:
    """What one escape stands for."""
    start, rest = escape[0], escape.lstrip("\\")
    if start == "%":
        return _printed(int(rest[1:], 16))
    if start == "&":
        name = rest[1:-1]
        if name[0] != "#":
            return _ENTITIES[name]
        return _printed(int(f"0{name[1:]}", 16) if name[1] == "x" else int(name[1:]))
    if "[" in rest:  # of a terminal
        return " "
    if start == "\\":
        return _BLANKS.get(rest) or _printed(int(rest[1:], 16))
    return chr(ord(escape) - _FULL_WIDTH) if "\uff01" <= escape <= "\uff5e" else ""


def _printed(number: int) -> str:
    if number < _FIRST_PRINTED:
        return chr(number) if chr(number) in _WHITE else " "
    return " " if number in _NEVER else chr(number)


_USUAL = {f"%{number:02{case}}": _printed(number) for number in range(0x80) for case in "xX"}
