"""Looks at names, texts and integers, and leaves out what is private. Pure: no I/O, no clock, no logger.

Most texts are clean, and most of those are ones that were seen before. So there are three steps, each some times dearer
than the one before it:

1. `Scanner.clean` remembers clean texts; the caller asks it first.
2. `Scanner.text` makes the text's shape (digits are 0, capitals A, punctuation one of four) in one pass of C and asks
   that a few questions. Anything private has a shape that fails one of them; the tests hold it.
3. `_patterns` looks closely, one rule after the other, each only where its characters are.

What is found is replaced from left to right. Where spans overlap, all of what they cover goes.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING

from quickwins.core.digest import digest
from quickwins.logs.redaction import _names as names
from quickwins.logs.redaction._patterns.pairs import pair
from quickwins.logs.redaction._patterns.people import ZEROS, bare_phone, card, email, iban, is_card, phone
from quickwins.logs.redaction._patterns.spans import MAX_HITS
from quickwins.logs.redaction._patterns.tokens import API_KEY_WORDS, api_key, jwt, pem, scheme
from quickwins.logs.redaction._patterns.urls import query, query_runs, url_credentials
from quickwins.logs.redaction._rules import Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quickwins.logs.redaction._patterns.spans import Span
    from quickwins.logs.redaction._rules import Redaction

MAX_LENGTH = 4_096
"""Characters of a text that are looked at, and the most that are written of it, marks included."""

MAX_CLEAN = 4_096
MAX_CLEAN_LENGTH = 256
"""How many clean texts are remembered, and how long one may be: a few megabytes at most."""

_MIN_LENGTH = 6
_MIN_RANDOM = 3
_MIN_KEY_LENGTH = 15
_MARK_ROOM = 64
_ROUNDS = 4

_NOTHING, _TEXT, _GAP, _DIGIT, _CAPITAL, _LOUD, _QUIET = 9, 9, 32, 48, 65, 64, 58
_SHAPE = bytes(
    _DIGIT if chr(code) in "0123456789"
    else _CAPITAL if chr(code) in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    else _LOUD if chr(code) in "@=?%+"
    else _QUIET if chr(code) in ":\"'"
    else _GAP if chr(code) in " -.()/"
    else _TEXT
    for code in range(256)
)  # fmt: skip
"""White space is what is never private; gaps are what digits are grouped by."""

_NO_KEY = bytes(32 if chr(code) in "0123456789abcdef-TZ:.,_/ " else 120 for code in range(256))
"""White space is what UUIDs, digests, dates, addresses and figures are made of; each prefix of a key has more."""

_WORDS = bytes(
    ord(chr(code).lower()) if chr(code).isascii() and chr(code).isalnum() else _GAP for code in range(256)
)
_KEY_WORDS = frozenset(word.encode() for word in API_KEY_WORDS)
_SUSPECT_WORDS = _KEY_WORDS | {b"bearer", b"basic", b"token", b"begin", b"end"}
_ASIDE = re.compile(r"""[:"'](?:(?<=:)(?!//)(?!(?<=[0-9]:)[0-9])|(?<=["']),)""")
"""A colon that may stand between a name and a value (not in a time, not before `//`), or a comma between strings."""

_ESCAPE = re.compile(r"%(?!25|7[Ff])([2-7][0-9A-Fa-f])")
_DIGITS = re.compile(r"[0-9]+")
_SAFE_CUT = ' \t\r\n"{}<>'
_TRAILING_NUMBER = re.compile(r"(?<![^\s\"{}<>])[0-9A-Z ()+./\u00a0\u202f\u2010\u2011\u2013-]{1,48}\Z")
"""Groups of a card, phone or bank account; the rest of it may have been behind the cut."""

_WHOLE = re.compile(
    r"(?P<email>(?!git@)[A-Za-z0-9][A-Za-z0-9._+-]{0,62}@(?:[a-z][a-z0-9-]{0,62}+\.){1,4}[a-z]{2,24})"
    r"|(?P<jwt>eyJ(?=(?:[^0-9A-Z]{0,512}+[0-9A-Z]){3})[A-Za-z0-9_-]{11,}+\.[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+)"
    r"|(?P<scheme>Bearer )(?P<bearer>(?!eyJ)(?=[^0-9]{0,256}+[0-9])[A-Za-z0-9]{20,256}+)"
    r"|(?P<card>[0-9]{4}(?P<gap>[ -])[0-9]{4}(?P=gap)[0-9]{4}(?P=gap)[0-9]{4})",
    re.ASCII,
)
"""The usual forms of what most often is all that a field holds; what it does not know is looked at as any other text."""
_RULES = {"email": Rule.EMAIL, "jwt": Rule.JWT, "bearer": Rule.BEARER, "card": Rule.CARD}

_NEIGHBOURS = frozenset(' \t\r\n"<>),;=:/?')
"""What nothing private begins or ends with."""


_AFTER_VALUE = frozenset((" ", "&", "#", ""))

_CARD, _EMAIL, _PHONE, _QUERY, _TOO_MANY = Rule.CARD, Rule.EMAIL, Rule.PHONE, Rule.QUERY, Rule.TOO_MANY
_KEY, _TOO_LONG = Rule.KEY, Rule.TOO_LONG
_ALL = frozenset(Rule)
_START = itemgetter(0)


class Scanner:
    """Applies a `Redaction`. One for a pipeline; any thread, without a lock.

    Attributes:
        clean: Texts known to have nothing private, and nothing that is not printable. Ask only whether one is in it.
    """

    __slots__ = ("_all", "_off", "_private", "_rules", "_secret", "clean", "key")

    def __init__(self, redaction: Redaction) -> None:
        self.clean: dict[str, None] = {}
        self._off = not redaction.rules
        self._rules = redaction.rules
        self._all = redaction.rules >= _ALL
        self._private = names.namer(redaction.keys, redaction.safe_keys)
        secret = redaction.pseudonym_key
        self._secret = None if secret is None else secret.get_secret_value()
        self.key = self._private if _KEY in redaction.rules else _never
        """Whether the value of the field with this name must not be shown, whatever it is."""

    def hidden(self, name: str, value: object, hits: list[Rule]) -> str:
        """What stands in the place of `value` under a private name: a pseudonym where there may be one."""
        if self._secret is not None and isinstance(value, str):
            kind = names.kind(name)
            if kind == "email" and "@" in value:
                hits.append(_EMAIL)
                return self._pseudonym(_EMAIL, value)
            if kind == "phone" and _DIGITS.search(value):
                hits.append(_PHONE)
                return self._pseudonym(_PHONE, value)
        hits.append(_KEY)
        return _KEY.mark

    def number(self, value: int, hits: list[Rule]) -> int | str:
        """`value`, unless it could be the number of a card. Not for booleans."""
        if value < 10**12 or value >= 10**19 or _CARD not in self._rules or not is_card(str(value)):
            return value
        hits.append(_CARD)
        return _CARD.mark

    def text(self, value: str, hits: list[Rule]) -> str:
        """`value` without what is private in it; `value` itself when that is nothing. Never raises.

        Args:
            value: Any string, lone surrogates included.
            hits: Gets a rule for each thing that was left out.
        """
        length = len(value)
        if length < _MIN_LENGTH or self._off:
            return value
        if length > MAX_LENGTH or _is_suspect(value):
            return self._redacted(value, hits)
        if length <= MAX_CLEAN_LENGTH and value.isprintable():  # `_remember`, without the call
            clean = self.clean
            if len(clean) >= MAX_CLEAN:
                clean.clear()
            clean[value] = None
        return value

    def _redacted(self, value: str, hits: list[Rule]) -> str:
        whole = _WHOLE.fullmatch(value) if self._all else None
        if whole is not None and (whole["card"] is None or is_card(re.sub("[ -]", "", value))):
            scheme = whole["scheme"]
            return (scheme or "") + self._mark(value, _RULES[whole.lastgroup or ""], hits)
        text, left_out = (value, 0) if len(value) <= MAX_LENGTH else _cut(value)
        for _ in range(_ROUNDS):
            spans, joined = self._spans(text)
            if not spans:
                break
            start, end, rule = spans[0]
            if start == 0 and end == len(text) and not left_out:  # most secrets are all that a field holds
                return self._mark(text, rule, hits)
            again = joined or _looks_different(text, spans)
            text = self._replaced(text, spans, hits)
            if not again:
                break
        if text is value:
            self._remember(value)
            return value
        if len(text) > MAX_LENGTH - (_MARK_ROOM if left_out else 0):
            text, more = _cut(text)
            left_out += more
        if left_out:
            hits.append(_TOO_LONG)
            text = f"{text}[redacted:too_long:{left_out}]"
        return text

    def _remember(self, value: str) -> None:
        if len(value) <= MAX_CLEAN_LENGTH and value.isprintable():
            if len(self.clean) >= MAX_CLEAN:
                self.clean.clear()
            self.clean[value] = None

    def _spans(self, text: str) -> tuple[list[Span], bool]:
        """What is private in `text`: sorted, apart from each other, not too many; and whether some were joined."""
        spans = _found(text, self._private)
        decoded, escapes = _decoded(text)
        if escapes:
            spans += [
                (start + 2 * bisect_left(escapes, start), end + 2 * bisect_left(escapes, end), rule)
                for start, end, rule in _found(decoded, self._private)
            ]
        if not self._all:
            spans = [span for span in spans if span[2] in self._rules or span[2] is _TOO_MANY]
        return _merged(spans, len(text)) if len(spans) > 1 else (spans, False)

    def _replaced(self, text: str, spans: list[Span], hits: list[Rule]) -> str:
        pieces = []
        at = 0
        for start, end, rule in spans:
            pieces.append(text[at:start])
            pieces.append(self._mark(text[start:end], rule, hits))
            at = end
        pieces.append(text[at:])
        return "".join(pieces)

    def _mark(self, private: str, rule: Rule, hits: list[Rule]) -> str:
        hits.append(rule)
        if self._secret is not None and (rule is _EMAIL or rule is _PHONE):
            return self._pseudonym(rule, private)
        return rule.mark

    def _pseudonym(self, rule: Rule, value: str) -> str:
        value = _decoded(value)[0]
        if rule is _EMAIL:
            value = value.strip().lower()
        else:
            digits = "".join(_DIGITS.findall(value.replace("(0)", "")))
            digits = digits.removeprefix("00")
            value = f"1{digits}" if len(digits) == 10 and "+" not in value else digits  # noqa: PLR2004 -- North America without its 1; until=2027-12-31
        return f"[{rule}:{digest(rule, value, key=self._secret or b'', size_bytes=8).hex()}]"


def _never(name: str) -> bool:  # noqa: ARG001 -- one signature for both; until=2027-12-31
    return False


def _is_suspect(value: str) -> bool:
    """Whether `value` must be looked at closely. True for everything private, and for little else."""
    try:
        data = value.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return True
    shape = data.translate(_SHAPE).decode("ascii")
    if shape.isspace():
        return False  # no digit, no capital, no punctuation that means something
    if "@" in shape or (":" in shape and _ASIDE.search(value)):
        return True
    if len(shape.strip()) < _MIN_RANDOM:
        return _has_scheme(value)
    return (
        "000 0000" in shape
        or "0000000000" in shape
        or ("00" in value and "000 " in shape and ZEROS.search(value) is not None)
        or (not data.translate(_NO_KEY).isspace() and _may_have_token(data, value))
    )


def _has_scheme(value: str) -> bool:
    words = value.lower()
    return "bearer" in words or "basic" in words or "token" in words


def _may_have_token(data: bytes, value: str) -> bool:
    """Whether there is a word that begins a key, a block or a credential."""
    if len(value) < _MIN_KEY_LENGTH:
        return _has_scheme(value)
    return (
        "eyJ" in value
        or not _SUSPECT_WORDS.isdisjoint(data.translate(_WORDS).split())
        or _may_have_start(value)
    )


def _may_have_start(value: str) -> bool:
    """Whether there is a beginning that runs on into a key."""
    return (
        "SK" in value
        or ("IA" in value and ("AKIA" in value or "ASIA" in value or "ABIA" in value))
        or "AIza" in value
        or "dapi" in value
        or "ATATT3" in value
    )


def _found(text: str, private: Callable[[str], bool]) -> list[Span]:
    """All spans of all rules, the one that says most first among equals."""
    data = text.encode("utf-8", "replace")
    shape = data.translate(_SHAPE).decode("ascii")
    colon = ":" in text
    spans, urls = _addresses(text, colon=colon) if "@" in text else ([], [])
    if "+" in text or colon:
        spans += phone(text)
    if "0" in shape:
        spans += _numbers(text, shape)
    if len(shape.strip()) >= _MIN_RANDOM:
        spans += _tokens(text, data)
    if _has_scheme(text):
        spans += scheme(text)
    spans += urls
    equals = "=" in text
    runs = query_runs(text) if "?" in text or (equals and ("#" in text or "&" in text)) else []
    if runs:
        spans += _some(query(text, runs))
    if equals or _ASIDE.search(text):
        spans += _some(pair(text, private, runs))
    return _bounded(spans, len(text)) if len(spans) > MAX_HITS else spans


def _some(found: Iterator[Span]) -> list[Span]:
    """What one rule finds, up to the first thing that is too many."""
    return list(islice(found, MAX_HITS + 1))


def _addresses(text: str, *, colon: bool) -> tuple[list[Span], list[Span]]:
    """E-mail addresses, and what stands before the `@` of URLs: `user:pass@host.example` in one is nobody's address."""
    if not colon or "://" not in text:
        return email(text), []
    urls = url_credentials(text)
    return [one for one in email(text) if not any(start <= one[0] <= end for start, end, _ in urls)], urls


def _numbers(text: str, shape: str) -> list[Span]:
    grouped = "000 0000" in shape
    spans = bare_phone(text, grouped=grouped) if grouped or "00" in text else []
    if grouped or "0000000000" in shape:
        spans += card(text)
        if "A" in shape:
            spans += _some(iban(text))
    return spans


def _tokens(text: str, data: bytes) -> list[Span]:
    if data.translate(_NO_KEY).isspace():
        return []
    spans = jwt(text) if "eyJ" in text else []
    if not _KEY_WORDS.isdisjoint(data.translate(_WORDS).split()) or _may_have_start(text):
        spans += api_key(text)
    if "-----" in text:
        spans += _some(pem(text))
    return spans


def _bounded(spans: list[Span], length: int) -> list[Span]:
    """`spans`, with the rest of the text from where the first pattern of a rule may have stopped looking."""
    starts: dict[Rule, list[int]] = {}
    for start, _, rule in spans:
        starts.setdefault(rule, []).append(start)
    stopped = [sorted(some)[MAX_HITS] for some in starts.values() if len(some) > MAX_HITS]
    return [*spans, (min(stopped), length, _TOO_MANY)] if stopped else spans


def _merged(spans: list[Span], length: int) -> tuple[list[Span], bool]:
    """The spans in order, those that overlap made one with the rule of the one that reaches furthest."""
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


def _looks_different(text: str, spans: list[Span]) -> bool:
    """Whether the text must be looked at again once marks stand in the place of `spans`.

    It must where a neighbour of one could be part of something private that it alone kept from being seen, and where
    a URL or its parameters lose white space.
    """
    run = "&" in text or "?" in text or "#" in text or "://" in text
    length = len(text)
    for start, end, rule in spans:
        if rule is _QUERY and text[end : end + 1] in _AFTER_VALUE and text[start - 1] == "=":
            continue
        if end < length and (text[end] not in _NEIGHBOURS or text[end + 1 : end + 2].isdigit()):
            return True
        if start and (text[start - 1] not in _NEIGHBOURS or (start > 1 and text[start - 2].isdigit())):
            return True
        if run and " " in text[start:end]:
            return True
    return False


def _decoded(text: str) -> tuple[str, list[int]]:
    """`text` with its printable percent escapes undone, once, and where in the result each was."""
    escapes: list[int] = []
    if "%" not in text:
        return text, escapes
    pieces = []
    at = 0
    for found in _ESCAPE.finditer(text):
        start, end = found.span()
        escapes.append(start - 2 * len(escapes))
        pieces.append(text[at:start])
        pieces.append(chr(int(found[1], 16)))
        at = end
    pieces.append(text[at:])
    return "".join(pieces), escapes


def _cut(text: str) -> tuple[str, int]:
    """The beginning of `text`, up to where nothing private is cut in two, and how many characters are left out."""
    head = text[: MAX_LENGTH - _MARK_ROOM]
    end = 1 + max(head.rfind(stop) for stop in _SAFE_CUT)
    number = _TRAILING_NUMBER.search(head, max(0, end - 48), end)
    end = end if number is None else number.start()
    return head[:end], len(text) - end
