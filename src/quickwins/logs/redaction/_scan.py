"""Looks at names, texts and integers, and leaves out what is private. Pure: no I/O, no clock, no logger.

Most texts are clean, and most of those are ones that were seen before. So there are three steps, each several times as
expensive as the one before:

1. `Scanner.clean` remembers clean texts; the caller asks it first.
2. `_suspect` takes a quick look at the whole.
3. `_find` looks closely, one rule after the other.

What is found is replaced from left to right. Where spans overlap, all of what they cover goes.
"""

from __future__ import annotations

import re
from itertools import islice
from sys import maxsize
from typing import TYPE_CHECKING

from quickwins.core.digest import digest
from quickwins.logs.redaction import _names as names
from quickwins.logs.redaction._find import first_odd, found, merged
from quickwins.logs.redaction._patterns.people import is_card, is_somebody
from quickwins.logs.redaction._patterns.spans import ESCAPES, MAX_HITS, Work, cut, word_begins
from quickwins.logs.redaction._plain import Plain, escape_signs, may_escape
from quickwins.logs.redaction._rules import RedactionRule
from quickwins.logs.redaction._suspect import is_suspect

if TYPE_CHECKING:
    from quickwins.logs.redaction._patterns.spans import Span
    from quickwins.logs.redaction._rules import Redaction

MAX_LENGTH = 4_096
"""Characters of a text that are looked at, and the most that are written of it, marks included."""

MAX_SIGNS = 192
MAX_DENSE = 1_024
"""How many of `=:@%&?#` the close look takes in a text longer than that: what is made of them is cut short, since each costs
time. No sentence and hardly any JSON has as many."""

MAX_CLEAN = 4_096
MAX_CLEAN_LENGTH = 256
"""How many clean texts are remembered, and how long one may be: a few megabytes at most."""

_MIN_LENGTH = 6
_MARK_ROOM = 64
_ROUNDS = 3
_RAW_SHARE, _WHOLE_SHARE = 5, 2
"""Which part of what may be done is kept for the look at a text with its escapes: a fifth, or half where all rules apply to it."""
_LONG, _ESCAPE_SIGNS, _PLAIN = 256, 30, 7
"""In a longer text so many signs that may begin an escape are a step, whether they do or not; and 2**7 characters are one where
there are any, since all is looked at twice."""
_DIGITS = re.compile(r"[0-9]+")
_SIGNS = "=:@%&?#"
_SIGN = re.compile(f"[{_SIGNS}]")

_WORDS = r"(?:(?![BbTtSDNAGKO](?:earer|asic|oken|plunk|egotiate|ey) )[A-Za-z][a-z]*+ )*+"
"""Words that no credential follows, without a digit, a sign or a capital inside: with a space apart nothing begins in them."""
_USUAL = re.compile(
    rf"{_WORDS}"
    r"(?:(?P<email>[A-Za-z0-9][A-Za-z0-9._+-]{0,62}@(?:[a-z][a-z0-9-]{0,62}+\.){1,4}[a-z]{2,24})"
    r"|(?P<jwt>eyJ(?=(?:[^0-9A-Z]{0,512}+[0-9A-Z]){3})[A-Za-z0-9_-]{11,}+\.[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+)"
    r"|Bearer (?P<bearer>(?!eyJ)(?=[^0-9]{0,256}+[0-9])[A-Za-z0-9]{20,256}+)"
    r"|(?P<card>[0-9]{4}(?P<gap>[ -])[0-9]{4}(?P=gap)[0-9]{4}(?P=gap)[0-9]{4}))"
    r"(?: [A-Za-z][a-z]*+)*+",
    re.ASCII,
)
"""The usual forms of secrets that fill a whole field, or stand alone amid plain words; anything else is looked at rule by rule."""
_RULES = {
    "email": RedactionRule.EMAIL,
    "jwt": RedactionRule.JWT,
    "bearer": RedactionRule.BEARER,
    "card": RedactionRule.CARD,
}

_CARD, _EMAIL, _PHONE, _TOO_MANY = (
    RedactionRule.CARD,
    RedactionRule.EMAIL,
    RedactionRule.PHONE,
    RedactionRule.TOO_MANY,
)
_KEY, _TOO_LONG = RedactionRule.KEY, RedactionRule.TOO_LONG
_ALL = frozenset(RedactionRule)
_NUMBERS = (int, float)


class Scanner:
    """Applies a `Redaction`. One for a pipeline; any thread, without a lock.

    Attributes:
        clean: Texts known to be printable, with nothing private in them. Only ask whether one is in it.
        kinds: What `key` has said of names. Only get from it.
        namer: Tells of what kind the value of a name in a text is.
    """

    __slots__ = ("_all", "_off", "_open", "_rules", "_secret", "clean", "key", "kinds", "namer")

    def __init__(self, redaction: Redaction) -> None:
        self.clean: dict[str, None] = {}
        self._off = not redaction.rules
        self._rules = redaction.rules
        self._open = redaction.errs_open
        self._all = redaction.rules >= _ALL
        self.namer = names.Namer(redaction.keys, redaction.safe_keys)
        secret = redaction.pseudonym_key
        self._secret = None if secret is None else secret.get_secret_value()
        hides = _KEY in redaction.rules
        self.kinds: dict[str, names.Kind] = self.namer.memo if hides else {}
        self.key = self.namer if hides else _never
        """Whether the value of the field with this name must not be shown, whatever it is."""

    def hidden(self, name: str, value: object, hits: list[RedactionRule]) -> str:
        """What stands in the place of `value` under a private name: a pseudonym where there may be one."""
        if self._secret is not None and issubclass(type(value), str):  # `isinstance` asks the value
            value = str.__str__(value)
            kind = names.kind(name)
            if kind == "email" and "@" in value:
                hits.append(_EMAIL)
                return self._pseudonym(_EMAIL, value)
            if kind == "phone" and _DIGITS.search(value):
                hits.append(_PHONE)
                return self._pseudonym(_PHONE, value)
        hits.append(_KEY)
        return _KEY.mark

    @staticmethod
    def is_fact(kind: names.Kind, value: object) -> bool:
        """Whether `value` says nothing private under a name of that kind: `has_password=True`, `tokens=512`."""
        return type(value) is bool or (kind is names.Kind.SEVERAL and type(value) in _NUMBERS)

    def number(self, value: int, hits: list[RedactionRule]) -> int | str:
        """`value`, unless it could be the number of a card. Not for booleans."""
        size = abs(value)
        if size < 10**12 or size >= 10**19 or _CARD not in self._rules or not is_card(str(size)):
            return value
        hits.append(_CARD)
        return _CARD.mark

    def text(self, value: str, hits: list[RedactionRule]) -> str:
        """`value` without what is private in it; `value` itself when that is nothing. Never raises.

        Args:
            value: Any string, lone surrogates included.
            hits: Gets a rule for each thing that was left out.
        """
        length = len(value)
        if length >= _MIN_LENGTH and not self._off and (length > MAX_LENGTH or is_suspect(value)):
            return self._redacted(value, hits)
        if length <= MAX_CLEAN_LENGTH and value.isprintable():  # `_remember`, without the call
            clean = self.clean
            if len(clean) >= MAX_CLEAN:
                clean.clear()
            clean[value] = None
        return value

    def _redacted(self, value: str, hits: list[RedactionRule]) -> str:
        usual = _USUAL.fullmatch(value) if self._all else None
        if usual is not None:
            kind = usual.lastgroup or ""
            start, end = usual.span(kind)
            if _is_one(kind, usual):
                return f"{value[:start]}{self._mark(value[start:end], _RULES[kind], hits)}{value[end:]}"
        return self._by_rules(value, hits)

    def _by_rules(self, value: str, hits: list[RedactionRule]) -> str:
        text, left_out = _shortened(value) if len(value) > MAX_DENSE else (value, 0)
        work = Work()
        for number in range(_ROUNDS):
            spans, joined = self._spans(text, work, again=number > 0)
            if not spans:
                break
            start, end, rule = spans[0]
            if start == 0 and end == len(text) and not left_out:  # most secrets are all that a field holds
                return self._mark(text, rule, hits)
            odd = 0 if joined else first_odd(text, spans)
            if odd is not None and work.is_spent:  # instead of another look all that it could be for goes
                begin = max(word_begins(text, spans[odd][0]), spans[odd - 1][1] if odd else 0)
                spans[odd:] = [(begin, len(text), _TOO_MANY)]
            text = self._replaced(text, spans, hits)
            if odd is None or work.is_spent:
                break
        if text is value:
            self._remember(value)
            return value
        if len(text) > MAX_LENGTH - (_MARK_ROOM if left_out else 0):
            text, more = _cut(text, MAX_LENGTH)
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

    def _spans(self, text: str, work: Work, *, again: bool = False) -> tuple[list[Span], bool]:
        """What is private in `text`: sorted, apart from each other, not too many; and whether some were joined."""
        plain = None
        if may_escape(text):
            if len(text) > _LONG:
                work.left -= escape_signs(text) // _ESCAPE_SIGNS
            plain = Plain(text, work.escapes())
        if plain is None or not plain.changed:
            spans = self._found(text, work, again=again)
        else:
            work.left -= plain.escapes // ESCAPES + (len(text) >> _PLAIN)
            end = maxsize if plain.read == len(text) else len(plain.text) - len(text) + plain.read
            share = _RAW_SHARE if plain.keeps_borders else _WHOLE_SHARE
            spans = [
                (plain.place(start), plain.place(end), rule)
                for start, end, rule in self._found(plain.text, work, end, share=share, again=again)
            ]
            # What is invisible may be the border of a secret, and within one.
            shown = plain.place(work.end) if work.end < len(plain.text) else maxsize
            spans += self._found(text, work, shown, escaped=plain.keeps_borders, again=again)
        if len(spans) < 2:  # noqa: PLR2004 -- nothing to merge; until=never
            return spans, False
        spans, joined = merged(spans)
        if len(spans) > MAX_HITS:
            spans[MAX_HITS:] = [(spans[MAX_HITS][0], len(text), _TOO_MANY)]
        return spans, joined

    def _found(
        self,
        text: str,
        work: Work,
        end: int = maxsize,
        *,
        share: int = 0,
        escaped: bool = False,
        again: bool,
    ) -> list[Span]:
        work.look(end, share)
        return found(
            text,
            self.namer,
            work,
            wanted=None if self._all else self._rules,
            escaped=escaped,
            errs_open=self._open,
            again=again,
        )

    def _replaced(self, text: str, spans: list[Span], hits: list[RedactionRule]) -> str:
        if len(spans) == 1:
            start, end, rule = spans[0]
            return f"{text[:start]}{self._mark(text[start:end], rule, hits)}{text[end:]}"
        pieces = []
        at = 0
        for start, end, rule in spans:
            pieces.append(text[at:start])
            pieces.append(self._mark(text[start:end], rule, hits))
            at = end
        pieces.append(text[at:])
        return "".join(pieces)

    def _mark(self, private: str, rule: RedactionRule, hits: list[RedactionRule]) -> str:
        hits.append(rule)
        if self._secret is not None and (rule is _EMAIL or rule is _PHONE):
            return self._pseudonym(rule, private)
        return rule.mark

    def _pseudonym(self, rule: RedactionRule, value: str) -> str:
        value = Plain(value).text
        if rule is _EMAIL:
            value = value.strip().lower()
        else:
            digits = "".join(_DIGITS.findall(value.replace("(0)", "")))
            digits = digits.removeprefix("00")
            value = f"1{digits}" if len(digits) == 10 and "+" not in value else digits  # noqa: PLR2004 -- North America without its 1; until=never
        return f"[{rule}:{digest(rule, value, key=self._secret or b'', size_bytes=8).hex()}]"


def _is_one(kind: str, found: re.Match[str]) -> bool:
    """Whether what looks like a secret in its usual form is one."""
    if kind == "card":
        return is_card(found[kind].replace(found["gap"], ""))
    return kind != "email" or is_somebody(found[kind])


def _never(name: str) -> names.Kind:  # noqa: ARG001 -- one signature for both; until=never
    return names.Kind.NONE


def _shortened(text: str) -> tuple[str, int]:
    """As much of `text` as is looked at, and how many characters are left out."""
    left_out = 0
    if len(text) > MAX_LENGTH:
        text, left_out = _cut(text, MAX_LENGTH)
    if len(text) > MAX_DENSE and sum(map(text.count, _SIGNS)) > MAX_SIGNS:
        signs = list(islice(_SIGN.finditer(text), MAX_SIGNS + 1))
        text, more = _cut(text, signs[-1].start())
        left_out += more
    return text, left_out


def _cut(text: str, length: int) -> tuple[str, int]:
    """The beginning of `text`, up to where nothing private is cut in two, and how many characters are left out."""
    end = cut(text, length)
    return text[:end], len(text) - end
