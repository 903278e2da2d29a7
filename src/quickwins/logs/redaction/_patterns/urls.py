"""What URLs give away: who logs in, and the values of their parameters (RFC 3986)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from quickwins.logs.redaction._patterns.spans import MARK, MAX_HITS
from quickwins.logs.redaction._rules import RedactionRule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickwins.logs.redaction._patterns.spans import Span

_USERINFO = re.compile(r"""://((?:[^\s/?#@"<>]*+@)++)""")
# A password with a raw slash: what follows the colon is no port, so the authority has not ended yet.
_RAW_USERINFO = re.compile(
    r"""://([^\s:/?#@"<>]{0,128}+:(?![0-9]{1,5}(?:[/?#\s"'<>]|\Z))[^\s@"<>]{1,128}+@)"""
)


def url_credentials(text: str) -> list[Span]:
    """What stands between `://` and the `@` of the authority."""
    return [*_before_at(_USERINFO, text), *_before_at(_RAW_USERINFO, text)]


def _before_at(pattern: re.Pattern[str], text: str) -> Iterator[Span]:
    hits = 0
    for found in pattern.finditer(text):
        start, end = found.span(1)
        if end - start > 1 and not MARK.fullmatch(text, start, end - 1):
            yield start, end - 1, RedactionRule.URL_CREDENTIALS
            hits += 1
            if hits > MAX_HITS:
                return


_QUERY = re.compile(r"""[?#](?=[A-Za-z0-9_%$~-]|\[(?!redacted|email:|phone:))[^\s"'<>`\\]++""")
_SEPARATOR = re.compile(r"[&#]|;(?=[\w.%-]{1,64}=)")
_FLAG = re.compile(r"[A-Za-z][A-Za-z_.-]{0,31}")
_FORM = re.compile(r"""(?<![^\s"'`])[\w.%~\[\]-]{1,64}=[^\s&"'`]*+(?:&[\w.%~\[\]-]{1,64}=[^\s&"'`]*+)++""")


def query_runs(text: str) -> list[tuple[int, int]]:
    """Where parameters stand, in order: behind `?` or `#`, or `name=value&name=value` alone, as forms are sent."""
    runs = [
        (start + 1, end)
        for start, end in map(re.Match.span, _QUERY.finditer(text))
        if text.find("=", start, end) >= 0 or (text[start] == "?" and in_path(text, start))
    ]
    if text.count("&") > sum(text.count("&", start, end) for start, end in runs):
        runs += map(re.Match.span, _FORM.finditer(text))
        runs.sort()
    return runs


def in_path(text: str, at: int) -> bool:
    """Whether what stands before `at`, without a gap, has a slash."""
    before = text[max(0, at - 128) : at]
    return "/" in before and not before[-1].isspace() and "/" in before.rsplit(None, 1)[-1]


def query(text: str, runs: list[tuple[int, int]]) -> Iterator[Span]:
    """The values of all parameters; what has no name is a value unless it is a word, as in `?debug`."""
    for start, end in runs:
        yield from _values(text, start, end)


def _values(text: str, start: int, end: int) -> Iterator[Span]:
    piece = text[start:end]
    at = 0
    for part in _SEPARATOR.split(piece):
        name, equals, _ = part.partition("=")
        value = at + len(name) + 1 if equals else at
        stop = at + len(part)
        private = value < stop if equals else bool(part) and not _FLAG.fullmatch(part)
        if private and not MARK.fullmatch(piece, value, stop):
            yield start + value, start + stop, RedactionRule.QUERY
        at = stop + 1
