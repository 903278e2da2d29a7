"""Finds the comments and strings of a Python file, several times faster than `tokenize` does.

One pattern consumes whole comments and strings, so nothing inside one starts another. It cannot follow two things:
f-strings that contain their own quotes (PEP 701, Python 3.12), and text that is not Python. Both leave traces (braces or
brackets that do not match, a quote without its partner), and such files are parsed and tokenised by Python itself.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
import warnings
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING

from quickwins.suppressions.scan import nested

if TYPE_CHECKING:
    from collections.abc import Iterable

# Each alternative starts with its own character, so the search skips what lies between them. A long string without escapes
# is read by its quotes alone, at three times the speed; where the first end that is found is an escaped one, it is read again.
_LEXEME = re.compile(
    r"""(
    \#[^\n]*+
    | "(?: ""(?: (?:[^"]++ | "(?!""))*+(?<!\\)\""" | (?:[^"\\]++ | \\. | "(?!""))*+\""" )  |  (?:[^"\\\n]++ | \\.)*+" )?
    | '(?: ''(?: (?:[^']++ | '(?!''))*+(?<!\\)''' | (?:[^'\\]++ | \\. | '(?!''))*+''' )  |  (?:[^'\\\n]++ | \\.)*+' )?
    | \0(?!)  # never: with a third character, `re` looks for the first one in a table, a third faster than by comparing
    )""",
    re.VERBOSE | re.DOTALL,
)
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"()[]{}")
_NESTING = (3, 12)
"""From this version on, f-strings may contain their own quotes."""

NEWEST = (3, 99)
"""A target that is newer than any Python: what is given it need not be valid for the running one."""

_NESTS_QUOTES = sys.version_info >= _NESTING
_WITH_SUFFIX = {"utf-8": "utf-8", "latin-1": "latin-1", "iso-8859-1": "latin-1", "iso-latin-1": "latin-1"}
_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_MAY_PRECEDE_COOKIE = re.compile(rb"[ \t\f]*(?:#|$)")
_LINE_END = re.compile(rb"\r\n?|\n")
_LONGEST_HEAD = 4_096
_BOM = b"\xef\xbb\xbf"


class Unparseable(Exception):
    """Python itself cannot read this file."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Lexed:
    r"""The text of a file with its code, comments and strings told apart.

    Attributes:
        text: The text, with `\\n` at the end of each line.
        code: Of the same length: comments are blanked out, and strings replaced by quotation marks, so that a string of
            several lines is one line here.
        pieces: The text, cut into code and what is none by turns: code, a comment or string, code, … and code at the end.
            What begins with `#` is a comment.
    """

    text: str
    code: str
    pieces: list[str]

    @cached_property
    def bare(self) -> str:
        """The code without comments and strings: much shorter to search, but nothing in it has its place."""
        return "".join(self.pieces[::2])

    @property
    def remarks(self) -> list[str]:
        """The comments."""
        return [one for one in self.pieces[1::2] if one[0] == "#"]

    @cached_property
    def comments(self) -> tuple[tuple[int, int], ...]:
        """Where each comment begins and ends."""
        ends = list(accumulate(map(len, self.pieces)))
        spans = zip(ends[::2], ends[1::2], self.pieces[1::2], strict=False)
        return tuple((start, end) for start, end, piece in spans if piece[0] == "#")


def decoded(data: bytes) -> str:
    """Decode a Python file as PEP 263 says.

    Raises:
        Unparseable: The encoding is unknown, or the file is not in it.
    """
    encoding = "utf-8"
    if data.startswith(_BOM):
        data = data[len(_BOM) :]
    else:
        for line in _LINE_END.split(data[:_LONGEST_HEAD], 2)[:2]:
            cookie = _COOKIE.match(line)
            if cookie is not None:
                encoding = _spelled(cookie[1].decode("ascii"))
                break
            if not _MAY_PRECEDE_COOKIE.match(line):
                break
    try:
        text = data.decode(encoding)
    except (LookupError, ValueError) as error:
        raise Unparseable(f"it is not {encoding} text: {error}") from error
    if "\0" in text:
        raise Unparseable("it has a null character", text.count("\n", 0, text.index("\0")) + 1)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _spelled(encoding: str) -> str:
    """The name of an encoding without what editors add to it, as Python reads it: `utf-8-unix`."""
    short = encoding[:12].lower().replace("_", "-")
    for name, plain in _WITH_SUFFIX.items():
        if short == name or short.startswith(f"{name}-"):
            return plain
    return encoding


def read_anyhow(data: bytes) -> str:
    """The text of a file that need not be text: as UTF-8, else byte by byte."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def lexed(text: str, target: tuple[int, int] | None = None) -> Lexed:
    """Tell comments and strings in `text` from code.

    Args:
        text: A Python file.
        target: The Python that it is written for; `None` means the running one. What is newer than that cannot be parsed
            by it: then brackets and quotes must match, and no more is asked.

    Raises:
        Unparseable: It is not Python.
    """
    pieces = _LEXEME.split(text)
    result = _masked(text, pieces)
    if target is not None and target > sys.version_info[:2]:
        doubtful = _is_doubtful(pieces, nests=target >= _NESTING)
        if doubtful:
            spans, strings, is_closed = nested.spans(text)
            result, doubtful = _masked(text, _cut(text, spans, strings)), not is_closed
        if doubtful or not _is_balanced(result.bare):
            raise Unparseable("its brackets or quotes don't match")
        return result
    if _is_doubtful(pieces, nests=_NESTS_QUOTES) or not _is_balanced(result.bare):
        _parse(text)
        tokens = _tokenized(text)
        strings = frozenset(start for start, _, is_comment in tokens if not is_comment)
        result = _masked(text, _cut(text, ((start, end) for start, end, _ in tokens), strings))
    return result


def without_comments(source: str) -> str:
    """`source` without its comments; it must not begin inside a string."""
    return _LEXEME.sub(lambda found: "" if found[0][0] == "#" else found[0], source)


def _is_balanced(code: str) -> bool:
    """Whether as many brackets of each kind open as close."""
    count = _brackets(code).count
    return count(b"(") == count(b")") and count(b"[") == count(b"]") and count(b"{") == count(b"}")


def balance(code: str, start: int, end: int) -> int:
    """How many more brackets open than close in masked code."""
    count = _brackets(code[start:end]).count
    return count(b"(") + count(b"[") + count(b"{") - count(b")") - count(b"]") - count(b"}")


def _brackets(code: str) -> bytes:
    """The brackets in `code`. Counting each of the six in all of the code takes several times as long."""
    return code.encode(errors="replace").translate(None, _NO_BRACKETS)


def _cut(text: str, spans: Iterable[tuple[int, int]], strings: frozenset[int]) -> list[str]:
    """The pieces of `text` (see `Lexed`), cut at these spans; `strings` tells where strings begin, even if with `#`."""
    pieces: list[str] = []
    last = 0
    for start, end in spans:
        pieces += text[last:start], '"' * (end - start) if start in strings else text[start:end]
        last = end
    return [*pieces, text[last:]]


def _masked(text: str, pieces: list[str]) -> Lexed:
    masked = pieces.copy()
    masked[1::2] = [(" " if one[0] == "#" else '"') * len(one) for one in pieces[1::2]]
    return Lexed(text, "".join(masked), pieces)


def _is_doubtful(pieces: list[str], *, nests: bool) -> bool:
    """Whether one of the strings is a quote without its partner, or may not be where it seems to be.

    Args:
        pieces: See `Lexed`.
        nests: Whether f-strings may contain their own quotes.
    """
    found = pieces[1::2]
    if '"' in found or "'" in found:
        return True
    return nests and any(
        "{" in one and _may_nest(before, one) for before, one in zip(pieces[::2], found, strict=False)
    )


def _may_nest(before: str, string: str) -> bool:
    """Whether this is an f-string whose expressions may have quotes, at which it was cut, or comments."""
    prefix = before[-2:].lower()
    if prefix[-1:] not in {"f", "t"} and prefix not in {"fr", "tr"}:
        return False
    body = string.replace("{{", "").replace("}}", "")
    return body.count("{") != body.count("}") or ("#" in body and "\n" in body)


def _parse(text: str) -> None:
    # Recorded, not ignored: warnings about the analysed code are not ours to show, and must not become errors here.
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        try:
            ast.parse(text)
        except SyntaxError as error:
            python = ".".join(map(str, sys.version_info[:2]))
            raise Unparseable(
                f"Python {python} cannot parse it: {error.msg} (for a newer one: `target`)", error.lineno or 1
            ) from error
        except (ValueError, RecursionError, MemoryError) as error:
            raise Unparseable(f"Python cannot parse it: {error}") from error


def _tokenized(text: str) -> list[tuple[int, int, bool]]:
    """Where each comment and string begins and ends, and whether it is a comment."""
    starts = [0, 0]  # rows count from 1
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    kinds = {tokenize.STRING, tokenize.COMMENT}
    kinds |= {
        getattr(tokenize, f"{kind}_{part}", -1)
        for kind in ("FSTRING", "TSTRING")
        for part in ("START", "MIDDLE", "END")
    }
    try:
        return [
            (
                starts[token.start[0]] + token.start[1],
                starts[token.end[0]] + token.end[1],
                token.type == tokenize.COMMENT,
            )
            for token in tokenize.generate_tokens(io.StringIO(text).readline)
            if token.type in kinds and token.start != token.end
        ]
    except (tokenize.TokenError, SyntaxError) as error:
        raise Unparseable(f"Python cannot tokenise it: {error}") from error
