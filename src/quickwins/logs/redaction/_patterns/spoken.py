"""Secrets that words alone announce: sentences, tables of settings, SQL, `.netrc`, the configuration of routers. Pure.

Each row is asked only where one of its words occurs; what it then finds must look like a secret, since people write about
passwords more often than they write one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from quickwins.logs.redaction._names import Kind
from quickwins.logs.redaction._patterns.spans import MARK, MAX_HITS
from quickwins.logs.redaction._patterns.values import NO_VALUE, could_be, is_assigned, looks_random
from quickwins.logs.redaction._rules import RedactionRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quickwins.logs.redaction._patterns.spans import Span

_PAIR = RedactionRule.PAIR
_DIGIT = re.compile("[0-9]")
_END = ".:!?,;"


class _Row(NamedTuple):
    """What is looked for: the secret is its last group that matched.

    Attributes:
        words: One of these, in lower case, is in every text of this kind.
        pattern: The whole.
        judge: Whether what was found is a secret.
    """

    words: tuple[str, ...]
    pattern: re.Pattern[str]
    judge: Callable[[str], bool]


def _always(value: str) -> bool:  # noqa: ARG001 -- one signature for all; until=never
    return True


def _is_drawn(value: str) -> bool:
    return looks_random(value) and _DIGIT.search(value) is not None


def _is_secret(value: str) -> bool:
    return _is_password(value) or looks_random(value)


def _is_password(value: str) -> bool:
    return could_be(Kind.PASSWORD, value)


_SENT = r"(?:verification|security|log-?in|sign-?in|confirmation|authentication|auth|access|activation|one[- ]time|2fa|mfa|otp|sms)"
_SPOKEN_WORDS = ("password ", "passwd ", "passphrase ", "pwd ")
_SPOKEN = r"(?i:pass(?:word|wd|phrase)|pwd)[ ](?:(?:for|of)[ ](?:user[ ])?\S{1,64}[ ])?"
_QUOTED = _Row(
    ("'", '"'),
    re.compile(
        r"""\b(?i:password|identified[ ](?:with[ ]\S{1,64}[ ])?(?:by|as)(?:[ ]password)?)(?:\s{1,4}(?:=\s?)?|\()N?(["'])([^"'\n]++)"""
    ),
    _always,
)
_SENTENCE = _Row(
    _SPOKEN_WORDS,
    re.compile(rf"{_SPOKEN}(?:is[ ](?:now[ ])?|was[ ]|of[ ])?([^\s\"',;)]{{8,}}+)"),
    _is_drawn,
)
_CHANGE = _Row(
    ("set to ", "set: ", "changed to ", "changed: ", "updated to ", "updated: "),
    re.compile(
        rf"{_SPOKEN}(?:(?:is|was|has[ ]been)[ ])?(?:set|changed|reset|updated)(?:[ ]to|:)[ ]([^\s\"',;)]{{6,}}+)"
    ),
    lambda value: _DIGIT.search(value) is not None and _is_password(value),
)
_END_OF_LINE = _Row(
    ("d is ", "d was ", "e is ", "e was "),
    re.compile(
        rf"{_SPOKEN}(?:is|was)[ ](?!argon2|base64|pbkdf2)([^\s\"',;)]{{8,64}}+)(?=[ \t]*(?:[\r\n]|\Z))"
    ),
    lambda value: _DIGIT.search(value) is not None and _is_password(value),
)
_PIPED = _Row(
    ("password-stdin",),
    re.compile(r"\becho[ ](?:-n[ ])?[\"']?([^\s\"'|]{4,256})[\"']?[ ]{0,2}\|[^|\n]{1,64}--password-stdin"),
    _always,
)
_REDIS = _Row(
    ("requirepass ", "masterauth "),
    re.compile(r"\b(?i:requirepass|masterauth)\"?[ ]\"?([^\s\"']{4,512})"),
    _always,
)
_AUTH = re.compile(
    r"\bAUTH\b\"?[ ]\"?(?:default\"?[ ]\"?)?(?!(?:PLAIN|LOGIN|XOAUTH2|NTLM)\b)([^\s\"']{6,512})(?=[\"' ]*(?:[\r\n]|\Z))"
    r"|\bAUTH[ ](?:PLAIN|LOGIN|XOAUTH2|NTLM)[ ]([A-Za-z0-9+/=]{8,})"
)
"""The commands of Redis and of SMTP (RFC 4954)."""
_IMAP = _Row(
    (" login ",),
    re.compile(r"(?:\A|[\s<>])[A-Za-z]{0,4}[0-9]{1,6}[ ]LOGIN[ ]\"?[^\s\"]{1,128}\"?[ ]\"?([^\s\"]{4,128})"),
    _is_password,
)
_KEY_IS = _Row(
    (" key ",),
    re.compile(
        r"\b(?i:api|access|secret|auth|license)[ ](?i:key)[ ](?:is[ ]|was[ ])?(?=[A-Za-z]{0,64}[0-9])([0-9A-Za-z]{15,512})(?![\w.])"
    ),
    looks_random,
)
_SOCIAL = _Row(
    ("ssn", "social security"),
    re.compile(
        r"\b(?i:ssn|social[ ]security(?:[ ]number)?)[ ](?:is[ ])?([0-9]{3}-[0-9]{2}-[0-9]{4})(?![\w-])"
    ),
    _always,
)
_NETRC = _Row(
    ("machine", "default login"),
    re.compile(
        r"\b(?:machine\s{1,4}\S{1,253}|default)\s{1,8}(?:login|account)\s{1,4}\S{1,128}\s{1,8}password\s{1,4}(\S{1,256}+)"
    ),
    _always,
)
_ROUTER = re.compile(
    r"\b(?:snmp-server[ ]community|(?:radius|tacacs)-server[ ](?:host[ ]\S{1,64}[ ])?key"
    r"|(?:username[ ]\S{1,64}[ ](?:privilege[ ][0-9]{1,2}[ ])?|enable[ ])password)(?:[ ][0-9])?[ ]([^\s\"']{4,256})"
)
_CODE = _Row(
    ("code ", "code: ", "code=", "codes "),
    re.compile(
        rf"\b(?i:{_SENT}[ -](?:pass)?|pass)(?i:codes?)[ ](?:(?:is|was)[ :]{{1,2}}|[:=][ ])?([0-9](?:[0-9]|[ -](?=[0-9])){{2,10}}[0-9])(?![\w.])"
    ),
    _always,
)
_YOUR_CODE = _Row(
    ("your ",),
    re.compile(r"\b[Yy]our[ ](?:\w{1,20}[ ]){0,2}code(?:[ ]is)?:?[ ]([0-9]{4,8})(?![\w.])"),
    _always,
)
_CODE_FIRST = _Row(
    (" is your ",),
    re.compile(r"(?:(?<![\w.-])|(?<=\bG-))([0-9]{4,8})[ ]is[ ]your[ ](?:[\w-]{1,20}[ ]){0,4}(?:pass)?code\b"),
    _always,
)
_CARD_CODE = _Row(("cvv", "cvc"), re.compile(r"\b(?i:cv[vc]2?)[ ]([0-9]{3,4})(?![\w.])"), _always)
_VAULT = _Row(  # developer.hashicorp.com/vault, `operator init`
    ("unseal key ", "recovery key "),
    re.compile(r"\b(?i:unseal|recovery)[ ](?i:key)[ ][0-9]{1,2}:[ ]([^\s\"',]{16,256})"),
    looks_random,
)
_ORACLE = _Row(  # user/password@service
    ("sqlplus ", "expdp ", "impdp ", "sqlldr ", "rman "),
    re.compile(
        r"\b(?:sqlplus|expdp|impdp|sqlldr|rman)[ ](?:-\S{1,16}[ ]){0,3}[\w$#]{1,64}+/([^\s/@\"']{3,128})@"
    ),
    _always,
)
# A list of what is there takes half the time of a loop that asks: nearly always it is empty.
_ROWS: tuple[tuple[str, tuple[_Row, ...]], ...] = (
    (
        "pass",
        (
            _QUOTED,
            _SENTENCE,
            _CHANGE,
            _END_OF_LINE,
            _NETRC,
            _PIPED,
            _REDIS,
            _Row(("username ", "enable "), _ROUTER, _is_password),
        ),
    ),
    ("pwd ", (_SENTENCE, _CHANGE)),
    ("identified", (_QUOTED,)),
    ("code", (_CODE, _CODE_FIRST, _YOUR_CODE)),
    ("cv", (_CARD_CODE,)),
    ("-server ", (_Row(("snmp", "radius", "tacacs"), _ROUTER, _is_password),)),
    (" key ", (_VAULT, _KEY_IS)),
    ("auth", (_REDIS, _Row(("auth ", 'auth" '), _AUTH, _is_secret))),
    (" login ", (_IMAP,)),
    ("ssn", (_SOCIAL,)),
    ("social ", (_SOCIAL,)),
    ("@", (_ORACLE,)),
)
"""By what a text of that kind has without fail."""

_COLUMNS = re.compile(
    r"""(?:\A|\n)[ \t]{0,16}([\w.-]{2,64})(?:[ ]{2,40}|\t{1,4})(?:"([^"\n]{1,512}+)"|'([^'\n]{1,512}+)'|([^\s"']{6,256}+))[ \t]{0,8}(?=\n|\Z)"""
)
"""A name and its value with room between them, alone on a line: tables of settings, as Django's page for errors has."""
_INSERTED = re.compile(
    r"\b(?i:insert[ ]into|replace[ ]into)[ ][^\s()]{1,128}[ ]?\(([^()\n]{1,1024})\)\s{0,4}(?i:values)\s{0,4}\("
)
_CONSTANT = re.compile(r"\s{0,4}(?:[NnEe]?'((?:[^'\\]|''|\\.)*+)'|[^,()']{1,256}+)\s{0,4}(?:[,)]|\Z)")
"""The columns of a statement before their values, and one of these."""
_TABLED = re.compile("pass|pwd|secret|token|dsn|key")


WORDS = frozenset(
    b"""
    identified code codes passcode passcodes cvv cvc cvv2 cvc2 snmp radius tacacs key auth requirepass masterauth login ssn social
    sqlplus expdp impdp sqlldr rman values
    """.split()
)
"""One of these, in lower case and between signs, is in every text with a row of the table, or else `pass` or `pwd` is."""


def is_tabled(lower: str) -> bool:
    """Whether a text may hold a table of settings, with a secret in it."""
    return ("  " in lower or "\t" in lower) and _TABLED.search(lower) is not None


def spoken(text: str, lower: str, private: Callable[[str], Kind]) -> Iterator[Span]:
    """What a sentence, a table or a command says is secret.

    Args:
        text: Where to look.
        lower: The same in lower case.
        private: Says of a name of what kind its value is, if it is private.
    """
    for rows in [rows for sign, rows in _ROWS if sign in lower]:
        for row in rows:
            for word in row.words:
                if word in lower:
                    yield from _judged(text, row)
                    break
    if " into " in lower and "'" in text and "values" in lower:
        yield from _inserted(text, private)


def _judged(text: str, row: _Row) -> Iterator[Span]:
    for found in row.pattern.finditer(text):
        group = found.lastindex or 1
        start, value = found.start(group), found[group].rstrip(_END)
        if value and not NO_VALUE.match(text, start) and not MARK.match(text, start) and row.judge(value):
            yield start, start + len(value), _PAIR


def _inserted(text: str, private: Callable[[str], Kind]) -> Iterator[Span]:
    """Constants of SQL, by the names of their columns."""
    for found in _INSERTED.finditer(text):
        at = found.end()
        for column in found[1].split(",", MAX_HITS):
            value = _CONSTANT.match(text, at)
            if value is None:
                break
            at = value.end()
            kind = private(column.strip(' "`[]'))
            if kind and value[1] and not NO_VALUE.fullmatch(value[1]) and not MARK.fullmatch(value[1]):
                yield *value.span(1), _PAIR


def tabled(text: str, private: Callable[[str], Kind]) -> Iterator[Span]:
    """What a table of settings has under a private name."""
    at = 0
    while (found := _COLUMNS.search(text, at)) is not None:
        at = found.end()
        kind = private(found[1])
        if not kind:
            continue
        group = found.lastindex or 1
        value = MARK.sub("", found[group])
        if not value or NO_VALUE.fullmatch(value):
            continue
        if could_be(kind, value) if group == 4 else is_assigned(kind, value, spaced=False):  # noqa: PLR2004 -- without quotes; until=never
            yield *found.span(group), _PAIR
