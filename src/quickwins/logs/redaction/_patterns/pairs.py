"""Names with values inside a text: `password=…`, `token: …`, JSON, headers, printed dictionaries."""

from __future__ import annotations

import re
from bisect import bisect_right
from sys import maxsize
from typing import TYPE_CHECKING

from quickwins.logs.redaction._patterns.spans import MARK
from quickwins.logs.redaction._rules import RedactionRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quickwins.logs.redaction._patterns.spans import Span

# What separates a name from its value; a comma only between two quoted strings, as a list of headers is printed.
_SEPARATES = re.compile(
    r"""
    [=:,](?: (?<=[^=!<>]=)(?!=)>?
      | (?<=:)(?!//)(?!(?<=[0-9]:)[0-9])=?
        (?<!\[redacted:)(?<!:too_long:)(?!(?<=\[(?:email|phone):)[0-9a-f]{16}\])  # not in a mark
      | (?<=["'],)(?=[ ]?b?["']) )
    [ \t]*+
    """,
    re.VERBOSE,
)
# Read from the separator backwards, and so is a text that has no name before it refused at once.
_EMAN = re.compile(r"""[ \t]*+\]?(["'`]?)\\{0,4}([\w.-]++)""")
_DROW_BEFORE = re.compile(r"[ ]([A-Za-z]{2,24})(?![A-Za-z])")
_NAME_ROOM = 120
"""How far before the separator a name is looked for; of a longer one the end counts."""

MAX_SEPARATORS = 512
"""Separators of a text that are looked at: more than a text of the longest length has, unless it is made of them."""

_SECOND_WORDS = frozenset(
    ("key", "number", "code", "string", "phrase", "url", "uri", "header", "id", "data", "answer", "no")
)
_GROUPED = ("phone", "mobile", "tel", "fax", "card", "account", "ssn", "iban")
"""Names of numbers that are written in groups."""

_NUMBER = re.compile(r"[+(]?[0-9]++(?:[ ()./-]{1,2}[0-9]++)*+")
_LONGEST_SECOND = 6
_TO_LINE_END = ("authorization", "cookie", "phrase")
_STOPS = frozenset("\n\r\"'")
_OPEN = re.compile(r"""[ ]?(?:b(?=["']))?(\\*)(["'`])""")
_WORD = re.compile(r'[^\s"]+')
_INSIDE = {quote: re.compile(rf"(?:[^{quote}\\]++|\\.)*+", re.DOTALL) for quote in "\"'`"}
_BRACKET = re.compile(r"""[\[\]{}]|"(?:[^"\\]++|\\.)*+"?""", re.DOTALL)
_NO_VALUE = re.compile(
    r"""(?:\$[0-9]{1,3}|%s|%\(\w{1,32}\)s|\?|:[a-z_]{1,24}|\*{3,}|\$?\{{1,2}\s?[\w.]{0,64}\s?\}{1,2}|<[A-Za-z_. -]{1,64}>
    |null|none|true|false|nil|undefined|empty|\.{3}|…|\[filtered\]|\[hidden\])(?=[\s,;)&}\]"']|\.?(?:\s|\Z))""",
    re.VERBOSE | re.IGNORECASE,
)
_STATUS = re.compile(
    r"""(?:expired|invalid|missing|not|must|is|was|are|has|unknown|unexpected|malformed|wrong|incorrect|denied|required|
    failed|failure|timeout|timed|connection|cannot|could|can|no|ok|valid|refreshed|rotated|revoked|created|deleted|
    updated|changed|accepted|rejected|too|already|unsupported|unauthorized|forbidden|error|mismatch|absent|present|the|a|
    an|this|please|should|does|did|will|never|only|unable|bad|empty|it|we|you|at|for|from|in|on|of|to)
    (?=[\s,;.:!)]|\Z)""",
    re.VERBOSE | re.IGNORECASE,
)
_AFTER_MARK = " \t\r\n,;&)]}\"'<[."


def pair(text: str, private: Callable[[str], bool], runs: list[tuple[int, int]]) -> Iterator[Span]:
    """The values that belong to private names.

    Args:
        text: Where to look.
        private: Says of a name whether it is private.
        runs: Where not to look, in order: the values of parameters are found as such.
    """
    done = 0
    for number, found in enumerate(_SEPARATES.finditer(text)):
        at = found.start()
        if number >= MAX_SEPARATORS:
            yield at, len(text), RedactionRule.TOO_MANY
            return
        if at < done or (runs and _is_inside(runs, at)):
            continue
        drow = text[at - _NAME_ROOM if at > _NAME_ROOM else 0 : at][::-1]
        eman = _EMAN.match(drow)
        if eman is None:
            continue
        name = eman[2][::-1]
        if not private(name):
            if len(name) > _LONGEST_SECOND or name.lower() not in _SECOND_WORDS:
                continue
            before = _DROW_BEFORE.match(drow, eman.end())
            if before is None or not private(name := f"{before[1][::-1]} {name}"):
                continue
        start = at - eman.end()
        if _in_mark(text, start, at):
            continue
        value, done = _value(text, found, name, text[start - 1 : start])
        if value < done:
            yield value, done, RedactionRule.PAIR


def _is_inside(runs: list[tuple[int, int]], at: int) -> bool:
    """Whether `at` is in one of `runs`: in the last that begins before it."""
    place = bisect_right(runs, (at, maxsize)) - 1
    return place >= 0 and at < runs[place][1]


def _in_mark(text: str, start: int, at: int) -> bool:
    """Whether the name is part of a mark, as `email` is in `[email:0123456789abcdef]` and in `[redacted:email]:`."""
    opened = text.rfind("[", max(0, start - 10), at)
    mark = None if opened < 0 else MARK.match(text, opened)
    return mark is not None and mark.end() > start


def _value(text: str, found: re.Match[str], name: str, quote: str) -> tuple[int, int]:
    """Where the value behind the separator `found` begins and ends; the same twice where there is none."""
    at = found.end()
    nothing = at, at
    if at == len(text) or _NO_VALUE.match(text, at):
        return nothing
    mark = MARK.match(text, at)
    if mark is not None and text[mark.end() : mark.end() + 1] in _AFTER_MARK:
        return nothing
    opened = _OPEN.match(text, at)
    if opened is not None:
        start, end = opened.end(), _quote_end(text, opened)
    elif text[at] in "[{":
        start, end = at, _closed(text, at)
    elif any(word in name.lower() for word in _TO_LINE_END):
        start, end = at, _line_end(text, at, quote)
    elif text[at - 1] in " \t" and "=" not in found[0] and _STATUS.match(text, at):
        return nothing
    else:
        start, end = at, _word_end(text, at)
        if any(word in name.lower() for word in _GROUPED):
            number = _NUMBER.match(text, at)
            end = end if number is None else max(end, number.end())
    return (start, end) if start < end and not MARK.fullmatch(text, start, end) else nothing


def _quote_end(text: str, opened: re.Match[str]) -> int:
    """Where what is between quotes ends; the end of the text when nothing closes them."""
    start, quote = opened.end(), opened[2]
    if opened[1]:  # JSON inside of JSON: it ends at the next quote that is as deep
        end = text.find(opened[1] + quote, start)
        return len(text) if end < 0 else end
    inside = _INSIDE[quote].match(text, start)
    return len(text) if inside is None else inside.end()


def _line_end(text: str, at: int, quote: str) -> int:
    """Where the line ends, or the string that began right before the name."""
    ends = [end for stop in ("\n", "\r", quote) if stop in _STOPS and (end := text.find(stop, at)) >= 0]
    return min(ends, default=len(text))


def _word_end(text: str, at: int) -> int:
    word = _WORD.match(text, at)
    return at if word is None else at + max(1, len(word[0].rstrip(",;)]}")))


def _closed(text: str, at: int) -> int:
    """Where the bracket at `at` is closed; the end of the text when nothing closes it."""
    depth = 0
    for found in _BRACKET.finditer(text, at):
        one = found[0]
        if one in "[{":
            depth += 1
        elif one in "]}":
            depth -= 1
            if depth == 0:
                return found.end()
    return len(text)
