"""Where private things are in a text: all rules together, each only where its characters occur. Pure."""

from __future__ import annotations

import re
from operator import itemgetter
from typing import TYPE_CHECKING

from quickwins.logs.redaction._patterns.excerpt import WORDS, Excerpt, key_parts, without
from quickwins.logs.redaction._patterns.pairs import pair
from quickwins.logs.redaction._patterns.people import bare_phone, card, email, iban, phone, quoted_email
from quickwins.logs.redaction._patterns.said import may_say, said
from quickwins.logs.redaction._patterns.spans import MAX_HITS, SAFE_CUT, Work, word_begins
from quickwins.logs.redaction._patterns.tokens import api_key, jwt, pem, scheme
from quickwins.logs.redaction._patterns.urls import query, query_runs, url_credentials
from quickwins.logs.redaction._rules import RedactionRule
from quickwins.logs.redaction._suspect import (
    ASIDE,
    MIN_RANDOM,
    OTHER_SCHEMES,
    SHAPE,
    has_scheme,
    may_be_key,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from quickwins.logs.redaction._names import Namer
    from quickwins.logs.redaction._patterns.spans import Span

_NEIGHBOURS = frozenset(' \t\r\n"<>),;=:/?\\')
"""What nothing private begins or ends with."""

_CLOSED = re.compile(r"'(?:[,:)\]}\s]|\Z)")
_OPENED = frozenset((" '", "('", "['", "{'", "='"))
"""As Python prints strings: nothing begins behind such quotes, or ends before them."""
_LONG = 256
"""A shorter text costs so little that it isn't counted."""
_LONGER = "\u0130"
"""The only letter that is longer in lower case."""
_AFTER_VALUE = frozenset((" ", "&", "#", ""))
_NO_LOGIN = re.compile(r"[^:]*[{}|^`][^:]*\Z|[^ \"<>]*[ \"<>]")
"""What has a character that no user of a URL may have (RFC 3986, 3.2.1), and no password; or a space or
quotes: what is before its `@` may be an address too."""

_BASE, _ADDRESSES, _LOGINS, _AMERICAN, _CARDS, _ACCOUNTS = 46, 8, 9, 8, 14, 10
_KEYS, _VALUES, _SAID, _TABLES = 125, 12, 40, 12
"""Steps of `Work` that passes over 4,096 characters take: those of usual texts, and of each kind of rule that applies."""
_SIGN = 820
"""And what each sign behind a name takes: a fifth of a step."""
_QUERIED = 2_048
"""And what may begin parameters: half a step."""
_WIDE = 5
"""What isn't ASCII takes a fifth longer, or a little more."""

_QUERY, _CREDENTIALS, _TOO_MANY = (
    RedactionRule.QUERY,
    RedactionRule.URL_CREDENTIALS,
    RedactionRule.TOO_MANY,
)
_START = itemgetter(0)


def found(
    text: str,
    private: Namer,
    work: Work | None = None,
    *,
    wanted: frozenset[RedactionRule] | None = None,
    escaped: bool = False,
    errs_open: bool = False,
    again: bool = False,
) -> list[Span]:
    """All spans of all rules, the one that says most first among equals.

    Args:
        text: Where to look.
        private: Says of a name of what kind its value is, if it is private.
        work: What may be done; from `work.end` on all is left out.
        wanted: The rules whose spans count; `None`: all.
        escaped: Whether the text is looked at without its escapes too: then only for what escapes belong to.
        errs_open: Whether what may be a secret or not is left.
        again: Whether marks have come into it since it was looked at.
    """
    if work is None:
        work = Work()
    spans: list[Span] = []
    length = len(text)
    text = work.ahead(text)
    rules = (
        _within_escapes(text, private, work, errs_open=errs_open)
        if escaped
        else _rules(text, private, work, errs_open=errs_open, again=again)
    )
    for some in rules:
        if some:
            spans += some if wanted is None else [span for span in some if span[2] in wanted]
            if len(spans) > MAX_HITS:
                _narrow(spans, work)
    if work.end < length:
        spans.append((word_begins(text, work.end), length, _TOO_MANY))
    return spans


def _rules(
    text: str, private: Namer, work: Work, *, errs_open: bool, again: bool
) -> Iterator[Iterable[Span]]:
    """What each rule finds, one after the other: what is found first tells the others where to stop."""
    if "-----" in text:
        yield work.some(pem(text, work))
    text = work.ahead(text)
    is_long = len(text) > _LONG
    if is_long:  # before anything is made of it, as far as that can be told
        text = work.afford(text, _steps(text))
        if not text:
            return
    data = text.encode("ascii", "replace")
    shape = data.translate(SHAPE).decode("ascii")
    random = len(shape.strip()) >= MIN_RANDOM
    parts = key_parts(data) if random and may_be_key(data, text) else []
    numbers = _Numbers(shape) if "0" in shape else _NO_NUMBERS
    if is_long:
        text = work.afford(text, _more_steps(text, parts, numbers))
        data = data[: len(text)]
    lower = text.lower()
    if len(lower) != len(text):
        lower = text.replace(_LONGER, "i").lower()
    words = set(data.translate(WORDS).split())
    if "@" in text:
        yield from _addresses(text, work)
    if numbers is not _NO_NUMBERS:
        yield from _found_numbers(text, shape, numbers, work, errs_open=errs_open, again=again)
    yield from _tokens(work.ahead(text), lower, words, parts, work, random=random)
    yield from _values(work.ahead(text), private, work, errs_open=errs_open)
    text = work.ahead(text)
    if "=" in text or ":" in text or may_say(text, lower, words):
        yield from said(text, lower[: len(text)], words, private, work)


def _steps(text: str) -> int:
    """What the passes of the rules take for 4,096 characters, apart from those for numbers and keys."""
    steps = (
        _BASE
        + _ADDRESSES * ("@" in text)
        + _LOGINS * ("://" in text)
        + _names(text)
        + _SAID
        + _TABLES * ("  " in text or "\t" in text)
    )
    return steps if text.isascii() else steps + steps // _WIDE


def _more_steps(text: str, parts: list[tuple[int, int]], numbers: _Numbers) -> int:
    """And what those take."""
    steps = (
        _AMERICAN * numbers.american
        + _CARDS * numbers.card
        + _ACCOUNTS * numbers.account
        + _KEYS * sum(end - start for start, end in parts) // len(text)
    )
    return steps if text.isascii() else steps + steps // _WIDE


def _names(text: str) -> int:
    """What names and parameters take, for 4,096 characters."""
    signs = text.count("=") + text.count(":") + text.count('",') + text.count("',")
    queries = text.count("?")
    return _VALUES + (_SIGN * signs + _QUERIED * queries) // len(text) if signs or queries else 0


class _Numbers:
    """Which numbers a text may have, by its shape.

    Attributes:
        american: Whether there are 3-3-4 digits, the first in brackets or not.
        card: Whether there are as many digits as a card has, in groups or not.
        account: Whether there are the beginning of a bank account's number, and as many digits as one has.
    """

    __slots__ = ("account", "american", "card")

    def __init__(self, shape: str) -> None:
        self.american = "000 000 0000" in shape or "000  000 0000" in shape
        self.card = "0000 0000" in shape or "0000000000000" in shape
        self.account = "AA00" in shape and ("000 0000" in shape or "0000000000" in shape)


_NO_NUMBERS = _Numbers("")


def _found_numbers(
    text: str, shape: str, numbers: _Numbers, work: Work, *, errs_open: bool, again: bool
) -> Iterator[list[Span]]:
    if "+" in text or ":" in text:
        yield phone(text, work)
    if (numbers.american or "00" in text) and not errs_open:
        yield bare_phone(text, shape, work, grouped=numbers.american)
    if numbers.card:
        yield work.some(card(text, shape, work, again=again))
    if numbers.account:
        yield work.some(iban(text, work))


def _values(text: str, private: Namer, work: Work, *, errs_open: bool) -> Iterator[list[Span]]:
    """The values of parameters and of names."""
    equals = "=" in text
    runs = query_runs(text) if "?" in text or (equals and ("#" in text or "&" in text)) else []
    if runs:
        yield work.some(query(text, runs, private, work, errs_open=errs_open))
    if equals or ((":" in text or "," in text) and ASIDE.search(text)):
        yield pair(text, private, runs, work, errs_open=errs_open)


def _within_escapes(text: str, private: Namer, work: Work, *, errs_open: bool) -> Iterator[Iterable[Span]]:
    """Values and credentials: an escape in one may stand for what would end it."""
    if len(text) > _LONG:
        text = work.afford(text, _LOGINS + _names(text))
    if "://" in text and "@" in text:
        yield url_credentials(text, work)
    yield from _values(text, private, work, errs_open=errs_open)


def _narrow(spans: list[Span], work: Work) -> None:
    """Let the other rules stop where more has been found than is named."""
    joined, _ = merged(spans.copy())
    if len(joined) > MAX_HITS:
        work.end = min(work.end, joined[MAX_HITS][0])


def _addresses(text: str, work: Work) -> Iterator[list[Span]]:
    """E-mail addresses, and what stands before the `@` of URLs: `user:pass@host.example` in one is nobody's address."""
    if "://" not in text:
        yield _emails(text, work)
        return
    urls = url_credentials(text, work)
    logins = [(start, end) for start, end, _ in urls if _NO_LOGIN.match(text, start, end) is None]
    yield [one for one in _emails(text, work) if not any(start <= one[0] <= end for start, end in logins)]
    yield urls


def _emails(text: str, work: Work) -> list[Span]:
    spans = work.some(email(text, work))
    if '"@' in text:
        spans += work.some(quoted_email(text, work))
    return spans


def _tokens(
    text: str,
    lower: str,
    words: set[bytes],
    parts: list[tuple[int, int]],
    work: Work,
    *,
    random: bool,
) -> Iterator[list[Span]]:
    """What programs show to be let in; of a token or a credential no part is looked at again as a key.

    Where nothing looks drawn at `random`, only a password can be behind a scheme.
    """
    spans: list[Span] = []
    if has_scheme(lower) or (random and not OTHER_SCHEMES.isdisjoint(words)):
        spans = scheme(text, lower, words, work)
    yield spans
    if random and "eyJ" in text:
        tokens = work.some(jwt(text, work))
        yield tokens
        spans = spans + tokens
    if not parts:
        return
    text = work.ahead(text)
    parts = without(parts, sorted(spans), len(text))
    if parts:
        yield Excerpt(text, parts).looked(api_key, work)


def merged(spans: list[Span]) -> tuple[list[Span], bool]:
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
        elif end > last:
            joined = joined or start != first
            last, why = end, rule
    merged.append((first, last, why))
    return merged, joined


def first_odd(text: str, spans: list[Span]) -> int | None:
    """The first of `spans` for which the text must be looked at again once a mark stands in its place, if any.

    That is so where the neighbour of a span could be part of something private that only the span kept from being seen,
    and where a URL or its parameters lose white space.
    """
    length = len(text)
    for number, (start, end, rule) in enumerate(spans):
        if rule is _TOO_MANY and text[start - 1 : start] in SAFE_CUT:
            continue
        if rule is _QUERY and text[end : end + 1] in _AFTER_VALUE and text[start - 1] == "=":
            continue
        if text[end : end + 1] == "@" and rule is _CREDENTIALS and text[start - 1] == "/":
            pass  # the host, to which no more belongs than before
        elif (
            end < length
            and (text[end] not in _NEIGHBOURS or text[end + 1 : end + 2].isdigit())
            and _CLOSED.match(text, end) is None
        ):
            return number
        if (
            start
            and (text[start - 1] not in _NEIGHBOURS or (start > 1 and text[start - 2].isdigit()))
            and text[max(0, start - 2) : start] not in _OPENED
        ):
            return number
        if text.find(" ", start, end) >= 0 and ("&" in text or "?" in text or "#" in text or "://" in text):
            return number
    return None
