"""Names with values inside a text: `password=…`, `token: …`, JSON, headers, printed dictionaries."""

from __future__ import annotations

import re
from bisect import bisect_right
from sys import maxsize
from typing import TYPE_CHECKING

from quickwins.logs.redaction._labels import BESIDE, LABELS
from quickwins.logs.redaction._names import Kind
from quickwins.logs.redaction._patterns.ends import WORD, closed, line_end, quote_end, word_end
from quickwins.logs.redaction._patterns.labelled import Labels
from quickwins.logs.redaction._patterns.spans import MARK
from quickwins.logs.redaction._patterns.values import (
    JUDGED_LENGTH,
    NO_VALUE,
    NOTHING,
    could_be,
    is_assigned,
    is_status,
    looks_random,
)
from quickwins.logs.redaction._rules import RedactionRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quickwins.logs.redaction._names import Namer
    from quickwins.logs.redaction._patterns.spans import Span, Work

# A name and what separates it from its value; a comma only between two quoted strings, as a list of headers is printed.
_NAMED = re.compile(
    r"""
    ([\w.-](?<![\w.-].)[\w.-]*+)(\\{0,4}["'`]?)\]?[ \t]*+
    (?: =(?!=)>? | :(?!//)(?!(?<=[0-9]:)[0-9])(?:=|:(?=[ ]))? | (?<=["']),(?=[ ]?b?["']) )
    [ \t]*+
    """,
    re.VERBOSE | re.ASCII,
)
_BACKWARDS = re.compile(
    r"""[=:,](?:(?<!,)[ \t]*+\]?["'`]?|["'](?<=,.))\\{0,4}([\w.-]++)""", re.ASCII | re.DOTALL
)
"""The same read backwards, from the separator on, of which there are fewer than words; with one class of signs first, which `re` finds
in half of the time."""
_SHORT = 256
"""Up to here it takes less time to ask of each name than to collect them first."""
_NAME_ROOM = 120
"""Characters of a name; of a longer one the end counts."""
_JUDGED, _IN_VAIN, _HEARD, _ASKED = 10, 4, 4, 3
"""What it costs to judge a value, how much more if it is none, to hear a label, and to ask for a name, in steps of `Work`."""
_PASSED, _READ = 4, 3
"""So many different names are passed in a step, and so many are read forwards, once they are known to be wanted."""
_BRACKETS = 4
"""So many that open are closed again in a step."""

_SECONDS = (
    "key",
    "number",
    "code",
    "string",
    "phrase",
    "url",
    "uri",
    "header",
    "id",
    "data",
    "answer",
    "no",
    "codes",
    "keys",
)
_SECOND_WORDS = frozenset(spelled for one in _SECONDS for spelled in (one, one.title(), one.upper()))
_LABELLED = LABELS | BESIDE | {"type"}
_CALLING = _LABELLED - BESIDE
_NUMBER = re.compile(r"[+(]?[0-9]++(?:[ ()./-]{1,2}[0-9]++)*+")
_MARGIN = 24
_BEGINS = re.compile(r"""(?:\A|[\r\n])[ \t>|*-]*(?:export[ ])?["'`]?\Z|[,;|({][ ]?\Z""")
"""What stands before a name that begins its line, or its part of one."""
_ENDS = re.compile(r"[ \t.]*(?:[\r\n,;|)}\]]|\Z)")
_CLASS = re.compile(r"[A-Z][a-z]+[A-Z]\w*\Z")
_LEAST_OF_CLASS = 16
_SOURCE = re.compile(r"\.[A-Za-z]{1,4}\Z")
_SCHEMES = re.compile(
    r"(?i:bearer|basic|digest|negotiate|ntlm|token|apikey|aws4-|hawk|dpop|ssws|splunk|accesskey|geniekey|oauth|mac|key\Z)"
)
_OPENS_PAIR = re.compile(r"""define\([ ]?[\"']\Z|[\[({,][ ]?[(\[][ ]?b?[\"']\Z|[-A-Z][\"']\Z""")
_CLOSES_PAIR = re.compile(r"""[\"'][ ]?[)\]]""")
_BELOW = re.compile(r"(?:\r?\n[ \t]*){1,2}([^\s:=]{4,256})[ \t]*(?=[\r\n]|\Z)")
_PHRASE = re.compile(r"(?i)phrase|mnemonic")
_GROUPED = frozenset((Kind.PHONE, Kind.NUMBER))
_OPEN = re.compile(r"""[ ]?(?:[bBrRuUfF]{1,2}(?=["']))?(\\*)(\"{3}|["'`])""")
_WRAPPED = re.compile(
    r"""(?:&?(?:Some|Ok|Just|Right|Box|Secret\w{0,16}|Token|Password|ApiKey|Zeroizing|String)(?:::(?:from|new))?\(|string\([0-9]{1,6}\)[ ]){1,3}(?=["'])"""
)
"""A string within what Rust, PHP and others print around it; `Column("token")` is code."""
_WRAPS = frozenset("&SOJRBTPAZs")
_REFERS = re.compile(r"""\{[ ]?["']?(?:secretName|secretKeyRef|secretRef|valueFrom)\b""")
"""What Kubernetes puts in a secret's place: where it is."""
_BLOCK = re.compile(
    r"[|>][-+0-9]{0,2}[ \t]*\r?\n[ \t]{1,32}([^\r\n]{1,4096}(?:\n[ \t]{1,32}[^\s:]{1,4096}(?=[\r\n]|\Z)){0,63})"
)
"""A block of YAML: further lines belong to it while they are one word."""
_HASHED = re.compile(r"\{[A-Z][A-Z0-9-]{2,15}\}[\w+/=$.]")
"""How LDAP writes a password's hash (RFC 2307)."""
_FILLED_IN = re.compile(
    r"""(?:(?i:bearer|basic|token)[ ])?\$?\{[\w.()\[\]!:]{1,64}\}|\[(?i:filtered|hidden|masked|omitted|removed)\]|\*{3,}"""
)
"""What code has between quotes where the secret comes at run time, and what others put there that have hidden it."""
_CHANGED_TO = re.compile(r"""["'][ ]->[ ](?=["'])""")
_PLURALS = (
    "codes",
    "keys",
    "tokens",
    "secrets",
    "passwords",
    "Codes",
    "Keys",
    "Tokens",
    "Secrets",
    "Passwords",
)
_NEXT = re.compile(r""",[ ]?(?=[^\s,;:='"]{4,256}(?:[\s,;]|\Z))""")
_AFTER_MARK = " \t\r\n,;&)]}\"'<[."


def pair(
    text: str,
    private: Namer,
    runs: list[tuple[int, int]],
    work: Work,
    *,
    errs_open: bool = False,
) -> list[Span]:
    """The values that belong to private names, and those that another value says are private: `name=token value=…`.

    Args:
        text: Where to look.
        private: Says of a name of what kind its value is, if it is private.
        runs: Where not to look, in order: the values of parameters are found as such.
        work: What may be done.
        errs_open: Whether a value without quotes must look like a secret behind `=` too.
    """
    named = _named(text, private, work)
    if not named:
        return []
    labels = Labels(private)
    spans = work.some(_pairs(text, named, private, runs, work, labels, errs_open=errs_open))
    work.end = min(work.end, labels.waits_at(work.end))
    return spans


def _pairs(
    text: str,
    named: list[re.Match[str]],
    private: Callable[[str], Kind],
    runs: list[tuple[int, int]],
    work: Work,
    labels: Labels,
    *,
    errs_open: bool,
) -> Iterator[Span]:
    done = 0
    for number, found in enumerate(named):
        start = found.start()
        if text[start - 1 : start] == "[" and MARK.match(text, start - 1):
            continue
        at = found.end(1)
        name = found[1][-_NAME_ROOM:]
        second = name in _SECOND_WORDS and text[start - 1 : start] == " "
        if not work.may(
            start, _HEARD if name in _LABELLED else _ASKED if second else number & 1
        ):  # half a step
            break
        kind = private(name)
        if not kind and name in _LABELLED:
            for span in _beside(text, found, labels):
                done = max(done, span[1])
                yield span
        if not kind and second:
            kind = _of_two(text, start, name, private)
        if not kind or at < done or (runs and _is_inside(runs, at)) or _in_mark(text, start, at):
            continue
        if not work.may(start, _JUDGED):
            break
        value, end = _value(text, found, kind, name, start, errs_open=errs_open)
        for span in _all_of(text, value, end, kind, name, work):
            done = span[1]
            yield span


def _all_of(text: str, value: int, end: int, kind: Kind, name: str, work: Work) -> Iterator[Span]:
    """A value, and what stands behind it and is another: what Terraform changes it to, the next ones where a name is plural."""
    if value == end:
        work.left -= _IN_VAIN
        return
    if text[value] in "[{":
        work.left -= (text.count("[", value, end) + text.count("{", value, end)) // _BRACKETS
    yield value, end, RedactionRule.PAIR
    changed = _CHANGED_TO.match(text, end)
    if changed is not None and (opened := _OPEN.match(text, changed.end())) is not None:
        yield opened.end(), quote_end(text, opened), RedactionRule.PAIR
    if not name.endswith(_PLURALS):
        return
    following = _NEXT.match(text, end)
    while following is not None and work.may(following.end(), _JUDGED):
        at = following.end()
        last = word_end(text, at)
        if not could_be(kind, text[at:last]):
            return
        yield at, last, RedactionRule.PAIR
        following = _NEXT.match(text, last)


def _named(text: str, private: Namer, work: Work) -> list[re.Match[str]]:
    """Names that are private, may be so with the word before, or say what another value is; all of a short text."""
    if len(text) <= _SHORT:
        return list(_NAMED.finditer(text))
    length = len(text)
    found = [(one[1][:_NAME_ROOM], length - one.end()) for one in _BACKWARDS.finditer(text[::-1])]
    first = {back[::-1]: at for back, at in found}  # the last one that is found stands first in the text
    if not first or not work.may(found[-1][1], len(first) // _PASSED):
        return []
    labelled = not _CALLING.isdisjoint(first) and not BESIDE.isdisjoint(first)
    wanted = first.keys() & _LABELLED if labelled else set()
    for name in sorted(private.may_be_private(first), key=first.__getitem__):
        if not work.may(first[name], _ASKED):
            break
        if private(name):
            wanted.add(name)
    backs = {name[::-1] for name in wanted}
    seconds = {name[::-1] for name in first.keys() & _SECOND_WORDS}
    places = [
        at for back, at in reversed(found) if back in backs or (back in seconds and text[at - 1 : at] == " ")
    ]
    work.left -= len(places) // _READ
    return [named for at in places if (named := _NAMED.match(text, at)) is not None]


def _beside(text: str, found: re.Match[str], labels: Labels) -> Iterator[Span]:
    """The value that a label says is private, now that this name has been heard."""
    for named, kind in labels.hear(text, found):
        first, end = _value(text, named, kind, "", named.start())
        if first < end and is_assigned(kind, text[first:end], spaced=False):
            yield first, end, RedactionRule.PAIR


def _of_two(text: str, start: int, name: str, private: Callable[[str], Kind]) -> Kind:
    """What a name of two words says, as `api key`; the first is not yet read."""
    before = text[max(0, start - _NAME_ROOM // 4) : start]
    word = before.split()[-1:]
    return private(f"{word[0]} {name}") if word and word[0].isalpha() else Kind.NONE


def _is_inside(runs: list[tuple[int, int]], at: int) -> bool:
    """Whether `at` is in one of `runs`: in the last that begins before it."""
    place = bisect_right(runs, (at, maxsize)) - 1
    return place >= 0 and at < runs[place][1]


def _in_mark(text: str, start: int, at: int) -> bool:
    """Whether the name is part of a mark, as `email` is in `[email:0123456789abcdef]` and in `[redacted:email]:`."""
    opened = text.rfind("[", max(0, start - 10), at)
    mark = None if opened < 0 else MARK.match(text, opened)
    return mark is not None and mark.end() > start


def _is_place(text: str, found: re.Match[str], name: str) -> bool:
    """Whether the name is part of something else: `arn:…:secret:feed`, `token.py:88`."""
    if text[found.end() - 1] != ":":
        return False
    start = found.start()
    return text[start - 1 : start] == ":" or (
        _SOURCE.search(name) is not None and text[found.end() : found.end() + 1].isdigit()
    )


def _value(
    text: str, found: re.Match[str], kind: Kind, name: str, start: int, *, errs_open: bool = False
) -> tuple[int, int]:
    """Where the value behind the separator `found` begins and ends; the same twice where there is none.

    Args:
        text: All of it.
        found: The separator.
        kind: What the name says.
        name: As it is written.
        start: Where the name begins, behind its quote.
        errs_open: As for `pair`.
    """
    at = found.end()
    nothing = at, at
    if at == len(text) or _is_place(text, found, name):
        return nothing
    begins = text[at]
    if begins in NOTHING and _is_nothing(text, at):
        return nothing
    if begins in _WRAPS and (wrapped := _WRAPPED.match(text, at)) is not None:
        at = wrapped.end()
    opened = _OPEN.match(text, at)
    sign = _sign(found)
    if opened is not None:
        first, end = opened.end(), quote_end(text, opened)
        if (sign == "," and not _is_pair(text, start, first, end)) or _FILLED_IN.fullmatch(text, first, end):
            return nothing
    elif begins in "|>" and (block := _BLOCK.match(text, at)) is not None:
        first, end = block.span(1)
    elif text[at] in "[{" and _HASHED.match(text, at) is None:
        first, end = at, closed(text, at)
    elif text[at] in "\r\n":
        first, end = _next_line(text, start, at) if sign == ":" else nothing
    else:
        first, end = at, _bare_end(text, found, kind, name, start, errs_open=errs_open)
        if text[first:end] == name or text.endswith(f".{name}", first, end):  # code that passes it on
            return nothing
    return (first, end) if first < end and not MARK.fullmatch(text, first, end) else nothing


def _is_nothing(text: str, at: int) -> bool:
    """Whether what stands in a value's place is none, or what was hidden already."""
    if NO_VALUE.match(text, at) or _REFERS.match(text, at):
        return True
    mark = MARK.match(text, at)
    return mark is not None and text[mark.end() : mark.end() + 1] in _AFTER_MARK


def _sign(found: re.Match[str]) -> str:
    """What stands between name and value: `=`, `:` or a comma."""
    sign = found[0].rstrip()
    return "=" if sign.endswith(("=", "=>")) else sign[-1]


def _bare_end(text: str, found: re.Match[str], kind: Kind, name: str, start: int, *, errs_open: bool) -> int:
    """Where the value without quotes ends; where it begins if it is none."""
    at = found.end()
    quoted = found[2] != ""
    quote = "" if quoted else text[start - 1 : start]
    begins = quoted or _BEGINS.search(text, max(0, start - _MARGIN), start) is not None
    glued = text[at - 1] not in " \t"
    assigned = _sign(found) == "="
    if kind is Kind.LINE:
        if _PHRASE.search(name) or quoted or (assigned and not errs_open):
            is_said = glued or not is_status(text, at)
        else:
            is_said = _begins_header(text, at) or (begins and _is_alone(text, at))
        return line_end(text, at, quote) if is_said else at
    if not glued and not assigned and is_status(text, at):
        return at
    end = word_end(text, at)
    if kind in _GROUPED:
        number = _NUMBER.match(text, at)
        end = end if number is None else max(end, number.end())
    value = text[at : min(end, at + JUDGED_LENGTH)]
    if "[" in value:
        value = MARK.sub("", value)
    if (
        quoted
    ):  # JSON: a number, or what is cut short; a word and another are a sentence about what has quotes
        is_said = value.isalpha() and value.islower() and _ENDS.match(text, end) is None
        return at if is_said or (kind is Kind.SEVERAL and value.isdigit()) else end
    alone = begins and not assigned and _ENDS.match(text, end) is not None and not _CLASS.match(name)
    if not errs_open and (assigned or (alone and not glued)):
        return end if is_assigned(kind, value, spaced=not glued) else at
    if _CLASS.match(name) and not assigned:  # `PasswordHasher: argon2id`
        is_long = len(value) >= _LEAST_OF_CLASS
        return end if is_long and looks_random(value) and could_be(kind, value) else at
    return end if could_be(kind, value) else at


def _begins_header(text: str, at: int) -> bool:
    """Whether a header's value begins at `at`, and no sentence goes on."""
    words = text[at : at + _NAME_ROOM].split(None, 2)[:2]
    return bool(words) and (
        _SCHEMES.match(words[0]) is not None or any("=" in word or looks_random(word) for word in words)
    )


def _is_alone(text: str, at: int) -> bool:
    """Whether the word at `at` is the last of its line, and nothing that a sentence says of a secret."""
    word = WORD.match(text, at)
    return word is not None and _ENDS.match(text, word.end()) is not None and not is_status(text, at)


def _is_pair(text: str, start: int, first: int, end: int) -> bool:
    """Whether a quoted name, a comma and a quoted value are one of a list of pairs, or the value says it itself."""
    return looks_random(text[first:end]) or (
        _OPENS_PAIR.search(text, max(0, start - _MARGIN), start) is not None
        and _CLOSES_PAIR.match(text, end) is not None
    )


def _next_line(text: str, start: int, at: int) -> tuple[int, int]:
    """The value on the line below a name that has a line of its own."""
    below = _BELOW.match(text, at)
    if below is None or _BEGINS.search(text, max(0, start - _MARGIN), start) is None or is_status(below[1]):
        return at, at
    return below.span(1)
