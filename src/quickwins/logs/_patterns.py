"""What private data looks like inside a text: one function for each rule, from a text to spans. Pure.

Theory: every pattern costs time in proportion to the length, whatever the text. That holds when

1. a match cannot be tried twice over the same characters: what begins with a run of characters has a lookbehind that
   refuses to start inside of such a run, and runs are possessive (`++`), so that a failure gives nothing back;
2. or what may be tried again is bounded by a small number.

The trap is a run whose lookbehind knows fewer characters than the run itself. `benchmarks/logs/redaction.py` doubles the
length of hostile texts and holds the ratio of the times.

Each function may yield spans that overlap; who calls merges them. What stands between `[redacted` and `]` is never
matched, so that a text that went through once goes through unchanged.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from typing import TYPE_CHECKING, TypeAlias

from quickwins.logs.redaction import Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


Span: TypeAlias = tuple[int, int, Rule]
"""Where something private begins and ends, and what it is. Plain: a named tuple takes five times as long to make."""

MARK = re.compile(r"\[(?:redacted(?::[a-z_]{1,16}(?::[0-9]{1,20})?)?|(?:email|phone):[0-9a-f]{16})\]")
"""What stands in the place of something private."""

# --- PEM (RFC 7468)

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
            yield at, orphan.end(), Rule.PEM
            at = orphan.end()
        elif begin is not None:
            end = _END.search(text, begin.end())
            at = len(text) if end is None else end.end()
            yield begin.start(), at, Rule.PEM
            begin = _BEGIN.search(text, at)
        else:
            return


# --- URLs (RFC 3986)

_USERINFO = re.compile(r"""://((?:[^\s/?#@"<>]*+@)++)""")
# A password with a raw slash: what follows the colon is no port, so the authority has not ended yet.
_RAW_USERINFO = re.compile(
    r"""://([^\s:/?#@"<>]{0,256}+:(?![0-9]{1,5}(?:[/?#\s"'<>]|\Z))[^\s@"<>]{1,256}+@)"""
)


def url_credentials(text: str) -> Iterator[Span]:
    """What stands between `://` and the `@` of the authority."""
    for pattern in (_USERINFO, _RAW_USERINFO):
        for found in pattern.finditer(text):
            start, end = found.span(1)
            if end - start > 1 and not MARK.fullmatch(text, start, end - 1):
                yield start, end - 1, Rule.URL_CREDENTIALS


_QUERY = re.compile(r"""[?#](?=[A-Za-z0-9_%$~-]|\[(?!redacted|email:|phone:))[^\s"'<>`\\]++""")
_SEPARATOR = re.compile(r"[&#]|;(?=[\w.%-]{1,64}=)")
_FLAG = re.compile(r"[A-Za-z][A-Za-z_.-]{0,31}")
_FORM = re.compile(r"""(?<![^\s"'`])[\w.%~\[\]-]{1,64}=[^\s&"'`]*+(?:&[\w.%~\[\]-]{1,64}=[^\s&"'`]*+)++""")


def query_runs(text: str) -> list[tuple[int, int]]:
    """Where parameters stand, in order: behind `?` or `#`, or `name=value&name=value` alone, as forms are sent."""
    runs = [
        (start + 1, end)
        for start, end in map(re.Match.span, _QUERY.finditer(text))
        if text.find("=", start, end) >= 0 or (text[start] == "?" and _in_path(text, start))
    ]
    if "&" in text:
        runs += map(re.Match.span, _FORM.finditer(text))
        runs.sort()
    return runs


def _in_path(text: str, at: int) -> bool:
    """Whether what stands before `at`, without a gap, has a slash."""
    before = text[max(0, at - 128) : at]
    return "/" in before and not before[-1].isspace() and "/" in before.rsplit(None, 1)[-1]


def query(text: str, runs: list[tuple[int, int]]) -> Iterator[Span]:
    """The values of all parameters; what has no name is a value unless it is a word, as in `?debug`."""
    for start, end in runs:
        yield from _values(text, start, end)


def _values(text: str, start: int, end: int) -> Iterator[Span]:
    piece = text[start:end]
    at = 0
    for part in _SEPARATOR.split(piece):
        name, equals, _ = part.partition("=")
        value = at + len(name) + 1 if equals else at
        stop = at + len(part)
        private = value < stop if equals else bool(part) and not _FLAG.fullmatch(part)
        if private and not MARK.fullmatch(piece, value, stop):
            yield start + value, start + stop, Rule.QUERY
        at = stop + 1


# --- Credentials with a scheme (RFC 6750, RFC 7617), tokens (RFC 7519), keys with a prefix

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


def scheme(text: str) -> Iterator[Span]:
    """What follows `Bearer`, `Basic` or `Token` and has digits or capitals where words have none."""
    for found in _SCHEME.finditer(text):
        value = found[2]
        if _is_credential(found[1].lower(), value):
            yield found.start(2), found.end(2), Rule.BEARER


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


def jwt(text: str) -> Iterator[Span]:
    """A header that is JSON in base64url, and what follows behind dots."""
    for found in _JWT.finditer(text):
        if _RANDOM.match(found[0]):
            yield *found.span(), Rule.JWT


# The documented formats of their issuers; also what gitleaks and GitHub's secret scanning look for. Case-sensitive.
_BODIES = r"""
    (?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16,}+                                    # AWS
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


def api_key(text: str) -> Iterator[Span]:
    """A prefix with a body of at least three digits or capitals: `npm_config_registry_cache` is a name."""
    for found in _API_KEY.finditer(text):
        if _RANDOM.match(found[0]):
            yield *found.span(), Rule.API_KEY


# --- Names with values inside a text

# What separates a name from its value; a comma only between two quoted strings, as a list of headers is printed.
_SEPARATES = re.compile(
    r"""[=:,](?: (?<=[^=!<>]=)(?!=)>? | (?<=:)(?!//)(?!(?<=[0-9]:)[0-9])=? | (?<=["'],)(?=[ ]?b?["']) ) [ \t]*+""",
    re.VERBOSE,
)
# Read from the separator backwards, and so is a text that has no name before it refused at once.
_EMAN = re.compile(r"""[ \t]*+\]?(["'`]?)\\{0,4}([\w.-]++)""")
_DROW_BEFORE = re.compile(r"[ ]([A-Za-z]{2,24})(?![A-Za-z])")
_NAME_ROOM = 120
"""How far before the separator a name is looked for; of a longer one the end counts."""

_SECOND_WORDS = frozenset(
    ("key", "number", "code", "string", "phrase", "url", "uri", "header", "id", "data", "answer", "no")
)
_LONGEST_SECOND = 6
_TO_LINE_END = ("authorization", "cookie", "phrase")
_STOPS = frozenset("\n\r\"'")
_OPEN = re.compile(r"""[ ]?(?:b(?=["']))?(\\*)(["'`])""")
_WORD = re.compile(r'[^\s"]+')
_INSIDE = {quote: re.compile(rf"(?:[^{quote}\\]++|\\.)*+", re.DOTALL) for quote in "\"'`"}
_BRACKET = re.compile(r"""[\[\]{}]|"(?:[^"\\]++|\\.)*+"?""", re.DOTALL)
_NO_VALUE = re.compile(
    r"""(?:\$[0-9]{1,3}|%s|%\(\w{1,32}\)s|\?|:[a-z_]{1,24}|\*{3,}|\$?\{{1,2}\s?[\w.]{0,64}\s?\}{1,2}|<[A-Za-z_. -]{1,64}>
    |null|none|true|false|nil|undefined|empty|\.{3}|…|\[filtered\]|\[hidden\])(?=[\s,;)&}\]"']|\.?(?:\s|\Z))""",
    re.VERBOSE | re.IGNORECASE,
)
_STATUS = re.compile(
    r"""(?:expired|invalid|missing|not|must|is|was|are|has|unknown|unexpected|malformed|wrong|incorrect|denied|required|
    failed|failure|timeout|timed|connection|cannot|could|can|no|ok|valid|refreshed|rotated|revoked|created|deleted|
    updated|changed|accepted|rejected|too|already|unsupported|unauthorized|forbidden|error|mismatch|absent|present|the|a|
    an|this|please|should|does|did|will|never|only|unable|bad|empty|it|we|you|at|for|from|in|on|of|to)
    (?=[\s,;.:!)]|\Z)""",
    re.VERBOSE | re.IGNORECASE,
)
_AFTER_MARK = " \t\r\n,;&)]}\"'<[."


def pair(text: str, private: Callable[[str], bool], runs: list[tuple[int, int]]) -> Iterator[Span]:
    """The values that belong to private names.

    Args:
        text: Where to look.
        private: Says of a name whether it is private.
        runs: Where not to look, in order: the values of parameters are found as such.
    """
    done = 0
    skipped = iter(runs)
    run = next(skipped, None)
    for found in _SEPARATES.finditer(text):
        at = found.start()
        while run is not None and run[1] <= at:
            run = next(skipped, None)
        if at < done or (run is not None and run[0] <= at):
            continue
        drow = text[max(0, at - _NAME_ROOM) : at][::-1]
        eman = _EMAN.match(drow)
        if eman is None:
            continue
        name = _private_name(drow, eman, private)
        if name is None:
            continue
        start = at - eman.end()
        if _in_mark(text, start, at):
            continue
        value, done = _value(text, found, name, text[start - 1 : start])
        if value < done:
            yield value, done, Rule.PAIR


def _in_mark(text: str, start: int, at: int) -> bool:
    """Whether the name is part of a mark, as `email` is in `[email:0123456789abcdef]` and in `[redacted:email]:`."""
    opened = text.rfind("[", max(0, start - 10), at)
    mark = None if opened < 0 else MARK.match(text, opened)
    return mark is not None and mark.end() > start


def _private_name(drow: str, eman: re.Match[str], private: Callable[[str], bool]) -> str | None:
    """The name when it is private, with the word before it where only both are, as in `api key: …`."""
    name = eman[2][::-1]
    if private(name):
        return name
    if len(name) <= _LONGEST_SECOND and name.lower() in _SECOND_WORDS:
        before = _DROW_BEFORE.match(drow, eman.end())
        if before is not None and private(both := f"{before[1][::-1]} {name}"):
            return both
    return None


def _value(text: str, found: re.Match[str], name: str, quote: str) -> tuple[int, int]:
    """Where the value behind the separator `found` begins and ends; the same twice where there is none."""
    at = found.end()
    nothing = at, at
    if at == len(text) or _NO_VALUE.match(text, at):
        return nothing
    mark = MARK.match(text, at)
    if mark is not None and text[mark.end() : mark.end() + 1] in _AFTER_MARK:
        return nothing
    opened = _OPEN.match(text, at)
    if opened is not None:
        start, end = opened.end(), _quote_end(text, opened)
    elif text[at] in "[{":
        start, end = at, _closed(text, at)
    elif any(word in name.lower() for word in _TO_LINE_END):
        start, end = at, _line_end(text, at, quote)
    elif text[at - 1] in " \t" and "=" not in found[0] and _STATUS.match(text, at):
        return nothing
    else:
        start, end = at, _word_end(text, at)
    return (start, end) if start < end and not MARK.fullmatch(text, start, end) else nothing


def _quote_end(text: str, opened: re.Match[str]) -> int:
    """Where what is between quotes ends; the end of the text when nothing closes them."""
    start, quote = opened.end(), opened[2]
    if opened[1]:  # JSON inside of JSON: it ends at the next quote that is as deep
        end = text.find(opened[1] + quote, start)
        return len(text) if end < 0 else end
    inside = _INSIDE[quote].match(text, start)
    return len(text) if inside is None else inside.end()


def _line_end(text: str, at: int, quote: str) -> int:
    """Where the line ends, or the string that began right before the name."""
    ends = [end for stop in ("\n", "\r", quote) if stop in _STOPS and (end := text.find(stop, at)) >= 0]
    return min(ends, default=len(text))


def _word_end(text: str, at: int) -> int:
    word = _WORD.match(text, at)
    return at if word is None else at + max(1, len(word[0].rstrip(",;)]}")))


def _closed(text: str, at: int) -> int:
    """Where the bracket at `at` is closed; the end of the text when nothing closes it."""
    depth = 0
    for found in _BRACKET.finditer(text, at):
        one = found[0]
        if one in "[{":
            depth += 1
        elif one in "]}":
            depth -= 1
            if depth == 0:
                return found.end()
    return len(text)


# --- E-mail (RFC 5321, RFC 6531), phone (ITU-T E.164), card (ISO/IEC 7812), IBAN (ISO 13616)

_LOCAL = r"\w.%+~!#$&*^|{}`'-"
_ADDRESS = rf"[{_LOCAL}]++@(?:([\w-]++(?:\.[\w-]++)++)|\[[0-9A-Fa-f:.IPv]{{3,45}}\])"
_EMAIL = re.compile(rf"(?<![{_LOCAL}]){_ADDRESS}")
_NEXT_EMAIL = re.compile(_ADDRESS)
_QUOTED_LOCAL = re.compile(r'"[^"@\r\n]{1,64}"@[\w-]++(?:\.[\w-]++)++')
_TOP_LEVEL = re.compile(r"[^\W\d_]{2,}|xn--[a-z0-9-]+", re.IGNORECASE)
_LEADING = "'!#$&*^|{}`~%.-"
_UNITS = frozenset(("service", "socket", "slice", "scope", "timer", "mount", "target", "device", "path"))
"""What systemd puts behind `user@1000.`"""
_PIXELS = re.compile(r"[0-9]x\.")


def email(text: str) -> Iterator[Span]:
    """Addresses. `git@host` names nobody, `logo@2x.png` and `user@1000.service` are no addresses."""
    found = _EMAIL.search(text)
    while found is not None:
        start, end = found.span()
        following = None
        if text.find("@", end) >= 0:
            # One that follows without a gap begins where the lookbehind lets none begin.
            following = _NEXT_EMAIL.match(text, end) or _EMAIL.search(text, end)
        local, _, domain = found[0].rpartition("@")
        bare = local.lstrip(_LEADING)
        start += len(local) - len(bare)
        if found[1] is not None:
            length = 0 if bare == "git" else _domain_length(domain)
            end = found.start(1) + length if length else start
        if bare and start < end:
            yield start, end, Rule.EMAIL
        found = following
    if '"@' in text:
        for found in _QUOTED_LOCAL.finditer(text):
            yield *found.span(), Rule.EMAIL


def _domain_length(domain: str) -> int:
    """How much of `domain` is one: up to the last label that begins with letters; 0 when none does."""
    top_level = domain.rpartition(".")[2]
    if top_level.isalpha() and len(top_level) > 1 and not domain[0].isdigit():  # most are as simple as that
        return 0 if top_level in _UNITS else len(domain)
    labels = domain.split(".")
    at, length, numbers = len(labels[0]) + 1, 0, labels[0].isdigit()
    for position, label in enumerate(labels[1:]):
        top = _TOP_LEVEL.match(label)
        if top is not None:
            length = at + top.end()
        elif label.isdigit() and numbers and position == 0:
            return 0  # a version
        at += len(label) + 1
    if labels[-1] in _UNITS or _PIXELS.match(domain):
        return 0
    return length


_GAP = "[ .\\-/()\u00a0\u202f\u2010\u2011\u2013]{0,2}"
_INTERNATIONAL = rf"(?:[17](?:{_GAP}[0-9]){{10}}|[2-689](?:{_GAP}[0-9]){{7,14}})(?![0-9])"
_PLUS = re.compile(rf"\+(?<![\w+]\+)[ (]?{_INTERNATIONAL}")
ZEROS = re.compile(rf"00(?<![\w.,+/-]00){_INTERNATIONAL}(?![0-9A-Za-z])")
_NORTH_AMERICA = re.compile(
    r"""
    [(2-9](?:(?<![\w.+/-].)|(?<=(?<![\w.+/-])1[ .-].))
    (?: (?:(?<=\()[2-9][0-9]{2}\)[ ]?|(?<=[2-9])[0-9]{2}[.-]) [0-9]{3}[ .-][0-9]{4}
      | (?<!["0-9][ ].) (?<=[2-9])[0-9]{2}[ ][2-9][0-9]{2}[ ][0-9]{4}(?![ ][0-9]) )
    (?![\w-])
    """,
    re.VERBOSE | re.DOTALL,
)
_TEL = re.compile(r":(?<=(?i:tel):)(?<![A-Za-z0-9]....)(\+?[0-9][0-9().\- ]{4,24})", re.ASCII | re.DOTALL)
_MIN_PLAIN_ZEROS = 12


def phone(text: str) -> Iterator[Span]:
    """Numbers with a `+`, and numbers behind `tel:`."""
    if "+" in text:
        for found in _PLUS.finditer(text):
            yield *found.span(), Rule.PHONE
    if ":" in text:
        for found in _TEL.finditer(text):
            yield *found.span(1), Rule.PHONE


def bare_phone(text: str, *, grouped: bool) -> Iterator[Span]:
    """Numbers that begin with `00`; and those of North America where some digits are `grouped`."""
    if "00" in text:
        for found in ZEROS.finditer(text):
            # In one piece it may be a number with leading zeros; few of those have as many digits as a phone.
            if not found[0].isdigit() or len(found[0]) >= _MIN_PLAIN_ZEROS:
                yield *found.span(), Rule.PHONE
    for found in _NORTH_AMERICA.finditer(text) if grouped else ():
        # Behind a path they are a status, bytes and milliseconds.
        if found[0].count(" ") < 2 or "(" in found[0] or not _in_path(text, found.start() - 1):  # noqa: PLR2004 -- the gaps of 3-3-4; until=2027-12-31
            yield *found.span(), Rule.PHONE


# The first digit, not inside of a number or word and not behind a decimal point, and the rest ahead of it.
_CARD = re.compile(
    r"""
    [0-9](?<![0-9A-Za-z].)(?<![0-9]\..)(?=
      ( [0-9]{12,18}
      | [0-9]{3}([ -])(?: [0-9]{4}\2[0-9]{4}\2[0-9]{4} | [0-9]{6}\2[0-9]{4,5} | [0-9]{4}\2[0-9]{5} )
      )(?![0-9A-Za-z])
    )
    """,
    re.VERBOSE | re.DOTALL,
)
_CARD_19 = re.compile(r"([ -])[0-9]{3}(?![0-9A-Za-z])")
# First digits and lengths by brand, from their public tables of issuer identification numbers.
_BRANDS = re.compile(
    r"""
      4[0-9]{12}(?:[0-9]{3})?                                              # Visa
    | 5[1-5][0-9]{14}                                                      # Mastercard
    | 2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}       # Mastercard
    | 3[47][0-9]{13}                                                       # American Express
    | 3(?:0[0-5]|[689][0-9])[0-9]{11}(?:[0-9]{2})?                         # Diners Club
    | (?:6011|64[4-9][0-9]|65[0-9]{2})[0-9]{12}(?:[0-9]{3})?               # Discover
    | 35(?:2[89]|[3-8][0-9])[0-9]{12}(?:[0-9]{3})?                         # JCB
    | 62[0-9]{14,17}                                                       # UnionPay
    | (?:5018|5020|5038|5893|6304|6759|676[123])[0-9]{8,15}                # Maestro
    | (?:220[0-4]|9792|508[0-9]|60[0-9]{2}|81[0-9]{2}|82[0-9]{2})[0-9]{12} # Mir, Troy, RuPay
    """,
    re.VERBOSE,
)
_PLAIN = bytes.maketrans(b"0123456789", bytes(range(10)))
_DOUBLED = bytes.maketrans(b"0123456789", bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)))


def card(text: str) -> Iterator[Span]:
    """Numbers that could be a card's."""
    for found in _CARD.finditer(text):
        start, end = found.start(), found.end(1)
        if is_card(text[start:end].replace(" ", "").replace("-", "")):
            yield start, end, Rule.CARD
        elif found[2] and (more := _CARD_19.match(text, end)):
            digits = text[start : more.end()].replace(" ", "").replace("-", "")
            if len(digits) == 19 and (digits[0] == "4" or _BRANDS.fullmatch(digits)) and luhn(digits):  # noqa: PLR2004 -- the longest (ISO/IEC 7812-1); until=2027-12-31
                yield start, more.end(), Rule.CARD


def is_card(digits: str) -> bool:
    """Whether `digits` has the beginning, the length and the check digit of a card.

    Visa's 19 digits count only when they are grouped: 64-bit identifiers look like them.
    """
    return _BRANDS.fullmatch(digits) is not None and luhn(digits)


def luhn(digits: str) -> bool:
    """Whether the last digit is right: ISO/IEC 7812-1, annex B."""
    ascii_digits = digits.encode()
    return (
        sum(ascii_digits[-1::-2].translate(_PLAIN)) + sum(ascii_digits[-2::-2].translate(_DOUBLED))
    ) % 10 == 0


_IBAN = re.compile(
    r"[A-Z](?<![A-Za-z0-9].)(?=([A-Z][0-9]{2}(?:[A-Z0-9]{11,30}|(?:[ ][A-Z0-9]{4}){2,7}(?:[ ][A-Z0-9]{1,3})?)))",
    re.DOTALL,
)
# ISO 13616: the IBAN registry of SWIFT.
_IBAN_COUNTRIES = """
    15:NO 16:BE 18:DK,FI,FO,GL,NL,SD,FK 19:MK,SI 20:AT,BA,EE,KZ,LT,LU,XK,MN 21:CH,HR,LI,LV
    22:BG,BH,CR,DE,GB,GE,IE,ME,RS,VA 23:AE,GI,IL,IQ,OM,SO,TL 24:AD,CZ,ES,MD,PK,RO,SA,SE,SK,TN,VG 25:LY,PT,ST 26:IS,TR
    27:BI,DJ,FR,GR,IT,MC,MR,SM 28:AL,AZ,BY,CY,DO,GT,HU,LB,NI,PL,SV 29:BR,EG,PS,QA,UA 30:JO,KW,MU 31:MT,SC 32:LC 33:RU
"""
_IBAN_LENGTHS = {
    country: int(length)
    for length, countries in (entry.split(":") for entry in _IBAN_COUNTRIES.split())
    for country in countries.split(",")
}
_TEN_DIGITS = re.compile("[0-9]{10}")


def iban(text: str) -> Iterator[Span]:
    """Account numbers, in one piece or in groups of four."""
    for found in _IBAN.finditer(text):
        account = found[0] + found[1]
        length = _IBAN_LENGTHS.get(account[:2], 99)
        compact = account.replace(" ", "")[:length]
        if len(compact) < length or not _TEN_DIGITS.search(compact) or not _is_checked(compact):
            continue
        end = found.start() + length + (account[4] == " ") * ((length - 1) // 4)
        if not text[end : end + 1].isalnum():
            yield found.start(), end, Rule.IBAN


def _is_checked(account: str) -> bool:
    """ISO 7064, mod 97-10: letters are numbers from 10, and the country and check digits go last."""
    return int("".join(str(int(one, 36)) for one in account[4:] + account[:4])) % 97 == 1
