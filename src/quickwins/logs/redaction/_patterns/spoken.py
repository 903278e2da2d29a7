"""Secrets that words alone announce: sentences, tables of settings, SQL, `.netrc`, the configuration of routers. Pure.

Each row is asked only where one of its words occurs; what it then finds must look like a secret, since people write about
passwords more often than they write one.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from quickwins.logs.redaction._names import Kind
from quickwins.logs.redaction._patterns.spans import MARK, MAX_HITS, led
from quickwins.logs.redaction._patterns.values import NO_VALUE, could_be, is_assigned, looks_random
from quickwins.logs.redaction._rules import RedactionRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quickwins.logs.redaction._patterns.spans import Span, Work

_PAIR = RedactionRule.PAIR
_JUDGED = 2
"""What it costs more to judge what was found than what was not, in steps of `Work`."""
_DIGIT = re.compile("[0-9]")
_END = ".:!?,;"


class _Row(NamedTuple):
    """What is looked for: the secret is its last group that matched.

    Attributes:
        words: Each match has one of these, in lower case, near its beginning.
        pattern: The whole; made by `led` where it begins before the word.
        judge: Whether what was found is a secret.
        lead: How many characters before the word it may begin.
    """

    words: tuple[str, ...]
    pattern: re.Pattern[str]
    judge: Callable[[str], bool]
    lead: int = 0


def _always(value: str) -> bool:  # noqa: ARG001 -- one signature for all; until=never
    return True


def _is_drawn(value: str) -> bool:
    return looks_random(value) and _DIGIT.search(value) is not None


def _is_secret(value: str) -> bool:
    return _is_password(value) or looks_random(value)


def _is_password(value: str) -> bool:
    return could_be(Kind.PASSWORD, value)


_SENT = r"(?:verification|security|log-?in|sign-?in|confirmation|authentication|auth|access|activation|one[- ]time|2fa|mfa|otp|sms)"
_SPOKEN = r"(?i:pass(?:word|wd|phrase)|pwd)[ ](?:(?:for|of)[ ](?:user[ ])?\S{1,64}+[ ])?"
_QUOTED = _Row(
    ("password", "identified"),
    re.compile(
        r"""\b(?i:password|identified[ ](?:with[ ]\S{1,64}[ ])?(?:by|as)(?:[ ]password)?)(?:\s{1,4}(?:=\s?)?|\()N?(["'])([^"'\n]++)"""
    ),
    _always,
)
_SENTENCE = re.compile(rf"{_SPOKEN}(?:is[ ](?:now[ ])?|was[ ]|of[ ])?([^\s\"',;)]{{8,}}+)")
_CHANGE = re.compile(
    rf"{_SPOKEN}(?:(?:is|was|has[ ]been)[ ])?(?:set|changed|reset|updated)(?:[ ]to|:)[ ]([^\s\"',;)]{{6,}}+)"
)
_END_OF_LINE = re.compile(
    rf"{_SPOKEN}(?:is|was)[ ](?!argon2|base64|pbkdf2)([^\s\"',;)]{{8,64}}+)(?=[ \t]*(?:[\r\n]|\Z))"
)
_DOTTED = re.compile(r"(?i:password)\.{3,64}+([^\s\"',;]{4,256}+)")
"""As HikariCP lists its settings."""
_PIPED = re.compile(
    r"\becho[ ](?:-n[ ])?[\"']?([^\s\"'|]{4,256})[\"']?[ ]{0,2}\|[^|\n]{1,64}--password-stdin"
)
_REDIS = re.compile(r"\b(?i:requirepass|masterauth)\"?[ ]\"?([^\s\"']{4,512})")
_AUTH = re.compile(
    r"\bAUTH\b\"?[ ]\"?(?:default\"?[ ]\"?)?(?!(?:PLAIN|LOGIN|XOAUTH2|NTLM)\b)([^\s\"']{6,512})(?=[\"' ]*(?:[\r\n]|\Z))"
    r"|\bAUTH[ ](?:PLAIN|LOGIN|XOAUTH2|NTLM)[ ]([A-Za-z0-9+/=]{8,})"
)
"""The commands of Redis and of SMTP (RFC 4954)."""
_IMAP_LEAD, _KEY_LEAD, _CODE_LEAD, _NUMBER_LEAD = 11, 7, 20, 8
_IMAP = led(
    r"(?:\A|[\s<>])[A-Za-z]{0,4}[0-9]{1,6}[ ]LOGIN[ ]\"?[^\s\"]{1,128}\"?[ ]\"?([^\s\"]{4,128})", _IMAP_LEAD
)
_KEY_IS = led(
    r"\b(?i:api|access|secret|auth|license)[ ](?i:key)[ ](?:is[ ]|was[ ])?(?=[A-Za-z]{0,64}[0-9])([0-9A-Za-z]{15,512})(?![\w.])",
    _KEY_LEAD,
)
_SOCIAL = re.compile(
    r"\b(?i:ssn|social[ ]security(?:[ ]number)?)[ ](?:is[ ])?([0-9]{3}-[0-9]{2}-[0-9]{4})(?![\w-])"
)
_NETRC = re.compile(
    r"\b(?:machine\s{1,4}\S{1,253}+|default)\s{1,8}(?:login|account)\s{1,4}\S{1,128}\s{1,8}password\s{1,4}(\S{1,256}+)"
)
_ROUTER = re.compile(
    r"\b(?:snmp-server[ ]community|(?:radius|tacacs)-server[ ](?:host[ ]\S{1,64}[ ])?key"
    r"|(?:username[ ]\S{1,64}[ ](?:privilege[ ][0-9]{1,2}[ ])?|enable[ ])password)(?:[ ][0-9])?[ ]([^\s\"']{4,256})"
)
_CODE = led(
    rf"\b(?i:{_SENT}[ -](?:pass)?|pass)(?i:codes?)[ ](?:(?:is|was)[ :]{{1,2}}|[:=][ ])?([0-9](?:[0-9]|[ -](?=[0-9])){{2,10}}[0-9])(?![\w.])",
    _CODE_LEAD,
)
_YOUR_CODE = re.compile(r"\b[Yy]our[ ](?:\w{1,20}[ ]){0,2}code(?:[ ]is)?:?[ ]([0-9]{4,8})(?![\w.])")
_CODE_FIRST = led(
    r"(?:(?<![\w.-])|(?<=\bG-))([0-9]{4,8})[ ]is[ ]your[ ](?:[\w-]{1,20}[ ]){0,4}(?:pass)?code\b",
    _NUMBER_LEAD,
)
_CARD_CODE = re.compile(r"\b(?i:cv[vc]2?)[ ]([0-9]{3,4})(?![\w.])")
_VAULT = re.compile(  # developer.hashicorp.com/vault, `operator init`
    r"\b(?i:unseal|recovery)[ ](?i:key)[ ][0-9]{1,2}:[ ]([^\s\"',]{16,256})"
)
_ORACLE = re.compile(  # user/password@service
    r"\b(?:sqlplus|expdp|impdp|sqlldr|rman)[ ](?:-\S{1,16}[ ]){0,3}[\w$#]{1,64}+/([^\s/@\"']{3,128})@"
)


def _has_digit(value: str) -> bool:
    return _DIGIT.search(value) is not None and _is_password(value)


_ROWS: dict[bytes, tuple[_Row, ...]] = {
    b"identified": (_QUOTED,),
    b"machine": (_Row(("machine",), _NETRC, _always),),
    b"default": (_Row(("default",), _NETRC, _always),),
    b"stdin": (_Row(("echo ",), _PIPED, _always),),
    b"requirepass": (_Row(("requirepass",), _REDIS, _always),),
    b"masterauth": (_Row(("masterauth",), _REDIS, _always),),
    b"username": (_Row(("username ",), _ROUTER, _is_password),),
    b"enable": (_Row(("enable ",), _ROUTER, _is_password),),
    b"snmp": (_Row(("snmp-server ",), _ROUTER, _is_password),),
    b"radius": (_Row(("radius-server ",), _ROUTER, _is_password),),
    b"tacacs": (_Row(("tacacs-server ",), _ROUTER, _is_password),),
    b"your": (
        _Row((" is your ",), _CODE_FIRST, _always, _NUMBER_LEAD),
        _Row(("your ",), _YOUR_CODE, _always),
    ),
    b"cvv": (_Row(("cvv",), _CARD_CODE, _always),),
    b"cvc": (_Row(("cvc",), _CARD_CODE, _always),),
    b"cvv2": (_Row(("cvv2",), _CARD_CODE, _always),),
    b"cvc2": (_Row(("cvc2",), _CARD_CODE, _always),),
    b"key": (
        _Row(("unseal key ", "recovery key "), _VAULT, looks_random),
        _Row((" key ",), _KEY_IS, looks_random, _KEY_LEAD),
    ),
    b"auth": (_Row(("auth ", 'auth" '), _AUTH, _is_secret),),
    b"login": (_Row((" login ",), _IMAP, _is_password, _IMAP_LEAD),),
    b"ssn": (_Row(("ssn",), _SOCIAL, _always),),
    b"social": (_Row(("social security",), _SOCIAL, _always),),
    b"sqlplus": (_Row(("sqlplus ",), _ORACLE, _always),),
    b"expdp": (_Row(("expdp ",), _ORACLE, _always),),
    b"impdp": (_Row(("impdp ",), _ORACLE, _always),),
    b"sqlldr": (_Row(("sqlldr ",), _ORACLE, _always),),
    b"rman": (_Row(("rman ",), _ORACLE, _always),),
}
"""By a word of texts of that kind, in lower case."""
_PARTS: tuple[tuple[str, tuple[_Row, ...]], ...] = (
    ("password...", (_Row(("password...",), _DOTTED, _is_password),)),
    *(
        (
            word,
            tuple(
                _Row((word,), pattern, judge)
                for pattern, judge in (
                    (_SENTENCE, _is_drawn),
                    (_CHANGE, _has_digit),
                    (_END_OF_LINE, _has_digit),
                )
            ),
        )
        for word in ("password ", "passwd ", "passphrase ", "pwd ")
    ),
    ("code", (_Row(("code",), _CODE, _always, _CODE_LEAD),)),
)
"""By a part of a word."""

_COLUMNS = r"""[ \t]{0,16}([\w.-]{2,64})(?:[ ]{2,40}|\t{1,4})(?:"([^"\n]{1,512}+)"|'([^'\n]{1,512}+)'|([^\s"']{6,256}+))[ \t]{0,8}(?=\n|\Z)"""
_FIRST_LINE, _NEXT_LINE = re.compile(_COLUMNS), re.compile(rf"\n{_COLUMNS}")
"""A name and its value with room between them, alone on a line: tables of settings, as Django's page for errors has."""
_INSERTED = re.compile(
    r"\b(?i:insert[ ]into|replace[ ]into)[ ][^\s()]{1,128}+[ ]?\(([^()\n]{1,1024}+)\)\s{0,4}(?i:values)\s{0,4}\("
)
_CONSTANT = re.compile(r"\s{0,4}(?:[NnEe]?'((?:[^'\\]|''|\\.)*+)'|[^,()']{1,256}+)\s{0,4}(?:[,)]|\Z)")
"""The columns of a statement before their values, and one of these."""


WORDS = frozenset(
    b"""
    identified code codes passcode passcodes cvv cvc cvv2 cvc2 snmp radius tacacs key auth requirepass masterauth login ssn social
    sqlplus expdp impdp sqlldr rman values
    """.split()
)
"""One of these, in lower case and between signs, is in every text with a row of the table, or else `pass` or `pwd` is."""


def is_tabled(lower: str) -> bool:
    """Whether a text may hold a table of settings, with a secret in it."""
    return ("  " in lower or "\t" in lower) and (
        "pass" in lower
        or "key" in lower
        or "token" in lower
        or "secret" in lower
        or "pwd" in lower
        or "dsn" in lower
    )


def spoken(
    text: str, lower: str, words: set[bytes], private: Callable[[str], Kind], work: Work
) -> Iterator[list[Span]]:
    """What a sentence, a table or a command says is secret, one after the other.

    Args:
        text: Where to look.
        lower: The same in lower case.
        words: The runs of letters and digits in it, in lower case.
        private: Says of a name of what kind its value is, if it is private.
        work: What may be done.
    """
    for part, rows in _PARTS:
        if part in lower:
            for row in rows:
                yield work.some(_judged(text, lower, row, work))
    if "password" in lower and ("'" in text or '"' in text):
        yield work.some(_judged(text, lower, _QUOTED, work))
    for word in sorted(_ROWS.keys() & words):
        for row in _ROWS[word]:
            yield work.some(_judged(text, lower, row, work))
    if b"values" in words and b"into" in words and "'" in text:
        yield work.some(_inserted(text, lower, private, work))


def _judged(text: str, lower: str, row: _Row, work: Work) -> Iterator[Span]:
    for found in work.near(row.pattern, text, lower, row.words, row.lead):
        work.left -= _JUDGED
        group = found.lastindex or 1
        start, value = found.start(group), found[group].rstrip(_END)
        if value and not NO_VALUE.match(text, start) and not MARK.match(text, start) and row.judge(value):
            yield start, start + len(value), _PAIR


def _inserted(text: str, lower: str, private: Callable[[str], Kind], work: Work) -> Iterator[Span]:
    """Constants of SQL, by the names of their columns."""
    for found in work.near(_INSERTED, text, lower, ("insert into ", "replace into ")):
        at = found.end()
        for column in found[1].split(",", MAX_HITS):
            value = _CONSTANT.match(text, at)
            if value is None or not work.may(at):
                break
            at = value.end()
            kind = private(column.strip(' "`[]'))
            if kind and value[1] and not NO_VALUE.fullmatch(value[1]) and not MARK.fullmatch(value[1]):
                yield *value.span(1), _PAIR


def tabled(text: str, private: Callable[[str], Kind], work: Work) -> Iterator[Span]:
    """What a table of settings has under a private name."""
    first = _FIRST_LINE.match(text)
    for found in chain([] if first is None else [first], work.matches(_NEXT_LINE, text)):
        kind = private(found[1])
        if not kind:
            continue
        group = found.lastindex or 1
        value = MARK.sub("", found[group])
        if not value or NO_VALUE.fullmatch(value):
            continue
        if could_be(kind, value) if group == 4 else is_assigned(kind, value, spaced=False):  # noqa: PLR2004 -- without quotes; until=never
            yield *found.span(group), _PAIR
