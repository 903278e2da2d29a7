"""What programs show to be let in: credentials with a scheme, tokens, keys, PEM blocks; the sources stand at `RedactionRule`."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from functools import cache
from typing import TYPE_CHECKING

from quickwins.logs.redaction._patterns.excerpt import WORDS, has_run
from quickwins.logs.redaction._patterns.forms import formed
from quickwins.logs.redaction._patterns.issuers import ISSUERS, Issuer
from quickwins.logs.redaction._rules import RedactionRule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickwins.logs.redaction._patterns.spans import Span, Work

_BEARER = RedactionRule.BEARER

_SHOWN = r"[ \t]{1,8}+[\"']?(?=([A-Za-z0-9._~+/=:|-]++))"
_SCHEME = re.compile(rf"((?ia:bearer|(?<![A-Za-z0-9])basic|(?<![A-Za-z0-9])token)){_SHOWN}")
_SERVICE = re.compile(
    rf"(?<![A-Za-z0-9])(?:Splunk|SSWS|DPoP|Negotiate|NTLM|AccessKey|ApiKey|GenieKey|Key|OAuth){_SHOWN}"
)
_SCHEMES = ("bearer", "basic", "token")
_SERVICES = {
    word.lower().encode(): word
    for word in (
        "Splunk",
        "SSWS",
        "DPoP",
        "Negotiate",
        "NTLM",
        "AccessKey",
        "ApiKey",
        "GenieKey",
        "Key",
        "OAuth",
    )
}  # `Api-Key` is found as `Key`
SCHEME_WORDS = frozenset(word.decode() for word in _SERVICES) - {"key"}
_NO_CREDENTIALS = frozenset({"oauth2", "oauth2.0", "rfc6750", "rfc7617"})
_DIGIT = re.compile(r"[0-9]")
_CAPITAL_INSIDE = re.compile(r"(?<=.)[A-Z]")
_LETTER = re.compile(r"[A-Za-z]")
_LEAST_OPAQUE = 20
_LEAST_CREDENTIAL = 6
"""`Bearer abc12` is as likely prose."""
_LEAST_MIXED = 10
"""A shorter word with digits behind `token` is the number of one, and so are up to 16 hexadecimal digits."""
_HEX = re.compile(r"0x[0-9a-fA-F]+\Z|[0-9a-f]{1,16}\Z")


def scheme(text: str, lower: str, words: set[bytes], work: Work) -> list[Span]:
    """What follows `Bearer`, `Basic` or `Token` and has digits or capitals where words have none."""
    spans = work.some(
        (*found.span(2), _BEARER)
        for found in work.near(_SCHEME, text, lower, _SCHEMES)
        if _is_credential(found[1].lower(), found[2])
    )
    services = _SERVICES.keys() & words
    if services:
        spans += work.some(
            (*found.span(1), _BEARER)
            for found in work.near(_SERVICE, text, text, tuple(_SERVICES[word] for word in sorted(services)))
            if _is_opaque(found[1])
        )
    return spans


def _is_credential(scheme: str, value: str) -> bool:
    if len(value) < _LEAST_CREDENTIAL or value.rstrip(".:").lower() in _NO_CREDENTIALS:
        return False
    digit = _DIGIT.search(value)
    if scheme == "bearer":
        return digit is not None or _CAPITAL_INSIDE.search(value) is not None
    if scheme == "basic" and (digit or _CAPITAL_INSIDE.search(value)) and _is_basic(value):
        return True
    return (
        digit is not None
        and len(value) >= _LEAST_MIXED
        and _LETTER.search(value) is not None
        and _HEX.match(value) is None
    )


def _is_opaque(value: str) -> bool:
    """Behind the schemes of single services: long, and of digits and letters."""
    return (
        len(value) >= _LEAST_OPAQUE and _DIGIT.search(value) is not None and _LETTER.search(value) is not None
    )


def _is_basic(value: str) -> bool:
    if ":" in value:
        return True
    try:
        return b":" in b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False


_JWT = re.compile(r"eyJ(?<![A-Za-z0-9_-]eyJ)[A-Za-z0-9_-]{11,}+\.[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]*+){0,3}")
_RANDOM = re.compile(r"(?:[^0-9A-Z]*+[0-9A-Z]){3}")
"""What has three digits or capitals: no word has."""


def jwt(text: str, work: Work) -> Iterator[Span]:
    """A header that is JSON in base64url, and what follows behind dots."""
    for found in work.matches(_JWT, text):
        if _RANDOM.match(found[0]):
            yield *found.span(), RedactionRule.JWT


def _body(issuer: Issuer) -> str:
    if issuer.most is None:
        return f"{issuer.alphabet}{{{issuer.least},}}+"
    return f"{issuer.alphabet}{{{issuer.least},{issuer.most}}}(?![A-Za-z0-9])"


def _glued() -> re.Pattern[str]:
    """One pattern for all issuers whose prefix runs on into the rest; those with one first letter together."""
    by_first: dict[str, list[str]] = {}
    for issuer in ISSUERS:
        if issuer.glued:
            for prefix in issuer.prefixes:
                by_first.setdefault(prefix[0], []).append(f"{re.escape(prefix[1:])}{_body(issuer)}")
    return re.compile(
        "|".join(f"{first}(?:{'|'.join(rests)})" for first, rests in sorted(by_first.items())), re.ASCII
    )


def _first_word(prefix: str) -> bytes:
    return re.split("[^a-z0-9]", prefix.lower().lstrip("_"))[0].encode()


def _marked() -> dict[bytes, tuple[tuple[str, ...], str]]:
    """The prefixes with an end, in lower case, and an expression for their keys, by their first words. They stand in no word."""
    by_word: dict[bytes, tuple[list[str], list[str]]] = {}
    for issuer in ISSUERS:
        if not issuer.glued:
            for prefix in issuer.prefixes:
                prefixes, keys = by_word.setdefault(_first_word(prefix), ([], []))
                prefixes.append(prefix.lower())
                keys.append(f"{re.escape(prefix)}{_body(issuer)}")
    return {
        word: (_shortest(prefixes), f"(?<![A-Za-z])(?:{'|'.join(keys)})")
        for word, (prefixes, keys) in by_word.items()
    }


def _shortest(prefixes: list[str]) -> tuple[str, ...]:
    """Those that begin with no other one."""
    return tuple(
        sorted(
            {one for one in prefixes if not any(one != other and one.startswith(other) for other in prefixes)}
        )
    )


@cache
def _keys(word: bytes) -> re.Pattern[str]:
    """What the keys of one of `_MARKED` look like; all of them together would be a third of what importing logs costs."""
    return re.compile(_MARKED[word][1], re.ASCII)


_MARKED = _marked()
_GLUED = _glued()
_COMMON = frozenset(
    b"""
    access ak api as b chat hook key link live open outlook pa pat public r re s sat sl st t1 test u v1 v2 v3 v4 wk ws y
    """.split()
)
"""Beginnings that are words of any sentence: what follows them is a long run of letters and digits all the same."""
API_KEY_WORDS = frozenset(_MARKED) - _COMMON | {
    b"a3", b"apikeys", b"feishu", b"larksuite", b"googleapis", b"outlook", b"eu1", b"us1", b"maker",
}  # fmt: skip
"""The first words of such keys, in lower case, and those of addresses that are keys."""

_PIECE = r"(?>(?:[A-Z]?[a-z]+[0-9]{0,2}|[A-Z]+|v?[0-9]{1,8})(?=[-_./]|\Z))"
# A piece ends at a mark or at the end, and is atomic: `v1` is a word and a version, and trying both doubles with each.
_SPELLED = re.compile(rf"{_PIECE}(?:[-_./]{_PIECE})*+\Z")
"""Words with marks between them: `sk-learn-contrib`, `test_users_2026_11`."""
_SHARE = 10


def api_key(text: str, work: Work) -> list[Span]:
    """A prefix and what its issuer puts behind it, which is no name: `npm_config_registry_cache` is one.

    Args:
        text: The parts of a text that are long enough for a key.
        work: What may be done.
    """
    data = text.encode()
    words = set(data.translate(WORDS).split())
    run = has_run(text, data)  # a long run of letters and digits: few keys are without one
    if not run and API_KEY_WORDS.isdisjoint(words):
        return []
    if run:
        # Right behind a digit one may begin.
        for word in [word for word in words if not word.isalpha()]:
            words.add(word.lstrip(_DIGITS))
            words.add(word[len(word.rstrip(_LETTERS)) :])
    lower = text.lower()
    spans: list[Span] = []
    for word in sorted(_MARKED.keys() & words):
        prefixes = _MARKED[word][0]
        spans += work.some(
            (*found.span(), RedactionRule.API_KEY)
            for found in work.near(_keys(word), text, lower, prefixes)
            if work.may(found.start(), _JUDGED) and _is_key(found[0])
        )
    if run and _GLUED.search(text) is not None:
        spans += work.some(
            (*found.span(), RedactionRule.API_KEY)
            for found in work.matches(_GLUED, text, cost=_JUDGED)
            if _is_key(found[0])
        )
    if run:
        spans += formed(text, work)
    return spans


_JUDGED = 2
"""What it costs to judge a key, in steps of `Work`."""
_DIGITS, _LETTERS = b"0123456789", b"abcdefghijklmnopqrstuvwxyz"


def _is_key(text: str) -> bool:
    if "/" not in text and _SPELLED.match(text):
        return False
    return len(set(text)) >= _LEAST_DIFFERENT and len(_DRAWN.findall(text)) >= max(
        _LEAST_DRAWN, len(text) // _SHARE
    )


_DRAWN = re.compile(r"[0-9A-Z]")
_LEAST_DRAWN = 3
_LEAST_DIFFERENT = 7


_BEGIN = re.compile(r"-----BEGIN [A-Z0-9][A-Z0-9 ]{0,63}+-----")
_END = re.compile(r"-----END [A-Z0-9][A-Z0-9 ]{0,63}+-----")
_PRIVATE_END = re.compile(
    r"-----END [A-Z0-9 ]{0,48}(?:KEY|CERTIFICATE|MESSAGE|BLOCK|PARAMETERS)[A-Z0-9 ]{0,16}-----"
)


def pem(text: str, work: Work) -> Iterator[Span]:
    """Blocks; what has no end goes on to the end of the text, what has no beginning starts where the one before ends."""
    at = 0
    begin = _BEGIN.search(text)
    while True:
        orphan = _PRIVATE_END.search(text, at, len(text) if begin is None else begin.start())
        if not work.may(at):
            return
        if orphan is not None:
            yield at, orphan.end(), RedactionRule.PEM
            at = orphan.end()
        elif begin is not None:
            end = _END.search(text, begin.end())
            at = len(text) if end is None else end.end()
            yield begin.start(), at, RedactionRule.PEM
            begin = _BEGIN.search(text, at)
        else:
            return
