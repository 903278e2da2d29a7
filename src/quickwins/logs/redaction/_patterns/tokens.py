"""What programs show to be let in: credentials with a scheme, tokens, keys, PEM blocks; the sources stand at `RedactionRule`."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from itertools import islice
from typing import TYPE_CHECKING

from quickwins.logs.redaction._patterns.issuers import ISSUERS, Issuer
from quickwins.logs.redaction._patterns.spans import MAX_HITS
from quickwins.logs.redaction._rules import RedactionRule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickwins.logs.redaction._patterns.spans import Span

_BEARER = RedactionRule.BEARER

_SCHEME = re.compile(
    r"[bBtTSDNAGKO](?:((?ia:(?<=b)earer|(?<![A-Za-z0-9]b)(?<=b)asic|(?<![A-Za-z0-9]t)(?<=t)oken))"
    r"|(?<![A-Za-z0-9].)((?:(?<=S)plunk|(?<=S)SWS|(?<=D)PoP|(?<=N)egotiate|(?<=N)TLM|(?<=A)ccessKey|(?<=A)piKey|(?<=A)pi-Key"
    r"|(?<=G)enieKey|(?<=K)ey|(?<=O)Auth)))[ \t]{1,8}+[\"']?(?=([A-Za-z0-9._~+/=:|-]++))",
    re.DOTALL,
)
SCHEME_WORDS = frozenset(
    ("splunk", "ssws", "dpop", "negotiate", "ntlm", "accesskey", "apikey", "geniekey", "oauth")
)
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


def scheme(text: str) -> list[Span]:
    """What follows `Bearer`, `Basic` or `Token` and has digits or capitals where words have none."""
    spans: list[Span] = []
    found = _SCHEME.search(text)
    while found is not None and len(spans) <= MAX_HITS:
        at = found.end()
        if _is_credential(found[1].lower(), found[3]) if found[1] else _is_opaque(found[3]):
            at = found.end(3)
            spans.append((found.start(3), at, _BEARER))
        found = _SCHEME.search(text, at)
    return spans


def _is_credential(scheme: str, value: str) -> bool:
    if len(value) < _LEAST_CREDENTIAL or value.rstrip(".:").lower() in _NO_CREDENTIALS:
        return False
    digit = _DIGIT.search(value)
    if scheme == "earer":
        return digit is not None or _CAPITAL_INSIDE.search(value) is not None
    if scheme == "asic" and (digit or _CAPITAL_INSIDE.search(value)) and _is_basic(value):
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


def jwt(text: str) -> list[Span]:
    """A header that is JSON in base64url, and what follows behind dots."""
    return _random(_JWT, text, RedactionRule.JWT)


def _random(pattern: re.Pattern[str], text: str, rule: RedactionRule) -> list[Span]:
    spans: list[Span] = []
    # A search and another from its end cost half of an iterator, and mostly there is one match.
    found = pattern.search(text)
    while found is not None and len(spans) <= MAX_HITS:
        if _RANDOM.match(found[0]):
            spans.append((*found.span(), rule))
        found = pattern.search(text, found.end())
    return spans


def _body(issuer: Issuer) -> str:
    if issuer.most is None:
        return f"{issuer.alphabet}{{{issuer.least},}}+"
    return f"{issuer.alphabet}{{{issuer.least},{issuer.most}}}(?![A-Za-z0-9])"


def _joined(*, glued: bool) -> str:
    """One pattern for all issuers whose prefix runs on into the rest, or for the others; those with one first letter together.

    It begins with that letter, which `re` finds at once, and then looks back: a prefix with an end stands in no word.
    """
    by_first: dict[str, list[str]] = {}
    for issuer in ISSUERS:
        if issuer.glued is glued:
            body = _body(issuer)
            for prefix in issuer.prefixes:
                by_first.setdefault(prefix[0], []).append(f"{re.escape(prefix[1:])}{body}")
    apart = "" if glued else "(?<![A-Za-z].)"
    return "|".join(f"{first}{apart}(?:{'|'.join(rests)})" for first, rests in sorted(by_first.items()))


_MARKED = re.compile(_joined(glued=False), re.ASCII)
_GLUED = re.compile(_joined(glued=True), re.ASCII)
_COMMON = frozenset(
    """
    access ak api as b chat hook key link live open outlook pa pat public r re s sat sl st t1 test u v1 v2 v3 v4 wk ws y
    """.split()  # noqa: SIM905 -- as the other lists of words; until=never
)
"""Beginnings that are words of any sentence: what follows them is a long run of letters and digits all the same."""
API_KEY_WORDS = frozenset(
    re.split("[^a-z0-9]", prefix.lower().lstrip("_"))[0]
    for issuer in ISSUERS
    if not issuer.glued
    for prefix in issuer.prefixes
) - _COMMON | {"a3", "apikeys", "feishu", "larksuite", "googleapis", "outlook", "eu1", "us1", "maker"}
"""The first words of such keys, in lower case, and those of addresses that are keys."""

# Keys whose issuer is in their middle, or in their form alone: what they hold without fail, and the whole.
_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (sign, re.compile(pattern, re.ASCII))
    for sign, pattern in (
        (
            ":AA",
            r"[0-9](?<![0-9].)[0-9]{7,9}:AA[\w-]{32,34}(?![\w-])",
        ),  # Telegram: core.telegram.org/bots/api
        (
            "_secret_",
            r"(?:pi|seti|cs|src|sub|in|ek)_[A-Za-z0-9_]{10,80}_secret_[A-Za-z0-9]{10,}+",
        ),  # Stripe: docs.stripe.com/api
        (
            "1//0",
            r"(?<![A-Za-z0-9])1//0[\w-]{30,}+",
        ),  # Google: developers.google.com/identity/protocols/oauth2
        (
            "Q~",
            r"(?<![\w.~-])[\w.~-]{3}[0-9]Q~[\w.~-]{31,34}(?![\w~-])",
        ),  # Entra ID: learn.microsoft.com/purview, SIT
        (
            "Az",
            r"(?<![\w+/-])[\w+/-]{36,84}(?:AzFu|AzSe|AzCa)[\w+/-]{5,12}={0,2}",
        ),  # Azure: the same; so are the next
        ("+A", r"(?<![\w+/-])[\w+/-]{36,90}?\+A(?:CR|MC|St|IoT|EH|SB|RM)[\w+/-]{5,12}={0,2}"),
        ("AZDO", r"(?<![A-Za-z0-9])[A-Za-z0-9]{70,80}AZDO[A-Za-z0-9]{4}(?![A-Za-z0-9])"),
        ("JQQJ9", r"(?<![A-Za-z0-9])[A-Za-z0-9]{50,56}JQQJ9[9D][A-Za-z0-9]{22,28}(?![A-Za-z0-9])"),
        (
            ".atlasv1.",
            r"(?<![A-Za-z0-9])[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,}+",
        ),  # developer.hashicorp.com/terraform/cloud-docs
        (
            ".",
            r"[MNO](?<![\w.-].)[\w-]{22,27}\.[\w-]{6}\.[\w-]{27,40}(?![\w-])",
        ),  # Discord: discord.com/developers/docs
        (
            ":1",
            r"(?<![\w.-])[\w.-]{8,4096}:1[A-Za-z0-9]{5}:[\w-]{27,43}(?![\w-])",
        ),  # docs.djangoproject.com, signing
        (
            "-us",
            r"[0-9a-f](?<![0-9A-Za-z].)[0-9a-f]{31}-us[0-9]{1,2}(?![0-9A-Za-z])",
        ),  # mailchimp.com/developer
        (
            "IA",
            r"(?<![0-9A-Za-z])A[KS]IA[A-Z]{16}(?![0-9A-Za-z])",
        ),  # AWS, without a digit: all capitals are a word to the table's rows
        ("NRAL", r"(?<![0-9A-Za-z])[0-9a-f]{32}(?:FFFF|[0-9a-f]{4})NRAL"),  # docs.newrelic.com
        (
            ":",
            r"[0-9](?<![0-9A-Za-z].)/[0-9]{13,20}(?:/[0-9]{13,20})?:[0-9a-f]{32}(?![0-9a-f])",
        ),  # developers.asana.com
        ("|", r"[0-9](?<![0-9A-Za-z].)[0-9]{12,16}\|[\w-]{25,40}(?![\w-])"),  # developers.facebook.com
        (
            ".",
            r"(?<![\w./-])(?=[a-z]*[0-9])[a-z0-9]{6}\.(?=[a-z]*[0-9])(?=[0-9a-f]*[g-z])[a-z0-9]{16}(?![\w./-])",
        ),  # kubeadm
        ("/apiKeys/", r"(?<=/apiKeys/)[0-9a-f-]{36}"),  # docs.cdp.coinbase.com
        ("_mmk", r"(?<![0-9A-Za-z])[A-Za-z0-9_]{30,40}_mmk(?![0-9A-Za-z])"),  # dev.maxmind.com
        (
            "_",
            r"[12](?<![0-9A-Za-z_].)[A-Za-z0-9]{24,27}_(?=[A-Za-z]*[0-9])[A-Za-z0-9]{21}(?![0-9A-Za-z_])",
        ),  # ngrok.com/docs
        (
            "1000.",
            r"(?<![0-9.])1000\.[0-9a-f]{32}\.[0-9a-f]{32}(?![0-9a-f])",
        ),  # zoho.com/accounts/protocol/oauth
        ("AAAAAAAAAAAAAAAAAAAAA", r"(?<![A-Za-z0-9])A{21}[\w%]{40,}+"),  # developer.x.com, bearer tokens
        (
            "-",
            r"(?<![A-Za-z0-9])(?:access|public|link)-(?:production|sandbox|development)-[0-9a-f-]{36}(?![0-9a-f])",
        ),  # plaid.com/docs
        (
            "00",
            r"0(?<![0-9A-Za-z_-].)0(?=[\w-]*[A-Z])(?=[\w-]*[a-z])[\w-]{40}(?![\w-])",
        ),  # developer.okta.com
        (
            "django-insecure-",
            r"django-insecure-[a-z0-9!@#$%^&*(_=+)-]{30,50}",
        ),  # docs.djangoproject.com, startproject
        (
            "LS0tLS1CRUdJTi",
            r"LS0tLS1CRUdJTi(?:BQUklWQVRF|BSU0EgUFJJVkFUR|BFQyBQUklWQVRF|BPUEVOU1NI|BFTkNSWVBURUQgUFJJVkFUR|BEU0EgUFJJVkFUR|BQR1AgUFJJVkFUR)[\w+/=]*+",
        ),  # a private key's PEM block, in base64
        (
            "$",
            r"\$(?:[156y]|2[abxy]|apr1|argon2(?:id?|d)|7|scrypt)\$[\w./$,=+-]{20,}+",
        ),  # crypt(5) and the Password Hashing Competition's string format
        (
            "pbkdf2_",
            r"pbkdf2_sha[0-9]{1,3}\$[0-9]{1,8}\$\w{1,64}\$[\w+/=]{20,}+",
        ),  # docs.djangoproject.com, passwords
        (
            "00D",
            r"(?<![0-9A-Za-z])00D[A-Za-z0-9]{9,15}!(?:[\w.]{40,})",
        ),  # Salesforce: developer.salesforce.com
    )
)
_PIECE = r"(?>(?:[A-Z]?[a-z]+[0-9]{0,2}|[A-Z]+|v?[0-9]{1,8})(?=[-_./]|\Z))"
# A piece ends at a mark or at the end, and is atomic: `v1` is a word and a version, and trying both doubles with each.
_SPELLED = re.compile(rf"{_PIECE}(?:[-_./]{_PIECE})*+\Z")
"""Words with marks between them: `sk-learn-contrib`, `test_users_2026_11`."""
_SHARE = 10
RUN = 15
LONG_RUN = re.compile(
    r"(?<![0-9A-Za-z])(?:(?=[A-Za-z]{0,64}[0-9])[0-9A-Za-z]{15}|A[KS]IA[A-Z]{16}|[0-9a-f]{8}(?<=[A-Za-z0-9][-/]........)-[0-9a-f]{4}-)"
)
"""A long run of letters and digits, with a digit, or a UUID behind a word: most keys have one. One in thirty of AWS's access keys
has no digit."""


def api_key(text: str, *, run: bool) -> list[Span]:
    """A prefix and what its issuer puts behind it, which is no name: `npm_config_registry_cache` is one.

    Args:
        text: Where to look.
        run: Whether there is a `LONG_RUN` in it.
    """
    spans: list[Span] = []
    for pattern in (_MARKED, _GLUED) if run else (_MARKED,):
        found = pattern.search(text)
        while found is not None and len(spans) <= MAX_HITS:
            if _is_key(found[0]):
                spans.append((*found.span(), RedactionRule.API_KEY))
            found = pattern.search(text, found.end())
    for pattern in [pattern for sign, pattern in _FORMS if sign in text] if run else ():
        spans += [
            (*found.span(), RedactionRule.API_KEY) for found in islice(pattern.finditer(text), MAX_HITS + 1)
        ]
    return spans


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


def pem(text: str) -> Iterator[Span]:
    """Blocks; what has no end goes on to the end of the text, what has no beginning starts where the one before ends."""
    at = 0
    begin = _BEGIN.search(text)
    while True:
        orphan = _PRIVATE_END.search(text, at, len(text) if begin is None else begin.start())
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
