"""Where private things are in a text: all rules together, each only where its characters occur. Pure."""

from __future__ import annotations

import re
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING

from quickwins.logs.redaction._patterns.pairs import pair
from quickwins.logs.redaction._patterns.people import bare_phone, card, email, iban, phone
from quickwins.logs.redaction._patterns.said import may_say, said
from quickwins.logs.redaction._patterns.spans import MAX_HITS
from quickwins.logs.redaction._patterns.tokens import api_key, jwt, pem, scheme
from quickwins.logs.redaction._patterns.urls import query, query_runs, url_credentials
from quickwins.logs.redaction._rules import RedactionRule
from quickwins.logs.redaction._suspect import (
    ASIDE,
    KEY_WORDS,
    MIN_RANDOM,
    OTHER_SCHEMES,
    SHAPE,
    WORDS,
    has_run,
    has_scheme,
    may_be_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quickwins.logs.redaction._names import Kind
    from quickwins.logs.redaction._patterns.spans import Span

_NEIGHBOURS = frozenset(' \t\r\n"<>),;=:/?\\')
"""What nothing private begins or ends with."""

_AFTER_VALUE = frozenset((" ", "&", "#", ""))
_NO_LOGIN = re.compile(r"[^:]*[{}|^`][^:]*\Z|[^ \"<>]*[ \"<>]")
"""What has a character that no user of a URL may have (RFC 3986, 3.2.1), and no password; or a space or
quotes: what is before its `@` may be an address too."""

_KNOWN = KEY_WORDS | OTHER_SCHEMES
_QUERY, _CREDENTIALS, _TOO_MANY = (
    RedactionRule.QUERY,
    RedactionRule.URL_CREDENTIALS,
    RedactionRule.TOO_MANY,
)
_START = itemgetter(0)


def found(
    text: str,
    private: Callable[[str], Kind],
    *,
    escaped: bool = False,
    errs_open: bool = False,
    again: bool = False,
) -> list[Span]:
    """All spans of all rules, the one that says most first among equals.

    Args:
        text: Where to look.
        private: Says of a name of what kind its value is, if it is private.
        escaped: Whether the text is looked at without its escapes too: then only for what escapes belong to.
        errs_open: Whether what may be a secret or not is left.
        again: Whether marks have come into it since it was looked at.
    """
    if escaped:
        return _within_escapes(text, private, errs_open=errs_open)
    data = text.encode("utf-8", "replace")
    shape = data.translate(SHAPE).decode("ascii")
    lower = text.lower()
    words = data.translate(WORDS).split()
    colon = ":" in text
    spans, urls = _addresses(text, colon=colon) if "@" in text else ([], [])
    if "+" in text or colon:
        spans += phone(text)
    if "0" in shape:
        spans += _numbers(text, shape, errs_open=errs_open, again=again)
    if len(shape.strip()) >= MIN_RANDOM:
        spans += _tokens(text, data, lower, words)
    elif has_scheme(lower):
        spans += scheme(text)
    spans += urls
    equals = "=" in text
    runs = query_runs(text) if "?" in text or (equals and ("#" in text or "&" in text)) else []
    if runs:
        spans += _some(query(text, runs, private, errs_open=errs_open))
    if equals or ((colon or "," in text) and ASIDE.search(text)):
        spans += _some(pair(text, private, runs, errs_open=errs_open))
    if equals or colon or may_say(text, lower, words):
        spans += _some(said(text, lower, words, private))
    return _bounded(spans, len(text)) if len(spans) > MAX_HITS else spans


def _within_escapes(text: str, private: Callable[[str], Kind], *, errs_open: bool) -> list[Span]:
    """Values and credentials: an escape in one may stand for what would end it."""
    spans = url_credentials(text) if "://" in text and "@" in text else []
    equals = "=" in text
    runs = query_runs(text) if "?" in text or (equals and ("#" in text or "&" in text)) else []
    if runs:
        spans += _some(query(text, runs, private, errs_open=errs_open))
    if equals or ASIDE.search(text):
        spans += _some(pair(text, private, runs, errs_open=errs_open))
    return _bounded(spans, len(text)) if len(spans) > MAX_HITS else spans


def _some(found: Iterator[Span]) -> list[Span]:
    """What one rule finds, up to the first thing that is too many."""
    return list(islice(found, MAX_HITS + 1))


def _addresses(text: str, *, colon: bool) -> tuple[list[Span], list[Span]]:
    """E-mail addresses, and what stands before the `@` of URLs: `user:pass@host.example` in one is nobody's address."""
    if not colon or "://" not in text:
        return email(text), []
    urls = url_credentials(text)
    logins = [(start, end) for start, end, _ in urls if _NO_LOGIN.match(text, start, end) is None]
    return [one for one in email(text) if not any(start <= one[0] <= end for start, end in logins)], urls


def _numbers(text: str, shape: str, *, errs_open: bool, again: bool) -> list[Span]:
    grouped = "000 0000" in shape
    american = grouped and (
        "000 000 0000" in shape or "000  000 0000" in shape
    )  # 3-3-4, the first in brackets or not
    spans = bare_phone(text, grouped=american) if (american or "00" in text) and not errs_open else []
    if grouped or "0000000000" in shape:
        spans += card(text, again=again)
        if "A" in shape:
            spans += _some(iban(text))
    return spans


def _tokens(text: str, data: bytes, lower: str, words: list[bytes]) -> list[Span]:
    """What programs show to be let in; of a token or a credential no part is looked at again as a key."""
    known = _KNOWN.intersection(words)
    spans = scheme(text) if has_scheme(lower) or (known and not OTHER_SCHEMES.isdisjoint(known)) else []
    if not may_be_key(data, text):
        return spans
    if "eyJ" in text:
        spans += jwt(text)
    if spans and len(spans) <= MAX_HITS:
        for start, end, _ in spans:
            text = f"{text[:start]}{' ' * (end - start)}{text[end:]}"
        data = text.encode("utf-8", "replace")
    run = has_run(text, data)
    if run or (known and not KEY_WORDS.isdisjoint(known)):
        spans += api_key(text, run=run)
    if "-----" in text:
        spans += _some(pem(text))
    return spans


def _bounded(spans: list[Span], length: int) -> list[Span]:
    """`spans`, with the rest of the text from where the first pattern of a rule may have stopped looking."""
    starts: dict[RedactionRule, list[int]] = {}
    for start, _, rule in spans:
        starts.setdefault(rule, []).append(start)
    stopped = [sorted(some)[MAX_HITS] for some in starts.values() if len(some) > MAX_HITS]
    return [*spans, (min(stopped), length, _TOO_MANY)] if stopped else spans


def merged(spans: list[Span], length: int) -> tuple[list[Span], bool]:
    """The spans in order; those that overlap are merged, under the rule of the one that reaches furthest."""
    spans.sort(key=_START)
    merged: list[Span] = []
    joined = False
    first, last, why = spans[0]
    for start, end, rule in spans[1:]:
        if start >= last:
            joined = joined or start == last
            merged.append((first, last, why))
            first, last, why = start, end, rule
        elif start != first or end != last:
            joined = True
            if end > last:
                last, why = end, rule
    merged.append((first, last, why))
    if len(merged) > MAX_HITS:
        merged[MAX_HITS:] = [(merged[MAX_HITS][0], length, _TOO_MANY)]
    return merged, joined


def looks_different(text: str, spans: list[Span]) -> bool:
    """Whether the text must be looked at again once marks stand in the place of `spans`.

    That is so where the neighbour of a span could be part of something private that only the span kept from being seen,
    and where a URL or its parameters lose white space.
    """
    length = len(text)
    for start, end, rule in spans:
        if rule is _QUERY and text[end : end + 1] in _AFTER_VALUE and text[start - 1] == "=":
            continue
        if text[end : end + 1] == "@" and rule is _CREDENTIALS and text[start - 1] == "/":
            pass  # the host, to which no more belongs than before
        elif end < length and (text[end] not in _NEIGHBOURS or text[end + 1 : end + 2].isdigit()):
            return True
        if start and (text[start - 1] not in _NEIGHBOURS or (start > 1 and text[start - 2].isdigit())):
            return True
        if text.find(" ", start, end) >= 0 and ("&" in text or "?" in text or "#" in text or "://" in text):
            return True
    return False
