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
from typing import TYPE_CHECKING

from quickwins.suppressions.scan import nested

if TYPE_CHECKING:
    from collections.abc import Iterable

# Each alternative starts with its own character, so the search skips what lies between them.
_LEXEME = re.compile(
    r"""
    \#[^\n]*+
    | "(?: ""(?:[^"\\]++ | \\. | "(?!""))*+\"""  |  (?:[^"\\\n]++ | \\.)*+" )?
    | '(?: ''(?:[^'\\]++ | \\. | '(?!''))*+'''  |  (?:[^'\\\n]++ | \\.)*+' )?
    """,
    re.VERBOSE | re.DOTALL,
)
_SPAN = re.Match.span
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


@dataclass(frozen=True, slots=True)
class Lexed:
    r"""The text of a file with its code, comments and strings told apart.

    Attributes:
        text: The text, with `\\n` at the end of each line.
        code: Of the same length: comments are blanked out, and strings replaced by quotation marks, so that a string of
            several lines is one line here.
        comments: Where each begins and ends.
    """

    text: str
    code: str
    comments: tuple[tuple[int, int], ...]


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
    if target is not None and target > sys.version_info[:2]:
        result, doubtful = _masked(text, map(_SPAN, _LEXEME.finditer(text)), nests=target >= _NESTING)
        if doubtful:
            spans, strings, is_closed = nested.spans(text)
            result, doubtful = _masked(text, spans, strings)[0], not is_closed
        if doubtful or not _is_balanced(result.code):
            raise Unparseable("its brackets or quotes don't match")
        return result
    result, doubtful = _masked(text, map(_SPAN, _LEXEME.finditer(text)))
    if doubtful or not _is_balanced(result.code):
        _parse(text)
        tokens = _tokenized(text)
        # The middle of an f-string may begin with a `#`.
        strings = frozenset(start for start, _, is_comment in tokens if not is_comment)
        result, _ = _masked(text, ((start, end) for start, end, _ in tokens), strings)
    return result


def without_comments(source: str) -> str:
    """`source` without its comments; it must not begin inside a string."""
    return _LEXEME.sub(lambda found: "" if found[0][0] == "#" else found[0], source)


def _is_balanced(code: str) -> bool:
    """Whether as many brackets of each kind open as close. Counting each in all of the code takes twice as long."""
    count = code.encode(errors="replace").translate(None, _NO_BRACKETS).count
    return count(b"(") == count(b")") and count(b"[") == count(b"]") and count(b"{") == count(b"}")


def balance(code: str, start: int, end: int) -> int:
    """How many more brackets open than close in masked code."""
    piece = code[start:end]
    count = piece.count
    return count("(") + count("[") + count("{") - count(")") - count("]") - count("}")


def _masked(
    text: str,
    spans: Iterable[tuple[int, int]],
    strings: frozenset[int] = frozenset(),
    *,
    nests: bool = _NESTS_QUOTES,
) -> tuple[Lexed, bool]:
    """The file with these comments and strings, and whether one of them is doubtful.

    Args:
        text: The text of the file.
        spans: Where each begins and ends; one that begins with `#` is a comment.
        strings: Where strings begin, even if with `#`.
        nests: Whether f-strings may contain their own quotes.
    """
    pieces: list[str] = []
    comments = []
    last = 0
    doubtful = False
    for span in spans:
        start, end = span
        pieces.append(text[last:start])
        if text[start] == "#" and start not in strings:
            comments.append(span)
            pieces.append(" " * (end - start))
        else:
            pieces.append('"' * (end - start))
            if end - start == 1 or (nests and _may_nest(text, start, end)):
                doubtful = True  # a quote without its partner, or one that is not where it seems to be
        last = end
    pieces.append(text[last:])
    return Lexed(text, "".join(pieces), tuple(comments)), doubtful


def _may_nest(text: str, start: int, end: int) -> bool:
    """Whether this is an f-string whose expressions may have quotes, at which it was cut, or comments."""
    if text.find("{", start, end) < 0 or not _is_f_string(text, start):
        return False
    body = text[start:end].replace("{{", "").replace("}}", "")
    return body.count("{") != body.count("}") or ("#" in body and "\n" in body)


def _is_f_string(text: str, quote: int) -> bool:
    prefix = text[max(0, quote - 2) : quote].lower()
    return prefix[-1:] in {"f", "t"} or prefix in {"fr", "tr"}


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
