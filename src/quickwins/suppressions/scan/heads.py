"""The blocks that a statement is in, by the lines that open them: `with …:`, `if …:`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from quickwins.suppressions.scan.lexer import balance

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from quickwins.suppressions.scan.places import Places

_WITH = re.compile(r"(?:async\s+)?with\b")
_MAIN = re.compile(r"if\b[^\n]*__name__")
_WORD = re.compile(r"\w+")
_LAMBDA = re.compile(r"(?<!\w)lambda\b")
_LONGEST = 2_000
"""Of a head, in characters: bounds its cost."""


class Heads:
    """The heads of one file's blocks. Ask in order of the offsets: each look continues where the last one ended."""

    def __init__(self, code: str) -> None:
        self._code = code
        self._open: list[tuple[int, int]] = []
        """Indentation and offset of the lines that are indented less and less, seen from where the last look ended."""
        self._at = 0

    def inside_with(self, offset: int, names: Collection[str]) -> bool:
        """Whether `offset` is inside a `with` block, or in the line of one, that calls one of `names`."""
        return any(
            _WITH.match(head) and not set(names).isdisjoint(_WORD.findall(head))
            for head in self._around(offset, itself=True)
        )

    def runs_at_import(self, offset: int, places: Places) -> bool:
        """Whether the code at `offset` runs when its module is imported."""
        if any(kind == "def" for kind, _ in places.scopes(offset)):
            return False
        start, _ = places.statement_span(offset)
        if _LAMBDA.search(self._code, start, offset):
            return False
        return not any(_MAIN.match(head) for head in self._around(offset))

    def _around(self, offset: int, *, itself: bool = False) -> Iterator[str]:
        """The heads around `offset`, innermost first; `itself`: also what precedes it in its own line."""
        line = self._code.rfind("\n", 0, offset) + 1
        self._read_to(line)
        if itself:
            yield self._code[line:offset].lstrip()
        width = _indentation(self._code, line)
        for indentation, start in reversed(self._open):
            if indentation < width:
                yield self._head(start + indentation)

    def _head(self, start: int) -> str:
        """A line with what its brackets span."""
        end = _line_end(self._code, start)
        depth, last = balance(self._code, start, end), end
        while depth > 0 and end < len(self._code) and end - start < _LONGEST:
            end = _line_end(self._code, end + 1)
            depth += balance(self._code, last, end)
            last = end
        return self._code[start:end]

    def _read_to(self, line: int) -> None:
        code, at = self._code, self._at
        while at < line:
            end = _line_end(code, at)
            indentation = _indentation(code, at)
            if at + indentation < end and code[at + indentation] not in ")]}":
                while self._open and self._open[-1][0] >= indentation:
                    self._open.pop()
                self._open.append((indentation, at))
            at = end + 1
        self._at = max(self._at, at)


def _indentation(code: str, start: int) -> int:
    end = start
    while code[end : end + 1] in {" ", "\t"}:
        end += 1
    return end - start


def _line_end(code: str, offset: int) -> int:
    end = code.find("\n", offset)
    return len(code) if end < 0 else end
