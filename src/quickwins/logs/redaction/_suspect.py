"""A quick look at a text: whether anything in it may be private. Pure.

The shape of a text has 0 for a digit, A for a capital, one of four characters for punctuation, and white space for what
is never private. It is made in one pass of C, and a few questions are asked of it. Anything private has a shape that
fails one of them; the tests hold it.
"""

from __future__ import annotations

import re

from quickwins.logs.redaction._patterns.excerpt import WORDS, has_run
from quickwins.logs.redaction._patterns.people import ZEROS
from quickwins.logs.redaction._patterns.spoken import is_tabled
from quickwins.logs.redaction._patterns.tokens import API_KEY_WORDS, SCHEME_WORDS
from quickwins.logs.redaction._plain import Plain, escape_signs

MIN_RANDOM = 3
_MIN_KEY_LENGTH = 15

_TEXT, _GAP, _DIGIT, _CAPITAL, _LOUD, _QUIET, _ESCAPES = 9, 32, 48, 65, 64, 58, 42
_ASCII = 0x80
SHAPE = bytes(
    _ESCAPES if chr(code) in "\\&\x1b" or code >= _ASCII
    else _DIGIT if chr(code) in "0123456789"
    else _CAPITAL if chr(code) in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    else _LOUD if chr(code) in "@=?%+"
    else _QUIET if chr(code) in ":\"'"
    else _GAP if chr(code) in " -.()/"
    else _TEXT
    for code in range(256)
)  # fmt: skip
"""Gaps are what digits are grouped by."""
_LONG = 256
_MOST_ESCAPES = 64
_MOST_SIGNS = 512
"""More than a text has by chance: so many escapes, and so many signs that may begin one."""
_PLAIN = bytes(code for code in range(256) if SHAPE[code] in (_TEXT, _GAP))

NO_KEY = bytes(32 if chr(code) in "0123456789abcdef-TZ:.,_/ " else 120 for code in range(256))
"""White space is what UUIDs, digests, dates, addresses and figures are made of; each prefix of a key has more."""

_HEXADECIMAL = re.compile(r"/[0-9]{13,20}:|[0-9]{4}\.[0-9a-f]{32}")
"""Keys that are made of nothing else all the same."""
OTHER_SCHEMES = frozenset(word.encode() for word in SCHEME_WORDS)
_SUSPECT_WORDS = (
    API_KEY_WORDS
    | OTHER_SCHEMES
    | {
        b"bearer",
        b"basic",
        b"token",
        b"begin",
        b"end",
        b"password",
        b"passwd",
        b"passphrase",
        b"pwd",
        b"identified",
        b"private",
        b"code",
        b"codes",
        b"passcode",
        b"passcodes",
        b"cvv",
        b"cvc",
        b"cvv2",
        b"cvc2",
        b"snmp",
        b"auth",
        b"requirepass",
        b"masterauth",
        b"login",
        b"ssn",
        b"social",
        b"values",
        b"radius",
        b"tacacs",
    }
)
ASIDE = re.compile(r"""[:"'](?:(?<=:)(?!//)(?!(?<=[0-9]:)[0-9])|(?<=["']),)""")
"""A colon that may stand between a name and a value (not in a time, not before `//`), or a comma between strings."""


def is_suspect(value: str) -> bool:
    """Whether `value` must be looked at closely. True for everything private, and for little else."""
    try:
        data = value.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return True
    # In a long text one sign is found a hundred times as fast as two, and what isn't there twice as fast as its shape.
    shape = "" if len(value) > _LONG and not data.translate(None, _PLAIN) else data.translate(SHAPE).decode()
    if not shape or shape.isspace():  # no digit, no capital, no punctuation that means something
        return ("-" in value and "--" in value) or ("<" in value and "</" in value) or "machine " in value
    if (
        "@" in shape
        or (":" in shape and ASIDE.search(value) is not None)
        or "</" in value
        or "\t" in value
        or "--" in value
        or (" -" in value and _DASHED.search(value) is not None)
        or ("  " in value and is_tabled(value.lower()))
    ):
        return True
    if len(shape.strip()) < MIN_RANDOM:
        says = _has_secret_word(value)
    else:
        says = (
            "000 0000" in shape
            or "0000000000" in shape
            or ("00" in value and "000 " in shape and ZEROS.search(value) is not None)
            or (may_be_key(data, value) and _may_have_token(data, value))
        )
    return says or ("*" in shape and _says_more_without_escapes(value))


_DASHED = re.compile(" -[A-Za-z]")


def _says_more_without_escapes(value: str) -> bool:
    """Whether it is to be looked at closely for what its escapes stand for, or for having too many signs of them."""
    if len(value) > _LONG and escape_signs(value) > _MOST_SIGNS:
        return True
    plain = Plain(value, _MOST_ESCAPES)
    return plain.changed and (plain.read < len(value) or is_suspect(plain.text))


def may_be_key(data: bytes, value: str) -> bool:
    """Whether there is more in it than UUIDs, digests, dates, addresses and figures have, or what looks like them and is a key."""
    if not data.translate(NO_KEY).isspace():
        return True
    return (
        "fc-" in value
        or "e2b_" in value
        or (("/" in value or "." in value) and _HEXADECIMAL.search(value) is not None)
    )


def has_scheme(lower: str) -> bool:
    """Whether there is a word, in lower case, after which a credential may stand."""
    return "bearer" in lower or "basic" in lower or "token" in lower


def _has_secret_word(value: str) -> bool:
    """Whether there is such a word, or one behind which a password may stand."""
    lower = value.lower()
    return has_scheme(lower) or "pass" in lower or "pwd" in lower or "code" in lower or "cv" in lower


def _may_have_token(data: bytes, value: str) -> bool:
    """Whether there is a word that begins a key, a block or a credential."""
    if len(value) < _MIN_KEY_LENGTH:
        return _has_secret_word(value)
    if "eyJ" in value or "earer" in value or "EARER" in value:
        return True
    words = data.translate(WORDS).split()
    return not _SUSPECT_WORDS.isdisjoint(words) or has_run(value, data)
