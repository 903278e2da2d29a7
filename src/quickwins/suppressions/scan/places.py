"""Where something is in a file: its line, the function around it, and the statement it belongs to.

Found in the masked text by indentation and brackets, and for findings only: a syntax tree of every file would take longer
than everything else together. Each look continues where the last one ended, so that the cost of a file grows with its
length, however many findings are in one statement or one block.
"""

from __future__ import annotations

import re
import string
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickwins.core.digest import digest
from quickwins.suppressions.scan.blocks import Blocks
from quickwins.suppressions.scan.lexer import balance, without_comments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickwins.suppressions.scan.lexer import Lexed

_INDENT = re.compile(r"[ \t]*+")
_CODE_LINE = re.compile(r"\S")
_TOKEN = re.compile(r"\w+|[^\w\s(),'\"\\;]")
_LEFT_OUT = "(),'\"\\;"
_SIGNS = [one for one in string.punctuation if one not in {*_LEFT_OUT, "_"}]
_WORD = re.compile(r"\w+")

_FEW = 16
"""From so many statements on, all lines of a block are read once instead of looking for each."""

_FAR = 16_000
"""Over so many characters, brackets are counted before it is known where functions begin."""

_LONG = 150
MAX_STATEMENT = 200
"""How much of a statement is kept, in characters; of a longer one a digest follows."""

WORDS_BEFORE, WORDS_AFTER = 6, 4
"""How many words before and after a statement tell its place: arguments, with which statements end, are often the same."""

_NEAR = 200
"""How far they may be away, in characters."""

EMPTY_WORDS = frozenset({"pass", "continue", "try", "finally", "else", "return"})
"""Words that are everywhere and tell no place."""


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a suppression is among what looks like it.

    Attributes:
        index: How many statements that look the same stand before it in its function or class.
        siblings: How many there are.
        row: A digest of its own line, if the statement has several; else empty.
        before: A digest of the words before the statement; empty if there are none.
        after: A digest of the words after it.
    """

    index: int = 0
    siblings: int = 1
    row: str = ""
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        return f"{self.index}/{self.siblings} {self.row or '-'} {self.before or '-'} {self.after or '-'}"


class Places:
    """The places of one file. Ask in order of the offsets."""

    def __init__(self, lexed: Lexed) -> None:
        self._text = lexed.text
        self._code = lexed.code
        self._blocks = Blocks(lexed.code)
        self._line_from = (0, 1)
        self._depths = [(0, 0), (0, 0)]
        self._bodies: dict[int, tuple[int, int]] = {}
        self._next_code = (0, -1)
        self._span_of = (-1, (0, 0))
        self._grown_from = (-1, (0, 0))
        self._statement_of = ((-1, -1), "")
        self._lines: dict[int, dict[str, list[int]]] = {}
        self._asked: dict[int, int] = {}
        self._lengths: dict[tuple[int, str], dict[int, dict[str, list[int]]]] = {}
        self._alike_to: tuple[int, list[int]] = (-1, [])

    @property
    def names(self) -> frozenset[str]:
        """The names of the functions and classes in the file, without those around them."""
        return frozenset(name for _, _, _, name in self._blocks.all)

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
        return [self._blocks.all[index][2:] for index in self._around(offset)]

    def scope(self, offset: int) -> str:
        """The names of the blocks around `offset`, dotted."""
        return ".".join(self._blocks.all[index][3] for index in self._around(offset))

    def _around(self, offset: int) -> list[int]:
        start, _ = self.statement_span(offset)
        return self._blocks.around(start, self._indentation(start))

    def statement_span(self, offset: int) -> tuple[int, int]:
        """Where the logical line at `offset` begins and ends; if there is no code on its line, that of the next code."""
        known, span = self._span_of
        if known != offset and not span[0] <= offset < span[1]:
            self._span_of = (offset, self._find_span(offset))
        return self._span_of[1]

    def is_alone(self, offset: int) -> bool:
        """Whether there is no code on the line of `offset`, and no bracket open."""
        start = self._code.rfind("\n", 0, offset) + 1
        if self._code[start : _line_end(self._code, offset)].strip():
            return False
        span = self.statement_span(offset)
        return not span[0] < start < span[1]

    def _find_span(self, offset: int) -> tuple[int, int]:
        code = self._code
        start = code.rfind("\n", 0, offset) + 1
        end = _line_end(code, offset)
        if not code[start:end].strip():
            following = self._code_from(end)
            if following < 0 or self._depth(following):
                return (start, end) if following < 0 else self._grown(start, end)
            start = code.rfind("\n", 0, following) + 1
            end = _line_end(code, start)
        return self._grown(start, end)

    def _code_from(self, offset: int) -> int:
        """Where the next code begins; -1 for nowhere."""
        asked, at = self._next_code
        if not asked <= offset <= at:
            found = _CODE_LINE.search(self._code, offset)
            self._next_code = (offset, -1 if found is None else found.start())
        return self._next_code[1]

    def statement(self, offset: int) -> str:
        """The logical line at `offset` in a form that stays the same when it is reformatted."""
        span = self.statement_span(offset)
        if self._statement_of[0] != span:
            self._statement_of = (span, normal(self._text[slice(*span)]))
        return self._statement_of[1]

    def home(self, offset: int) -> int:
        """`offset`, or that of the `def` if the statement there is `...` and all that follows it: a stub may be one line."""
        start, end = self.statement_span(offset)
        dots = start + self._indentation(start)
        if (
            not self._code.startswith("...", dots)
            or self._code[dots + 3 : _line_end(self._code, dots)].strip()
        ):
            return offset
        around = self._around(offset)
        if not around:
            return offset
        at, indentation, kind, _ = self._blocks.all[around[-1]]
        _, end = self._grown(at, _line_end(self._code, at))
        return at + indentation if kind == "def" and not self._code[end:start].strip() else offset

    def seat(self, offset: int) -> Seat:
        """The place of the statement at `offset` among its neighbours, and of `offset` in it."""
        code = self._code
        start, end = self.statement_span(offset)
        first, last = self._block_of(offset)
        alike = self._alike_in(first, last, start, end)
        row_start = code.rfind("\n", 0, offset) + 1
        row = ""
        if row_start > start or _line_end(code, row_start) < end:
            row = self.row(row_start)
        before, after = self._neighbours(first, last, start, end)
        return Seat(bisect_left(alike, start), len(alike), row, before, after)

    def neighbours(self, offset: int) -> tuple[str, str]:
        """The digests of the words before and after the statement at `offset`, in its function or class."""
        start, end = self.statement_span(offset)
        return self._neighbours(*self._block_of(offset), start, end)

    def _neighbours(self, first: int, last: int, start: int, end: int) -> tuple[str, str]:
        return (
            hashed(self._words(max(first, start - _NEAR), start)[-WORDS_BEFORE:]),
            hashed(self._words(end, min(last, end + _NEAR))[:WORDS_AFTER]),
        )

    def _block_of(self, offset: int) -> tuple[int, int]:
        """Where the body of the innermost function or class around `offset` begins and ends."""
        around = self._around(offset)
        if not around:
            return 0, len(self._code)
        index = around[-1]
        if index not in self._bodies:
            at = self._blocks.all[index][0]
            _, begin = self._grown(at, _line_end(self._code, at))
            self._bodies[index] = begin, self._blocks.end(index)
        return self._bodies[index]

    def row(self, start: int) -> str:
        """A digest of the line that begins at `start`; empty if it has nothing but brackets."""
        text = normal(self._text[start : _line_end(self._text, start)]).strip("[]{} ")
        return hashed([text]) if text else ""

    def _words(self, start: int, end: int) -> list[str]:
        return [word for word in _WORD.findall(self._code, start, end) if word not in EMPTY_WORDS]

    def _alike_in(self, first: int, last: int, start: int, end: int) -> list[int]:
        """The offsets in a block of the statements that look like the one from `start` to `end`."""
        if self._alike_to[0] != start:
            self._alike_to = (start, self._find_alike(first, last, start, end))
        return self._alike_to[1]

    def _find_alike(self, first: int, last: int, start: int, end: int) -> list[int]:
        line = self._line_at(start)
        if not line:
            return [start]
        asked = self._asked[first] = self._asked.get(first, 0) + 1
        if asked < _FEW:
            found = list(self._occurrences(line, first, last))
        else:
            if first not in self._lines:
                self._lines[first] = self._all_lines(first, last)
            found = self._lines[first].get(line, [start])
        if len(found) == 1 or _line_end(self._code, start) >= end:
            return found
        return self._alike_in_length(found, line, first, end - start).get(self._code[start:end], [start])

    def _alike_in_length(self, found: list[int], line: str, first: int, length: int) -> dict[str, list[int]]:
        """Statements that begin with the same line, by so many characters of them."""
        by_length = self._lengths.setdefault((first, line), {})
        if length not in by_length:
            by_length[length] = {}
            for one in found if len(by_length) <= _FEW else ():  # else each has another length
                by_length[length].setdefault(self._code[one : one + length], []).append(one)
        return by_length[length]

    def _occurrences(self, line: str, first: int, last: int) -> Iterator[int]:
        """Where this line is in a block; the search for one is many times faster than reading all."""
        at = self._text.find(line, first, last)
        while at >= 0:
            start = self._text.rfind("\n", first, at) + 1
            if not self._text[start:at].strip() and self._line_at(at) == line:
                yield start
            at = self._text.find(line, _line_end(self._text, at), last)

    def _all_lines(self, first: int, last: int) -> dict[str, list[int]]:
        lines: dict[str, list[int]] = {}
        at = first
        for line in self._code[first:last].split("\n"):
            lines.setdefault(self._text[at : at + len(line.rstrip())].lstrip(), []).append(at)
            at += len(line) + 1
        return lines

    def _line_at(self, start: int) -> str:
        """The code from `start` to the end of its line, without a comment."""
        code = self._code[start : _line_end(self._code, start)].rstrip()
        return self._text[start : start + len(code)].lstrip()

    def _grown(self, start: int, end: int) -> tuple[int, int]:
        if self._grown_from[0] == start:
            return self._grown_from[1]
        code = self._code
        asked = start
        depth = self._depth(start)
        while start and (depth > 0 or code.endswith("\\\n", max(0, start - 2), start)):
            before = code.rfind("\n", 0, start - 1) + 1
            depth -= balance(code, before, start)
            start = before
        depth = balance(code, start, end)
        while end < len(code) and (depth > 0 or code[end - 1] == "\\"):
            last, end = end, _line_end(code, end + 1)
            depth += balance(code, last, end)
        self._grown_from = (asked, (start, end))
        return start, end

    def _depth(self, offset: int) -> int:
        """How many brackets are open at `offset`."""
        # Two looks go on side by side: one that is ahead, and one that began anew.
        furthest = self._depths[0]
        ahead = furthest[0] <= offset
        last, depth = furthest if ahead else self._depths[1]
        if last > offset:
            last, depth = 0, 0
        if offset - last > _FAR:
            start = self._blocks.last_start(offset)
            if start > last:  # no bracket is open at a `def`
                last, depth = start, 0
        depth += balance(self._code, last, offset)
        self._depths[0 if ahead else 1] = (offset, depth)
        return depth

    def _indentation(self, start: int) -> int:
        found = _INDENT.match(self._code, start)
        assert found is not None
        return len(found[0])


def normal(statement: str) -> str:
    """A statement without layout, comments, brackets of calls, commas and quotes: what formatters leave alone."""
    if "#" in statement:
        statement = without_comments(statement)
    words = _spaced(statement)
    if len(words) > MAX_STATEMENT:
        rest = digest(words, size_bytes=6).hex()
        words = f"{words[: MAX_STATEMENT - len(rest) - 1]}…{rest}"
    return words


def _spaced(statement: str) -> str:
    """The words and signs of a statement with a space between them."""
    if (
        len(statement) > _LONG and statement.isascii()
    ):  # replacing takes half the time of finding each, but has a start
        spaced = statement
        for sign in _LEFT_OUT:
            spaced = spaced.replace(sign, " ")
        for sign in _SIGNS:
            spaced = spaced.replace(sign, f" {sign} ")
        spaced = " ".join(spaced.split())
        if spaced.isprintable():
            return spaced
    return " ".join(_TOKEN.findall(statement))


def hashed(words: list[str]) -> str:
    """A digest of some words; empty for none."""
    return digest(*words, size_bytes=4).hex() if words else ""


def _line_end(code: str, offset: int) -> int:
    end = code.find("\n", offset)
    return len(code) if end < 0 else end
