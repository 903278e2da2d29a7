"""What programs show to be let in: credentials with a scheme, tokens, keys, PEM blocks; the sources stand at `RedactionRule`."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from typing import TYPE_CHECKING

from quickwins.logs.redaction._patterns.spans import MAX_HITS
from quickwins.logs.redaction._rules import RedactionRule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickwins.logs.redaction._patterns.spans import Span

_BEARER = RedactionRule.BEARER

_SCHEME = re.compile(
    r"[bBtT](?<![A-Za-z0-9].)((?ia:(?<=b)earer|(?<=b)asic|(?<=t)oken))[ \t]{1,8}+[\"']?(?=([A-Za-z0-9._~+/=:|-]++))",
    re.DOTALL,
)
_NO_CREDENTIALS = frozenset({"oauth2", "oauth2.0", "rfc6750", "rfc7617"})
_DIGIT = re.compile(r"[0-9]")
_CAPITAL_INSIDE = re.compile(r"(?<=.)[A-Z]")
_LETTER = re.compile(r"[A-Za-z]")
_LEAST_CREDENTIAL = 6
"""`Bearer abc12` is as likely prose."""
_LEAST_MIXED = 8
"""A shorter word with digits behind `token` is the number of one."""


def scheme(text: str) -> list[Span]:
    """What follows `Bearer`, `Basic` or `Token` and has digits or capitals where words have none."""
    spans: list[Span] = []
    found = _SCHEME.search(text)
    while found is not None and len(spans) <= MAX_HITS:
        if _is_credential(found[1].lower(), found[2]):
            spans.append((*found.span(2), _BEARER))
        found = _SCHEME.search(text, found.end())
    return spans


def _is_credential(scheme: str, value: str) -> bool:
    if len(value) < _LEAST_CREDENTIAL or value.rstrip(".:").lower() in _NO_CREDENTIALS:
        return False
    digit = _DIGIT.search(value)
    if scheme == "earer":
        return digit is not None or _CAPITAL_INSIDE.search(value) is not None
    if scheme == "asic" and (digit or _CAPITAL_INSIDE.search(value)) and _is_basic(value):
        return True
    return digit is not None and len(value) >= _LEAST_MIXED and _LETTER.search(value) is not None


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


# The documented formats of their issuers; also what gitleaks and GitHub's secret scanning look for. Case-sensitive.
_BODIES = r"""
    (?:AKIA|ASIA|ABIA)[A-Z0-9]{16,}+                                         # AWS
  | gh[pousr]_[A-Za-z0-9]{20,}+ | github_pat_\w{20,}+                        # GitHub
  | gl(?:pat|dt|rt|cbt|ptt|ft|imt|soat|agent)-[\w.-]{16,}+                   # GitLab
  | xox[a-z]-[A-Za-z0-9-]{10,}+ | xapp-[A-Za-z0-9-]{10,}+                    # Slack
  | [srp]k_(?:live|test)_[A-Za-z0-9]{10,}+ | whsec_[A-Za-z0-9+/=_-]{16,}+    # Stripe
  | AIza[\w-]{30,}+ | ya29\.[\w.-]{16,}+ | GOCSPX-[\w-]{20,}+                # Google
  | npm_[A-Za-z0-9]{30,}+ | pypi-[\w-]{30,}+ | rubygems_[0-9a-f]{40,}+       # package indexes
  | SG\.[\w-]{16,}+\.[\w-]{16,}+ | SK[0-9a-f]{32}(?![0-9A-Za-z])             # SendGrid, Twilio
  | xkeysib-[\w-]{20,}+ | sk-[\w-]{20,}+ | gsk_[A-Za-z0-9]{20,}+             # Brevo; OpenAI, Anthropic; Groq
  | hf_[A-Za-z0-9]{20,}+ | r8_[A-Za-z0-9]{20,}+ | xai-[A-Za-z0-9]{20,}+ | nvapi-[\w-]{20,}+
  | pplx-[A-Za-z0-9]{20,}+
  | do[opr]_v1_[0-9a-f]{32,}+ | shp(?:at|ca|pa|ss)_[0-9A-Fa-f]{32,}+         # DigitalOcean, Shopify
  | AGE-SECRET-KEY-1[A-Z0-9]{40,}+ | hv[sbr]\.[\w-]{20,}+                    # age, Vault
  | gls[ab]_[\w-]{20,}+ | glc_[\w=-]{20,}+ | sntry[su]_[\w=/+-]{20,}+        # Grafana, Sentry
  | dckr_pat_[\w-]{20,}+ | lin_api_[A-Za-z0-9]{20,}+ | tskey-[\w-]{16,}+     # Docker, Linear, Tailscale
  | PMAK-[\w-]{20,}+ | NRAK-[A-Z0-9]{20,}+ | dapi[0-9a-f]{32}(?:-[0-9])?(?![0-9A-Za-z])  # Postman, New Relic, Databricks
  | ATATT3[\w=-]{20,}+ | sq0(?:atp|csp)-[\w-]{20,}+ | pul-[0-9a-f]{32,}+     # Atlassian, Square, Pulumi
  | figd_[\w-]{20,}+ | ntn_[A-Za-z0-9]{20,}+ | secret_[A-Za-z0-9]{32,}+      # Figma, Notion
  | (?:hooks\.slack\.com/(?:services|workflows|triggers)/ | discord(?:app)?\.com/api/webhooks/)[\w/-]{10,}+
"""
_API_KEY = re.compile(rf"(?<![A-Za-z0-9])(?:{_BODIES})", re.VERBOSE | re.ASCII)
_PREFIXES = """
    ghp gho ghu ghs ghr github glpat gldt glrt glcbt glptt glft glimt glsoat glagent xapp sk rk pk whsec ya29 gocspx npm
    pypi rubygems sg xkeysib gsk hf r8 xai nvapi pplx dop doo dor shpat shpca shppa shpss age hvs hvb hvr glsa glsb glc
    sntrys sntryu dckr lin tskey pmak nrak sq0atp sq0csp pul figd ntn secret hooks webhooks
"""
API_KEY_WORDS = frozenset(_PREFIXES.split()) | {f"xox{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"}
"""The first words of such keys, in lower case, and those of addresses that are keys."""


def api_key(text: str) -> list[Span]:
    """A prefix with a body of at least three digits or capitals: `npm_config_registry_cache` is a name."""
    return _random(_API_KEY, text, RedactionRule.API_KEY)


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
