"""A quick look at a text: whether anything in it may be private. Pure.

The shape of a text has 0 for a digit, A for a capital, one of four characters for punctuation, and white space for what
is never private. It is made in one pass of C, and a few questions are asked of it. Anything private has a shape that
fails one of them; the tests hold it.
"""

from __future__ import annotations

import re

from quickwins.logs.redaction._patterns.people import ZEROS
from quickwins.logs.redaction._patterns.tokens import API_KEY_WORDS

MIN_RANDOM = 3
_MIN_KEY_LENGTH = 15

_NOTHING, _TEXT, _GAP, _DIGIT, _CAPITAL, _LOUD, _QUIET = 9, 9, 32, 48, 65, 64, 58
SHAPE = bytes(
    _DIGIT if chr(code) in "0123456789"
    else _CAPITAL if chr(code) in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    else _LOUD if chr(code) in "@=?%+"
    else _QUIET if chr(code) in ":\"'"
    else _GAP if chr(code) in " -.()/"
    else _TEXT
    for code in range(256)
)  # fmt: skip
"""Gaps are what digits are grouped by."""

NO_KEY = bytes(32 if chr(code) in "0123456789abcdef-TZ:.,_/ " else 120 for code in range(256))
"""White space is what UUIDs, digests, dates, addresses and figures are made of; each prefix of a key has more."""

WORDS = bytes(
    ord(chr(code).lower()) if chr(code).isascii() and chr(code).isalnum() else _GAP for code in range(256)
)
KEY_WORDS = frozenset(word.encode() for word in API_KEY_WORDS)
_SUSPECT_WORDS = KEY_WORDS | {b"bearer", b"basic", b"token", b"begin", b"end"}
ASIDE = re.compile(r"""[:"'](?:(?<=:)(?!//)(?!(?<=[0-9]:)[0-9])|(?<=["']),)""")
"""A colon that may stand between a name and a value (not in a time, not before `//`), or a comma between strings."""


def is_suspect(value: str) -> bool:
    """Whether `value` must be looked at closely. True for everything private, and for little else."""
    try:
        data = value.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return True
    shape = data.translate(SHAPE).decode("ascii")
    if shape.isspace():
        return False  # no digit, no capital, no punctuation that means something
    if "@" in shape or (":" in shape and ASIDE.search(value)):
        return True
    if len(shape.strip()) < MIN_RANDOM:
        return has_scheme(value)
    return (
        "000 0000" in shape
        or "0000000000" in shape
        or ("00" in value and "000 " in shape and ZEROS.search(value) is not None)
        or (not data.translate(NO_KEY).isspace() and _may_have_token(data, value))
    )


def has_scheme(value: str) -> bool:
    """Whether there is a word after which a credential may stand."""
    words = value.lower()
    return "bearer" in words or "basic" in words or "token" in words


def _may_have_token(data: bytes, value: str) -> bool:
    """Whether there is a word that begins a key, a block or a credential."""
    if len(value) < _MIN_KEY_LENGTH:
        return has_scheme(value)
    return (
        "eyJ" in value
        or not _SUSPECT_WORDS.isdisjoint(data.translate(WORDS).split())
        or may_have_start(value)
    )


def may_have_start(value: str) -> bool:
    """Whether there is a beginning that runs on into a key."""
    return (
        "SK" in value
        or ("IA" in value and ("AKIA" in value or "ASIA" in value or "ABIA" in value))
        or "AIza" in value
        or "dapi" in value
        or "ATATT3" in value
    )
