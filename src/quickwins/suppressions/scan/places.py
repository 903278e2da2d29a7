"""Where something is in a file: its line, the function around it, and the statement it belongs to.

Found in the masked text by indentation and brackets, and for findings only: a syntax tree of every file would take longer
than everything else together.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import cached_property
from typing import TYPE_CHECKING

from quickwins.core.digest import digest
from quickwins.suppressions.scan.checks import IDENTITY_VERSION
from quickwins.suppressions.scan.lexer import balance, without_comments

if TYPE_CHECKING:
    from quickwins.suppressions.scan.lexer import Lexed

# Beginning with a plain character, these are searched several times faster than with `^`.
_BLOCK = re.compile(r"\n([ \t]*+)(?:async[ \t]++)?(def|class)[ \t]++(\w++)")
_INDENT = re.compile(r"[ \t]*+")
_CODE_LINE = re.compile(r"\S")
_DEDENT = [re.compile(rf"\n[ \t]{{0,{width}}}[^\s)\]}}]") for width in range(81)]


class Places:
    """The places of one file. Ask in order of the offsets: each look continues where the last one ended."""

    def __init__(self, lexed: Lexed) -> None:
        self._text = lexed.text
        self._code = lexed.code
        self._line_from = (0, 1)
        self._depth_from = (0, 0)
        self._ends: dict[int, int] = {}
        self._span_of = (-1, (0, 0))

    @cached_property
    def _blocks(self) -> list[tuple[int, int, str, str]]:
        """Offset, indentation, kind and name of each `def` and `class`."""
        return [
            (match.start(), len(match[1]), match[2], match[3])
            for match in _BLOCK.finditer("\n" + self._code)  # the newline makes offsets those of the lines
        ]

    @cached_property
    def _starts(self) -> list[int]:
        return [block[0] for block in self._blocks]

    @property
    def names(self) -> frozenset[str]:
        """The names of the functions and classes in the file, without those around them."""
        return frozenset(name for _, _, _, name in self._blocks)

    def line(self, offset: int) -> int:
        """The line of `offset`, from 1."""
        last, line = self._line_from if self._line_from[0] <= offset else (0, 1)
        line += self._text.count("\n", last, offset)
        self._line_from = (offset, line)
        return line

    def column(self, offset: int) -> int:
        """The column of `offset`, from 1."""
        return offset - self._text.rfind("\n", 0, offset)

    def scopes(self, offset: int) -> list[tuple[str, str]]:
        """Kind and name of the blocks around `offset`, outermost first."""
        blocks = self._blocks
        start, _ = self.statement_span(offset)
        width = self._indentation(start)
        found = []
        # The nearest block above that is indented less and has not ended, then the one around that.
        for index in range(bisect_left(self._starts, start) - 1, -1, -1):
            _, indentation, kind, name = blocks[index]
            if indentation < width and self._end(index) > start:
                found.append((kind, name))
                width = indentation
                if not width:
                    break
        found.reverse()
        return found

    def statement_span(self, offset: int) -> tuple[int, int]:
        """Where the logical line at `offset` begins and ends; if there is no code on its line, that of the next code."""
        if self._span_of[0] != offset:
            self._span_of = (offset, self._find_span(offset))
        return self._span_of[1]

    def _find_span(self, offset: int) -> tuple[int, int]:
        code = self._code
        start = code.rfind("\n", 0, offset) + 1
        end = _line_end(code, offset)
        if not code[start:end].strip():
            following = _CODE_LINE.search(code, end)
            if following is None or self._depth(following.start()):
                return (start, end) if following is None else self._grown(start, end)
            start = code.rfind("\n", 0, following.start()) + 1
            end = _line_end(code, start)
        return self._grown(start, end)

    def statement(self, offset: int) -> str:
        """A digest of the logical line at `offset` that stays the same when it is reformatted."""
        start, end = self.statement_span(offset)
        return fingerprint(self._text[start:end])

    def _grown(self, start: int, end: int) -> tuple[int, int]:
        code = self._code
        depth = self._depth(start)
        while start and (depth > 0 or code[:start].endswith("\\\n", max(0, start - 2))):
            before = code.rfind("\n", 0, start - 1) + 1
            depth -= balance(code, before, start)
            start = before
        depth = balance(code, start, end)
        while end < len(code) and (depth > 0 or code[end - 1] == "\\"):
            last, end = end, _line_end(code, end + 1)
            depth += balance(code, last, end)
        return start, end

    def _depth(self, offset: int) -> int:
        """How many brackets are open at `offset`."""
        last, depth = self._depth_from if self._depth_from[0] <= offset else (0, 0)
        number = bisect_left(self._starts, offset)
        if number and self._blocks[number - 1][0] > last:  # no bracket is open at a `def`
            last, depth = self._blocks[number - 1][0], 0
        depth += balance(self._code, last, offset)
        self._depth_from = (offset, depth)
        return depth

    def _is_inside(self, offset: int) -> bool:
        """Whether brackets are open at `offset`, which is after the start of a block: none are open there."""
        return balance(self._code, self._blocks[bisect_left(self._starts, offset) - 1][0], offset) > 0

    def _indentation(self, start: int) -> int:
        found = _INDENT.match(self._code, start)
        assert found is not None
        return len(found[0])

    def _end(self, index: int) -> int:
        """Where block number `index` ends: at the next line of code that is indented no more than its first."""
        end = self._ends.get(index)
        if end is None:
            at, indentation, _, _ = self._blocks[index]
            code, dedent = self._code, _DEDENT[min(indentation, len(_DEDENT) - 1)]
            found = dedent.search(code, _line_end(code, at))
            while found is not None and self._is_inside(
                found.start()
            ):  # inside brackets any indentation goes
                found = dedent.search(code, found.end())
            end = self._ends[index] = len(code) if found is None else found.start()
        return end


def fingerprint(statement: str) -> str:
    """A digest of a statement, leaving out layout, comments, parentheses and the kind of quotes."""
    if "#" in statement:
        statement = without_comments(statement)
    words = "".join(statement.replace("\\\n", "").split()).replace("'", '"')
    for layout, plain in ((",)", ")"), (",]", "]"), (",}", "}"), ("(", ""), (")", "")):
        words = words.replace(layout, plain)
    return f"{IDENTITY_VERSION}:{digest(words, size_bytes=8).hex()}"


def _line_end(code: str, offset: int) -> int:
    end = code.find("\n", offset)
    return len(code) if end < 0 else end
