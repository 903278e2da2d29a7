"""What URLs give away: who logs in, and the values of their parameters (RFC 3986)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from quickwins.logs.redaction._patterns.spans import MARK
from quickwins.logs.redaction._patterns.values import looks_random
from quickwins.logs.redaction._rules import RedactionRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quickwins.logs.redaction._names import Kind
    from quickwins.logs.redaction._patterns.spans import Span, Work

_USERINFO = re.compile(r"""://((?:[^\s/?#@"<>]*+@)++)""")
# A password with a raw slash: what follows the colon is no port, so the authority has not ended yet.
_RAW_USERINFO = re.compile(
    r"""://([^\s:/?#@"<>]{0,128}+:(?![0-9]{1,5}(?:[/?#\s"'<>]|\Z))[^\s@"<>]{1,128}+@)"""
)


# One with quotes, angle brackets or a space: only behind a user, and before a host that ends as one does.
_ODD_USERINFO = re.compile(
    r"""://([^\s:/?#@"<>]{1,64}+:(?![0-9]{1,5}(?:[/?#\s"'<>,;]|\Z))[^\s@/]{1,64}+(?:[ ][^\s@/]{1,64}+){0,2}@)(?=[\w.-]{1,253}(?:[:/?]|[\s"']|\Z))"""
)


def url_credentials(text: str, work: Work) -> list[Span]:
    """What stands between `://` and the `@` of the authority."""
    spans: list[Span] = []
    for pattern in (_USERINFO, _RAW_USERINFO, _ODD_USERINFO):
        spans += work.some(_before_at(pattern, text, work))
    return spans


def _before_at(pattern: re.Pattern[str], text: str, work: Work) -> Iterator[Span]:
    for found in work.matches(pattern, text, cost=2):
        start, end = found.span(1)
        if end - start > 1 and text[start:end] not in _NOBODY and not MARK.fullmatch(text, start, end - 1):
            yield start, end - 1, RedactionRule.URL_CREDENTIALS


_NOBODY = frozenset(("git@", "hg@", "svn@"))
_QUERY = re.compile(
    r"""[?#](?<![\s=]\#)(?=[A-Za-z0-9_%$~-]|\[(?!redacted|email:|phone:))(?:[^\s"'<>`\\]++|'(?=[\w.%-]*+[&=]))++"""
)
_MARKS = re.compile(r"\?"), re.compile("#")
"""What `_QUERY` begins with; each alone `re` finds many times as fast."""
_SEPARATOR = re.compile(r"[&#]|;(?=[\w.%-]{1,64}=)")
_FLAG = re.compile(r"[A-Za-z][A-Za-z_.-]{0,31}[0-9]{0,3}")
_LONGEST = 64
_NAME = rf"[\w.%~\[\]-]{{1,{_LONGEST}}}"
_FORM = re.compile(rf"""{_NAME}=[^\s&"'`]*+(?:&{_NAME}=[^\s&"'`]*+)++""")
_EMAN = re.compile(rf"""{_NAME}(?![^\s"'`])""")
"""A name behind white space or a quote, read backwards."""
_FIRST_VALUE = re.compile(r"""=[^\s&"'`]*+(&)?""")
"""With what is no form too, so that nothing is passed over twice."""


def query_runs(text: str) -> list[tuple[int, int]]:
    """Where parameters stand, in order: behind `?` or `#`, or `name=value&name=value` alone, as forms are sent."""
    runs = []
    done = 0
    for start in sorted(found.start() for mark in _MARKS for found in mark.finditer(text)):
        found = _QUERY.match(text, start) if start >= done else None
        if found is not None:
            done = found.end()
            if text.find("=", start, done) >= 0 or (text[start] == "?" and in_path(text, start)):
                runs.append((start + 1, done))
    if text.count("&") > sum(text.count("&", start, end) for start, end in runs):
        runs += _forms(text)
        runs.sort()
    return runs


def _forms(text: str) -> Iterator[tuple[int, int]]:
    """`name=value&name=value`, found by its first value, of which there are fewer than words."""
    done = 0
    for found in _FIRST_VALUE.finditer(text):
        at = found.start()
        name = None if at < done or not found[1] else _EMAN.match(text[max(0, at - _LONGEST - 1) : at][::-1])
        form = None if name is None else _FORM.match(text, at - name.end())
        if form is not None:
            done = form.end()
            yield form.span()


def in_path(text: str, at: int) -> bool:
    """Whether what stands before `at`, without a gap, has a slash."""
    before = text[max(0, at - 128) : at]
    return "/" in before and not before[-1].isspace() and "/" in before.rsplit(None, 1)[-1]


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_SHOWN = re.compile(
    r"(?:/[a-z-]{1,24}){1,4}\Z|[0-9]{1,5}\Z|[\w.-]{1,3}\Z|\#[0-9A-Fa-f]{3,8}\Z|(?:true|false|none|null)\Z",
    re.ASCII,
)
"""Values that are too short to be secrets."""
_USUAL = _words("""
    page size limit offset sort order order_by orderby sort_by sortby per_page perpage page_size pagesize format lang language
    locale state status version fields include exclude expand type kind level debug verbose partition shard region zone view
    tab mode direction dir asc desc from to since until start end after before count group_by tz timezone currency unit
    """)
"""Names of parameters whose values are words: what is shown, in which order, and how much."""
_WORD = re.compile(r"[-+]?[a-z]{1,16}(?:[_.,-][a-z]{1,16}){0,3}\Z|[A-Z]{1,8}\Z|[0-9-]{1,10}\Z")


def query(
    text: str,
    runs: list[tuple[int, int]],
    private: Callable[[str], Kind],
    work: Work,
    *,
    errs_open: bool = False,
) -> Iterator[Span]:
    """The values of all parameters but the shortest, such as `page=2`, where the name isn't private.

    What has no name is a value unless it is a word, as in `?debug`.

    Args:
        text: Where to look.
        runs: Where parameters stand.
        private: Says of a name whether it is private.
        work: What may be done.
        errs_open: Whether other values go only if they look drawn at random.
    """
    for start, end in runs:
        yield from _values(text, start, end, private, work, errs_open=errs_open)


def _is_shown(name: str, value: str, private: Callable[[str], Kind], *, errs_open: bool) -> bool:
    if errs_open:
        return not private(name) and not looks_random(value)
    if _SHOWN.match(value) is None and (name.lower() not in _USUAL or _WORD.match(value) is None):
        return False
    return not private(name)


def _values(
    text: str, start: int, end: int, private: Callable[[str], Kind], work: Work, *, errs_open: bool
) -> Iterator[Span]:
    piece = text[start:end]
    at = 0
    for part in _SEPARATOR.split(piece):
        if not work.may(start + at):
            return
        name, equals, _ = part.partition("=")
        value = at + len(name) + 1 if equals else at
        stop = at + len(part)
        hidden = value < stop if equals else bool(part) and not _FLAG.fullmatch(part)
        if hidden and equals and _is_shown(name, piece[value:stop], private, errs_open=errs_open):
            hidden = False
        if hidden and not MARK.fullmatch(piece, value, stop):
            yield start + value, start + stop, RedactionRule.QUERY
        at = stop + 1
