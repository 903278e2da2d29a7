"""Keys whose issuer is in their middle, or in their form alone.

Each is found by its core, which begins with plain characters so that `re` finds it at a glance; what stands before that is read
backwards from there. Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from quickwins.logs.redaction._rules import RedactionRule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickwins.logs.redaction._patterns.spans import Span, Work

_REACH = 128
"""How far before the core a key begins at most; Django's signed values are the only ones with more."""
_SIGNED = ":1"
_SIGNED_REACH = 4_096

_FORMS: tuple[tuple[str, re.Pattern[str], re.Pattern[str] | None], ...] = tuple(
    (sign, re.compile(core, re.ASCII), re.compile(before, re.ASCII) if before else None)
    for sign, core, before in (
        (":AA", r":AA[\w-]{32,34}(?![\w-])", r"[0-9]{8,10}(?![0-9])"),  # Telegram: core.telegram.org/bots/api
        (
            "_secret_",
            r"_secret_[A-Za-z0-9]{10,}+",
            r"[A-Za-z0-9_]{10,80}_(?:ip|ites|sc|crs|bus|ni|ke)",
        ),  # Stripe: docs.stripe.com/api
        (
            "1//0",
            r"1//0(?<![A-Za-z0-9]1//0)[\w-]{30,}+",
            "",
        ),  # Google: developers.google.com/identity/protocols/oauth2
        (
            "Q~",
            r"Q~[\w.~-]{31,34}(?![\w~-])",
            r"[0-9][\w.~-]{3}(?![\w.~-])",
        ),  # Entra ID: learn.microsoft.com/purview, SIT
        (
            "Az",
            r"Az(?:Fu|Se|Ca)[\w+/-]{5,12}={0,2}",
            r"[\w+/-]{36,84}(?![\w+/-])",
        ),  # Azure: the same; so are the next
        ("+A", r"\+A(?:CR|MC|St|IoT|EH|SB|RM)[\w+/-]{5,12}={0,2}", r"[\w+/-]{36,90}(?![\w+/-])"),
        ("AZDO", r"AZDO[A-Za-z0-9]{4}(?![A-Za-z0-9])", r"[A-Za-z0-9]{70,80}(?![A-Za-z0-9])"),
        ("JQQJ9", r"JQQJ9[9D][A-Za-z0-9]{22,28}(?![A-Za-z0-9])", r"[A-Za-z0-9]{50,56}(?![A-Za-z0-9])"),
        (
            ".atlasv1.",
            r"\.atlasv1\.[\w=-]{60,}+",
            r"[A-Za-z0-9]{14}(?![A-Za-z0-9])",
        ),  # developer.hashicorp.com/terraform/cloud-docs
        (
            ".",
            r"[MNO](?<![\w.-].)[\w-]{22,27}\.[\w-]{6}\.[\w-]{27,40}(?![\w-])",
            "",
        ),  # Discord: discord.com/developers/docs
        (
            _SIGNED,
            r":1[A-Za-z0-9]{5}:[\w-]{27,43}(?![\w-])",
            r"[\w.-]{8,4096}(?![\w.-])",
        ),  # docs.djangoproject.com, signing
        (
            "-us",
            r"-(?<=[0-9a-f]-)us[0-9]{1,2}(?![0-9A-Za-z])",
            r"[0-9a-f]{32}(?![0-9A-Za-z])",
        ),  # mailchimp.com/developer
        (
            "IA",
            r"IA(?<=A[KS]IA)[A-Z]{16}(?![0-9A-Za-z])",
            r"[KS]A(?![0-9A-Za-z])",
        ),  # AWS, without a digit: all capitals are a word to the table's rows
        ("NRAL", "NRAL", r"(?:FFFF|[0-9a-f]{4})[0-9a-f]{32}(?![0-9A-Za-z])"),  # docs.newrelic.com
        (
            ":",
            r":(?<=[0-9]:)[0-9a-f]{32}(?![0-9a-f])",
            r"[0-9]{13,20}/(?:[0-9]{13,20}/)?[0-9](?![0-9A-Za-z])",
        ),  # developers.asana.com
        (
            "|",
            r"\|(?<=[0-9]\|)[\w-]{25,40}(?![\w-])",
            r"[0-9]{13,17}(?![0-9A-Za-z])",
        ),  # developers.facebook.com
        (
            ".",
            r"\.(?=[a-z]*[0-9])(?=[0-9a-f]*[g-z])[a-z0-9]{16}(?![\w./-])",
            r"(?=[a-z]{0,5}[0-9])[a-z0-9]{6}(?![\w./-])",
        ),  # kubeadm
        ("/apiKeys/", r"/apiKeys/([0-9a-f-]{36})", ""),  # docs.cdp.coinbase.com
        ("_mmk", r"_mmk(?![0-9A-Za-z])", r"[A-Za-z0-9_]{30,40}(?![0-9A-Za-z])"),  # dev.maxmind.com
        (
            "_",
            r"_(?=[A-Za-z]*[0-9])[A-Za-z0-9]{21}(?![0-9A-Za-z_])",
            r"[A-Za-z0-9]{24,27}[12](?![0-9A-Za-z_])",
        ),  # ngrok.com/docs
        (
            "1000.",
            r"1000\.(?<![0-9.]1000\.)[0-9a-f]{32}\.[0-9a-f]{32}(?![0-9a-f])",
            "",
        ),  # zoho.com/accounts/protocol/oauth
        (
            "A" * 21,
            rf"{'A' * 21}(?<![A-Za-z0-9]{'A' * 21})[\w%]{{40,}}+",
            "",
        ),  # developer.x.com, bearer tokens
        (
            "-",
            r"-(?:production|sandbox|development)-[0-9a-f-]{36}(?![0-9a-f])",
            r"(?:ssecca|cilbup|knil)(?![A-Za-z0-9])",
        ),  # plaid.com/docs
        (
            "00",
            r"0(?<![0-9A-Za-z_-].)0(?=[\w-]*[A-Z])(?=[\w-]*[a-z])[\w-]{40}(?![\w-])",
            "",
        ),  # developer.okta.com
        (
            "django-insecure-",
            r"django-insecure-[a-z0-9!@#$%^&*(_=+)-]{30,50}",
            "",
        ),  # docs.djangoproject.com, startproject
        (
            "LS0tLS1CRUdJTi",
            r"LS0tLS1CRUdJTi(?:BQUklWQVRF|BSU0EgUFJJVkFUR|BFQyBQUklWQVRF|BPUEVOU1NI|BFTkNSWVBURUQgUFJJVkFUR|BEU0EgUFJJVkFUR|BQR1AgUFJJVkFUR)[\w+/=]*+",
            "",
        ),  # a private key's PEM block, in base64
        (
            "$",
            r"\$(?:[156y]|2[abxy]|apr1|argon2(?:id?|d)|7|scrypt)\$[\w./$,=+-]{20,}+",
            "",
        ),  # crypt(5) and the Password Hashing Competition's string format
        (
            "pbkdf2_",
            r"pbkdf2_sha[0-9]{1,3}\$[0-9]{1,8}\$\w{1,64}\$[\w+/=]{20,}+",
            "",
        ),  # docs.djangoproject.com, passwords
        (
            "00D",
            r"00D(?<![0-9A-Za-z]00D)[A-Za-z0-9]{9,15}!(?:[\w.]{40,})",
            "",
        ),  # Salesforce: developer.salesforce.com
    )
)
"""What they hold without fail, their core, and what stands before it, read backwards."""


_SHORT = 256
"""Up to here it takes less time to ask for a sign than for a core."""


def formed(text: str, work: Work) -> list[Span]:
    """Keys that are known by their form."""
    spans: list[Span] = []
    short = len(text) <= _SHORT
    for sign, core, before in _FORMS:
        if short and sign not in text:
            continue
        first = core.search(text)
        if first is not None:
            reach = 0 if before is None else _SIGNED_REACH if sign == _SIGNED else _REACH
            spans += work.some(_whole(text, core, first.start(), before, reach, work))
    return spans


def _whole(
    text: str, core: re.Pattern[str], at: int, before: re.Pattern[str] | None, reach: int, work: Work
) -> Iterator[Span]:
    """Keys whose core is at `at` or behind it."""
    for found in core.finditer(text, at):
        start, end = found.span(found.lastindex or 0)
        if not work.may(max(0, start - reach)):
            return
        if before is not None:
            read = before.match(text[max(0, start - reach) : start][::-1])
            if read is None:
                continue
            start -= read.end()
        yield start, end, RedactionRule.API_KEY
