"""What belongs to people: e-mail addresses, phones, cards, bank accounts; the sources stand at `RedactionRule`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from quickwins.logs.redaction._patterns.spans import MARK
from quickwins.logs.redaction._rules import RedactionRule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickwins.logs.redaction._patterns.spans import Span, Work

_E_MAIL, _PHONE, _CARD_RULE = RedactionRule.EMAIL, RedactionRule.PHONE, RedactionRule.CARD

_LACOL = re.compile(r"[\w.%+~!#$&*^|{}`'-]++")
"""What stands before the `@`, read backwards."""
_DOMAIN = re.compile(r"@(?:([\w-]++(?:\.[\w-]++)++)|\[[0-9A-Fa-f:.IPv]{3,45}\])")
_QUOTED_LOCAL = re.compile(r'"[^"@\r\n]{1,64}"@[\w-]++(?:\.[\w-]++)++')
_TOP_LEVEL = re.compile(r"[^\W\d_]{2,}|xn--[a-z0-9-]+", re.IGNORECASE)
_LEADING = "'!#$&*^|{}`~%.-"
_ACCOUNTS = frozenset(
    """
    git hg svn celery celeryd beat root ubuntu ec2-user centos debian vagrant postgres mysql www-data nobody daemon _host
    """.split()  # noqa: SIM905 -- as the other lists of words; until=never
)
"""Before the `@` of a host and not of a person: ssh, celery."""
_ALGORITHMS = frozenset(("openssh.com", "libssh.org", "ssh.com", "lysator.liu.se"))
"""Behind the `@` of an SSH algorithm (RFC 4250, 4.6.1)."""
_MESSAGE_ID = re.compile(r"(?=[0-9.$-]*[a-fA-F.$])[0-9A-Fa-f.$-]{10,}\Z")
_UNITS = frozenset(("service", "socket", "slice", "scope", "timer", "mount", "target", "device", "path"))
"""What systemd puts behind `user@1000.`"""
_ADDRESS = 3
"""What it costs to judge an address, in steps of `Work`; one with many labels costs more."""
_PIXELS = re.compile(r"[0-9.]*[0-9]x\.")


def email(text: str, work: Work) -> Iterator[Span]:
    """Addresses. `git@host` names nobody, `logo@2x.png` and `user@1000.service` are no addresses."""
    done = 0  # where the next address may begin
    at = text.find("@")
    while at >= 0:
        found = _DOMAIN.match(text, at)
        before = (
            None if found is None else _LACOL.match(text[text.rfind(" ", done, at) + 1 or done : at][::-1])
        )
        if found is not None and before is not None:
            start = at - before.end()
            if not work.may(start, _ADDRESS + (found.end() - at >> 5)):
                return
            bare = text[start:at].lstrip(_LEADING)
            start, done = at - len(bare), found.end()
            length = done - found.start(1)
            if found[1] is not None:
                length = 0 if _is_nobody(text, start, bare, found[1]) else _domain_length(found[1])
            if bare and length:
                yield start, found.start(1) + length if found[1] is not None else done, _E_MAIL
        done = max(done, at + 1)
        at = text.find("@", done)


def quoted_email(text: str, work: Work) -> Iterator[Span]:
    """Addresses whose local part stands in quotes (RFC 5321, 4.1.2)."""
    for found in work.matches(_QUOTED_LOCAL, text):
        yield *found.span(), _E_MAIL


def is_somebody(address: str) -> bool:
    """Whether an address of letters, with a space or nothing around it, is a person's."""
    local, _, domain = address.rpartition("@")
    return domain.rpartition(".")[2] not in _UNITS and not _is_nobody("", 0, local, domain)


def _is_nobody(text: str, start: int, local: str, domain: str) -> bool:
    """Whether this is a host's, an algorithm's, a service's (Kerberos) or a message's name."""
    before = text[start - 1 : start]
    return (
        local.lower() in _ACCOUNTS
        or local.startswith("worker")
        or domain in _ALGORITHMS
        or (before == "/" and domain.isupper())
        or (before == "<" and _MESSAGE_ID.match(local) is not None)
    )


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
_PLUS = re.compile(rf"\+(?<![0-9A-Za-z_+]\+)[ (]?{_INTERNATIONAL}")
ZEROS = re.compile(rf"00(?<![0-9A-Za-z_.+/:#-]00)(?<![0-9],00){_INTERNATIONAL}(?![0-9A-Za-z])")
_NORTH_AMERICA = re.compile(
    r"""
    [(2-9](?:(?<![0-9A-Za-z_.+/-].)|(?<=(?<![\w.+/-])1[ .-].)|(?<=[A-Za-z_][.+-].)(?=[0-9]{2}[-.])|(?<=[A-Za-z_].)(?=[0-9]{2}[-.]))
    (?: (?:(?<=\()[2-9][0-9]{2}\)[ ]?|(?<=[2-9])[0-9]{2}[.-]) [0-9]{3}[ .-][0-9]{4}
      | (?<!["0-9][ ].) (?<=[2-9])[0-9]{2}[ ][2-9][0-9]{2}[ ][0-9]{4}(?![ ][0-9]) )
    (?![0-9A-Za-z_-])(?![ ]?(?:[num\u00b5]?s|bytes|[kKMG]i?B|rows)\b)
    """,
    re.VERBOSE | re.DOTALL,
)
_CALLED = re.compile(
    r"(?i:call|phone|tel|mobile|cell|fax|dial|sms|contact|number|reach)[a-z]{0,5}\W[^0-9]{0,16}\Z"
)
_TEL = re.compile(r":(?<=(?i:tel):)(?<![A-Za-z0-9]....)(\+?[0-9][0-9().\- ]{4,24})", re.ASCII | re.DOTALL)
_MIN_PLAIN_ZEROS = 12
_BEHIND = re.compile(r"[0-9][ \t]")
_GROUPED = re.compile("000(?= {1,2}000 0000)")
"""What such a number is in the shape of a text."""
_GAPS = 2
"""Between the groups of 3-3-4."""


def phone(text: str, work: Work) -> list[Span]:
    """Numbers with a `+`, and numbers behind `tel:`."""
    spans: list[Span] = []
    if "+" in text and _PLUS.search(text) is not None:
        spans += work.some((*found.span(), _PHONE) for found in work.matches(_PLUS, text))
    if ":" in text and _TEL.search(text) is not None:
        spans += work.some((*found.span(1), _PHONE) for found in work.matches(_TEL, text))
    return spans


def _is_long(number: str) -> bool:
    return sum(map(str.isdigit, number)) >= _MIN_PLAIN_ZEROS


def bare_phone(text: str, shape: str, work: Work, *, grouped: bool) -> list[Span]:
    """Numbers that begin with `00`; and those of North America where some digits are `grouped`."""
    spans = work.some(_zeros(text, work)) if "00" in text else []
    if grouped:
        spans += work.some(_north_american(text, shape, work))
    return spans


def _zeros(text: str, work: Work) -> Iterator[Span]:
    for found in work.matches(ZEROS, text):
        # In one piece it may be a number with leading zeros; few of those have as many digits as a phone.
        # Behind another number it may be the next one of a table.
        number = found[0]
        if _is_long(number) or not (number.isdigit() or _BEHIND.match(text, max(0, found.start() - 2))):
            yield *found.span(), _PHONE


def _north_american(text: str, shape: str, work: Work) -> Iterator[Span]:
    done = 0
    for place in _GROUPED.finditer(shape):
        start = place.start()
        found = (start > done and _NORTH_AMERICA.match(text, start - 1)) or _NORTH_AMERICA.match(text, start)
        if found is None or start < done:
            continue
        start, done = found.span()
        if not work.may(start):
            return
        # With nothing but spaces they are figures, unless a word says what they are.
        if found[0].count(" ") < _GAPS or "(" in found[0] or _CALLED.search(text, max(0, start - 32), start):
            yield *found.span(), _PHONE


# The first digit, not inside of a number or word and not behind a decimal point, and the rest ahead of it.
_CARD = re.compile(
    r"""
    [2-689](?<![0-9].)(?<![0-9]\..)(?<!_-.)(?=
      ( (?<![A-Za-z].)[0-9]{12,18}
      | [0-9]{3}([ -])(?: [0-9]{4}\2[0-9]{4}\2[0-9]{4} | [0-9]{6}\2[0-9]{4,5} | [0-9]{4}\2[0-9]{5} )
      )(?![0-9A-Za-z])
    )
    """,
    re.VERBOSE | re.DOTALL,
)
_DIGITS = re.compile("000(?<!0000)(?=0{10}|0 0000)")
"""How each such number begins in the shape of a text."""
_JUDGED = 2
"""What it costs to judge one, in steps of `Work`."""
_USUAL = 16
_REACH, _BEHIND_MARK = 64, 4
"""How far a mark is seen: by a number before it, which has 24 characters at most, and by what is behind it. The longest mark
is shorter."""
_LONGEST = 19
"""Digits of a card's number (ISO/IEC 7812-1)."""

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
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")
_ZERO = ord("0")


def card(text: str, shape: str, work: Work, *, again: bool = False) -> Iterator[Span]:
    """Numbers that could be a card's.

    Args:
        text: Where to look.
        shape: Its shape, which tells where there are as many digits.
        work: What may be done.
        again: Whether it was looked at before there were marks in it: then only for what is near a mark, since nothing else
            can have changed.
    """
    places = _DIGITS.finditer(shape)
    found = _near(text, 0) if again else _next_card(text, places, 0)
    while found is not None and work.may(found.start(), _JUDGED):
        start, end = found.start(), found.end(1)
        at = start + 1
        if found[2] is None and end - start > _USUAL and text[start - 1 : start] == "_":
            pass  # the number of a block
        elif is_card(text[start:end].replace(found[2] or " ", "")):
            yield start, end, _CARD_RULE
            at = end
        elif found[2] and (more := _CARD_19.match(text, end)):
            digits = text[start : more.end()].replace(" ", "").replace("-", "")
            if len(digits) == _LONGEST and (digits[0] == "4" or _BRANDS.fullmatch(digits)) and luhn(digits):
                yield start, more.end(), _CARD_RULE
        found = _near(text, at) if again else _next_card(text, places, at)


def _next_card(text: str, places: Iterator[re.Match[str]], at: int) -> re.Match[str] | None:
    """The first number from `at` on, of those that begin at `places`."""
    for place in places:
        start = place.start()
        if start >= at and (found := _CARD.match(text, start)) is not None:
            return found
    return None


def _near(text: str, at: int) -> re.Match[str] | None:
    """The first number from `at` on that a mark may have changed: one that can reach it, or that begins right behind it."""
    mark = MARK.search(text, max(0, at - _REACH))
    while mark is not None:
        found = _CARD.search(text, max(at, mark.start() - _REACH))
        if found is None or found.start() <= mark.end() + _BEHIND_MARK:
            return found
        mark = MARK.search(text, max(mark.end(), found.start() - _REACH))
    return None


def is_card(digits: str) -> bool:
    """Whether `digits` has the beginning, the length and the check digit of a card.

    Visa's 19 digits count only when they are grouped: 64-bit identifiers look like them.
    """
    return _BRANDS.fullmatch(digits) is not None and luhn(digits)


def luhn(digits: str) -> bool:
    """Whether the last digit is right: ISO/IEC 7812-1, annex B."""
    ascii_digits = digits.encode()
    total = sum(ascii_digits[-1::-2]) + sum(ascii_digits[-2::-2].translate(_DOUBLED))
    return (total - len(digits) * _ZERO) % 10 == 0


_IBAN = re.compile(
    r"[A-Z](?<![A-Z].)(?=([A-Z][0-9]{2}(?:[A-Z0-9]{11,30}|(?:[ ][A-Z0-9]{4}){2,7}(?:[ ][A-Z0-9]{1,3})?)))",
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


def iban(text: str, work: Work) -> Iterator[Span]:
    """Account numbers, in one piece or in groups of four."""
    for found in work.matches(_IBAN, text, cost=_JUDGED):
        account = found[0] + found[1]
        length = _IBAN_LENGTHS.get(account[:2], 99)
        compact = account.replace(" ", "")[:length]
        if len(compact) < length or not _TEN_DIGITS.search(compact) or not _is_checked(compact):
            continue
        end = found.start() + length + (account[4] == " ") * ((length - 1) // 4)
        following = text[end : end + 1]
        if not (following.isascii() and following.isalnum()):
            yield found.start(), end, RedactionRule.IBAN


_AS_NUMBERS = {ord(letter): f"{number}" for number, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 10)}


def _is_checked(account: str) -> bool:
    """ISO 7064, mod 97-10: letters are numbers from 10, and the country and check digits go last."""
    return int((account[4:] + account[:4]).translate(_AS_NUMBERS)) % 97 == 1
