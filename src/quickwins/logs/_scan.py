"""Finds what must not be shown, in names, text and numbers. Pure; any thread.

Every rule looks at the text as it was, and says where; what overlaps is one finding. So no rule sees another's marks, and
none makes sense of half of what another found.

Cost grows with the length and no faster, whatever the text: a rule runs only where one of its characters is; runs are taken
whole (possessive quantifiers) and not begun in their middle (lookbehinds); what is repeated has a bound; after 64 findings, and
after 4,096 characters, the rest is left out as a whole. `benchmarks/logs/redaction.py` shows it.

Out of scope: what was made to look like something else (look-alike letters, invisible characters, encodings but one layer of
per cent).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from quickwins.core.digest import digest
from quickwins.logs._names import Kind, kind_of
from quickwins.logs.redaction import LOOKS, Rule, fold

if TYPE_CHECKING:
    from quickwins.logs.redaction import Redaction

    Span = tuple[int, int, Rule]

MAX_LENGTH = 4_096
"""Characters that are shown of a text at most."""
OVERLAP = 512
"""Characters after them that are looked at, for what begins before."""
MAX_FINDINGS = 64
MAX_NAMES = 4_096
"""Names whose kind is remembered."""
_SHORTEST = 6  # a@b.co
_SHORTEST_CARD = 10**12

# Each is cheaper than the rules that need what it finds.
_SIGNS = re.compile(r"[@?=:+%#]")
_DIGITS = re.compile(r"[0-9() .-]{12}")
_LONG = re.compile(r"[A-Za-z0-9_.-]{16}")
_KEYS = re.compile(
    r"(?<![A-Za-z0-9])(?:A(?:KIA|SIA|ROA|IDA)[A-Z0-9]{12}|AIza[\w-]{20}|AGE-SECRET-KEY-1[A-Z0-9]{10}|EAA[A-Za-z0-9]{30}"
    r"|d(?:op_v1_|ckr_pat_)[\w-]{16}|doo_v1_[\w-]{16}|figd_[\w-]{16}|g(?:h[pousr]_|ithub_pat_|lpat-|lrt-|sk_)[\w-]{16}"
    r"|h(?:f_[A-Za-z0-9]{16}|vs\.[\w-]{16})|key-[0-9a-f]{16}|lin_api_[\w-]{16}|n(?:pm_|vapi-)[\w-]{16}"
    r"|p(?:ypi-|k_live_)[\w-]{16}|PMAK-[\w-]{16}|r(?:k_(?:live|test)_|8_)[\w-]{16}"
    r"|s(?:k_(?:live|test)_[\w-]{10}|k-[\w-]{16}|hpat_[\w-]{16}|hpss_[\w-]{16}|bp_[\w-]{16}|q0csp-[\w-]{16})|SG\.[\w-]{16}"
    r"|SK[0-9a-f]{32}|tfp_[\w-]{16}|whsec_[\w-]{16}|x(?:ox[abeoprs]-|app-)[\w-]{10}|ya29\.[\w-]{16})[\w.-]*+"
)
_DOMAIN = re.compile(r"(?:@|%40)([^\W_][\w-]{0,62}+(?:\.[\w-]{1,63}+){1,8}+)")
_LOCAL = re.compile(r"(?:[\w.!#$%&'*+/=^`{|}~-]|(?<=\")[^\"]{0,62}+\"|\")[\w.!#$%&'*+/=^`{|}~-]{0,63}+")
_JWT = re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{4,}+(?:\.[A-Za-z0-9_-]*+){1,4}+")
_SCHEME = re.compile(r"(?:bearer|basic|digest|negotiate|token|apikey)[ \t]{1,3}+([a-z0-9._~+/=-]{8,}+)")
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_TELLING = re.compile(r"[0-9=]|[a-z][A-Z]|.{32}")
_BLOCK = re.compile(r"-----BEGIN [A-Z0-9 ]{1,64}+-----")
_BLOCK_END = re.compile(r"-----END [A-Z0-9 ]{1,64}+-----")
_CREDENTIALS = re.compile(r"://([^\s/?#\"'<>]{1,512})@")
_QUERY = re.compile(
    r"(?<=[^\s?])[?#](?=[^\s=?#]{0,256}+=)[^\s\"'<>]++|(?<![^\s\"'(])\?(?=[^\s=?#]{0,256}+=)[^\s\"'<>]++"
)
_QUERY_VALUE = re.compile(r"(?<=[=])([^&;#?\s]++)")
_PAIR = re.compile(
    r"(?<![\w.-])([A-Za-z_][\w.-]{2,63}+)(?:\\?[\"'])?[ \t]{0,2}(?:=>?|:(?![:/]))[ \t]{0,2}"
    r"(?:\\?\"([^\"]*+)\"?|\\?'([^']*+)'?|([^\s,;&\"'}\])]++))"
)
_E164 = re.compile(
    r"(?<![\w+])\+[1-9](?:[ .()/-]{0,2}\d){7,14}(?!\d)|(?i:tel:)\+?\d(?:[ .()/-]{0,2}\d){4,14}+"
)
_DIALLED = re.compile(r"(?<![\w.+-])00[1-9]\d{0,2}+[ /-](?:[ /-]?\d){6,12}(?!\d)")
_AMERICAN = re.compile(
    r"(?<![\w.-])(?:1[ .-])?(?:\([2-9]\d{2}\)[ .-]?|[2-9]\d{2}[ .-])[2-9]\d{2}[ .-]\d{4}(?![\w-]|\.\d)"
)
_CARD = re.compile(
    r"(?<!\d)(?<!\d\.)(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,4}(?:\1\d{1,3})?|\d{4}([ -])\d{6}\2\d{4,5})(?!\d)",
    re.ASCII,
)
_ISSUED = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d+(?<=^\d{16})"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|(?:6011|65|64[4-9]|62|35(?:2[89]|[3-8]))\d+(?<=^\d{16})\d{0,3}"  # Discover, UnionPay, JCB
    r"|3(?:0[0-5]|[689])\d+(?<=^\d{14})(?:\d\d(?:\d{3})?)?"  # Diners Club
    r"|(?:5[0678]|6[37])\d+(?<=^\d{16})(?:\d\d\d?)?",  # Maestro
    re.ASCII,
)
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")


class Scanner:
    """One service's rules, ready to use."""

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._rules = redaction.rules
        self._pseudonym_key = redaction.pseudonym_key
        self._kinds: dict[str, Kind] = {}

    def key(self, name: str) -> bool:
        """Whether what stands under `name` is not shown, whatever it is."""
        kind = self._kinds.get(name)
        if kind is None:
            kind = self._kind(name)
        return kind is not Kind.PLAIN

    def under(self, name: str, value: object, hits: list[Rule]) -> str:
        """What is shown for `value` under a name that is a secret's; counted in `hits`."""
        hits.append(Rule.KEY)
        kind = self._kind(name)
        if kind is Kind.SECRET or self._pseudonym_key is None or type(value) not in {str, int}:
            return "[redacted:key]"
        return self._mark(Rule.EMAIL if kind is Kind.EMAIL else Rule.PHONE, str(value))

    def number(self, value: int, hits: list[Rule]) -> int | str:
        """`value`, unless it is a payment card's number; counted in `hits`."""
        if value >= _SHORTEST_CARD and Rule.CARD in self._rules and is_card(str(value)):
            hits.append(Rule.CARD)
            return "[redacted:card]"
        return value

    def text(self, value: str, hits: list[Rule]) -> str:
        """`value` without what must not be shown; the same object when there is nothing. Counted in `hits`."""
        if len(value) < _SHORTEST or not self._rules:
            return value
        if len(value) > MAX_LENGTH:
            return self._cut(value, hits)
        spans = self._spans(value)
        return self._replaced(value, spans, len(value), hits) if spans else value

    def _cut(self, value: str, hits: list[Rule]) -> str:
        # What begins before the cut is found whole; words that the cut would halve are left out.
        looked_at = value[: MAX_LENGTH + OVERLAP]
        end = max(looked_at.rfind(" ", MAX_LENGTH - OVERLAP, MAX_LENGTH), MAX_LENGTH - OVERLAP)
        shown = self._replaced(looked_at, self._spans(looked_at), end, hits)
        hits.append(Rule.TOO_LONG)
        return f"{shown}[{len(value) - end} more]"

    def _kind(self, name: str) -> Kind:
        kind = self._kinds.get(name)
        if kind is None:
            folded = fold(name)
            if folded in self._redaction.keys:
                kind = Kind.SECRET
            elif not self._redaction.known_keys or folded in self._redaction.safe_keys:
                kind = Kind.PLAIN
            else:
                kind = kind_of(name[:256])
            if len(self._kinds) >= MAX_NAMES:
                self._kinds.clear()
            if len(name) <= 256:  # noqa: PLR2004 -- as above; until=2027-12-31
                self._kinds[name] = kind
        return kind

    def _spans(self, value: str) -> list[Span]:  # noqa: C901, PLR0912 -- a rule is called only where it may find something, and a table of them costs more; until=2027-12-31
        """Where something is, in order of its beginning; overlapping ones put together."""
        found: list[Span] = []
        if _SIGNS.search(value) is not None:
            if "@" in value or "%40" in value:
                _emails(value, found)
                if "://" in value:
                    _credentials(value, found)
            if "=" in value:
                if "?" in value or "#" in value:
                    _queries(value, found)
                self._pairs(value, found)
            elif ":" in value:
                self._pairs(value, found)
            if "+" in value or ":" in value:
                _international(value, found)
        if "eyJ" in value:
            _add(_JWT, Rule.JWT, value, found)
        if _DIGITS.search(value) is not None:
            _national(value, found)
            _cards(value, found)
        if _LONG.search(value) is not None:
            _add(_KEYS, Rule.API_KEY, value, found)
        if " " in value:
            _schemes(value, found)
            if "-----B" in value:
                _blocks(value, found)
        if found and self._rules is not LOOKS:
            found = [span for span in found if span[2] in self._rules]
        if len(found) < 2:  # noqa: PLR2004 -- nothing to put in order; until=2027-12-31
            return found
        found.sort(key=_begins)
        merged: list[Span] = []
        for start, end, rule in found:
            if merged and start < merged[-1][1]:
                first, last, kept = merged[-1]
                merged[-1] = (first, max(last, end), kept)
            else:
                merged.append((start, end, rule))
        return merged

    def _pairs(self, value: str, found: list[Span]) -> None:
        for match in _PAIR.finditer(value):
            if self.key(match[1]):
                group = match.lastindex or 1
                start, end = match.span(group)
                if group == 4 and "auth" in match[1].lower():  # noqa: PLR2004 -- the one without quotes: a scheme, and what follows; until=2027-12-31
                    end = _line_end(value, end)
                if end > start and not _marked(value, start, end):
                    found.append((start, end, Rule.PAIR))

    def _replaced(self, value: str, spans: list[Span], limit: int, hits: list[Rule]) -> str:
        parts: list[str] = []
        at = 0
        for number, (start, end, rule) in enumerate(spans):
            if start >= limit:
                break
            parts.append(value[at:start])
            if number >= MAX_FINDINGS:
                parts.append("[redacted:too_many]")
                hits.append(Rule.TOO_MANY)
                return "".join(parts)
            parts.append(self._mark(rule, value[start:end]))
            hits.append(rule)
            at = end
        parts.append(value[at:limit])
        return "".join(parts)

    def _mark(self, rule: Rule, found: str) -> str:
        """What stands in its place: the rule's name, or a pseudonym for who can be followed."""
        if self._pseudonym_key is None or rule not in {Rule.EMAIL, Rule.PHONE}:
            return _MARKS[rule]
        if rule is Rule.EMAIL:
            same = found.strip().lower().replace("%40", "@")
        else:
            same = "".join(one for one in found if one.isdigit()).removeprefix("00")
        return f"[{rule}:{digest(rule, same, key=self._pseudonym_key, size_bytes=8).hex()}]"


def is_card(digits: str) -> bool:
    """Whether `digits` are a payment card's number, by issuer, length and check digit."""
    if _ISSUED.fullmatch(digits) is None:
        return False
    plain = digits.encode()
    return (sum(plain[::-2]) + sum(plain[-2::-2].translate(_DOUBLED)) - 48 * len(plain)) % 10 == 0


def _begins(span: Span) -> int:
    return span[0]


def _line_end(value: str, start: int) -> int:
    end = value.find("\n", start)
    return len(value) if end < 0 else end


def _marked(value: str, start: int, end: int) -> bool:
    """Whether there stands one of our marks, and nothing else."""
    return _MARK.fullmatch(value, start, end) is not None


_MARKS = {rule: f"[redacted:{rule}]" for rule in Rule}
_MARK = re.compile(r"\[(?:redacted:[a-z_]+|(?:email|phone):[0-9a-f]{16})\]?")


# What each rule finds in a text that may hold it.


def _add(pattern: re.Pattern[str], rule: Rule, value: str, found: list[Span]) -> None:
    found.extend((*match.span(), rule) for match in pattern.finditer(value))


def _emails(value: str, found: list[Span]) -> None:
    for match in _DOMAIN.finditer(value):
        start = match.start()
        local = _LOCAL.match(value[max(0, start - 64) : start][::-1])
        if local is not None:
            found.append((start - local.end(), match.end(), Rule.EMAIL))


def _credentials(value: str, found: list[Span]) -> None:
    found.extend((*match.span(1), Rule.URL_CREDENTIALS) for match in _CREDENTIALS.finditer(value))


def _queries(value: str, found: list[Span]) -> None:
    for query in _QUERY.finditer(value):
        found.extend(
            (*match.span(), Rule.QUERY)
            for match in _QUERY_VALUE.finditer(value, *query.span())
            if not _marked(value, *match.span())
        )


def _international(value: str, found: list[Span]) -> None:
    _add(_E164, Rule.PHONE, value, found)


def _national(value: str, found: list[Span]) -> None:
    _add(_DIALLED, Rule.PHONE, value, found)
    _add(_AMERICAN, Rule.PHONE, value, found)


def _cards(value: str, found: list[Span]) -> None:
    for match in _CARD.finditer(value):
        start, end = match.span()
        separator = match[1] or match[2] or " "
        if is_card(match[0].replace(separator, "")):
            found.append((start, end, Rule.CARD))
        else:  # a number that has nothing to do with it may follow
            last = value.rfind(separator, start, end)
            if last > 0 and is_card(value[start:last].replace(separator, "")):
                found.append((start, last, Rule.CARD))


def _schemes(value: str, found: list[Span]) -> None:
    folded = value.lower()
    if len(folded) != len(value):  # some letters become two
        folded = value.translate(_LOWER)
    for match in _SCHEME.finditer(folded):
        first, (start, end) = match.start(), match.span(1)
        # "bearer authentication" is a word, and "forbearer" another.
        if (first == 0 or not value[first - 1].isalnum()) and _TELLING.search(value, start, end) is not None:
            found.append((start, end, Rule.BEARER))


def _blocks(value: str, found: list[Span]) -> None:
    at = 0
    while (begin := _BLOCK.search(value, at)) is not None:
        end = _BLOCK_END.search(value, begin.end())
        at = len(value) if end is None else end.end()
        found.append((begin.start(), at, Rule.PEM))
