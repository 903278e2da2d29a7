"""Whether what stands behind a private name could be the secret, or is a word of a sentence, a path, a number, code. Pure.

`password: expired` and `token = lower($1)` tell an engineer something and nobody a password. So the plainer the sign between
name and value is, the more the value itself must look like one: everything within quotes goes, nearly everything behind `=`,
and behind a colon in a sentence only what no sentence has.
"""

from __future__ import annotations

import re
from itertools import islice

from quickwins.logs.redaction._names import Kind
from quickwins.logs.redaction._patterns.spans import MARK

_STATUS_WORDS = """
    expired invalid missing not must is was are has unknown unexpected malformed wrong incorrect denied required failed failure
    timeout timed connection cannot could can no ok valid refreshed rotated revoked created deleted updated changed accepted
    rejected too already unsupported unauthorized forbidden error mismatch absent present the a an this please should does did
    will never only unable bad empty it we you at for from in on of to and or with requires required header verified unverified
    pending sent received none set unset yes enabled disabled loaded loading found unchanged reset skipped disallowed
    insufficient incomplete blank weak strong short long str string secretstr int integer text varchar bytes bool
    boolean char uuid number float date datetime object array list dict any
"""
_STATUS = frozenset(_STATUS_WORDS.split())
_WORD = re.compile(r"([A-Za-z]{1,16})(?=[\s,;.:!)\]}'\"]|\Z)")

JUDGED_LENGTH = 128
"""Characters of a value that say whether it is one."""


def is_status(text: str, at: int = 0) -> bool:
    """Whether the word at `at` is what a sentence says next about a password."""
    word = _WORD.match(text, at)
    return word is not None and word[1].lower() in _STATUS


NO_VALUE = re.compile(
    r"""(?:\$[0-9]{1,3}|\$[A-Z_][A-Z0-9_]{2,63}|%s|%\(\w{1,32}\)s|\?|:[a-z_]{1,24}|[*•]{3,}|x{4,}|\$?\{{1,2}\s?[\w.]{0,64}\s?\}{1,2}|<[A-Za-z_.\ -]{1,64}>
    |<[\w.]{1,64}(?:\ object)?\ at\ 0x[0-9a-f]{1,16}>|null|none|nil|undefined|empty|true|false|yes|no|\.{3}|…
    |\((?:sensitive(?:\ value)?|known\ after\ apply|not\ set|unset)\)
    |[\[(<](?:filtered|hidden|redacted|masked|omitted|removed|secret|sensitive|private|empty|none|null)[\])>])
    (?=[\s,;)&}\]"']|\.?(?:\s|\Z))""",
    re.VERBOSE | re.IGNORECASE,
)
"""What stands where a value is not known, or was hidden by somebody else."""
NOTHING = frozenset("$%?:*\u2022xX{<nNuUeEtTfFyY.\u2026([")
"""What that begins with: asking this takes a twentieth of the time, and most values begin otherwise."""

_CODE = re.compile(
    r"[A-Za-z_][\w.]*(?:\(|\[\Z)|[A-Z]\w*[{\[@<]|[a-z_][a-z0-9_]*(?:\.[A-Za-z_]\w*)+\Z|[-+]?0x[0-9a-fA-F]+\Z|\"?\$|@[a-z_]+\Z|:[a-z]|[\w.$]+@[0-9a-f]{4,8}\Z"
)
"""A call, a printed object, a column or a module, an address, a placeholder."""
_MODULE = re.compile(r"[a-z_][a-z0-9_]*(?:\.[A-Za-z_]\w*){2,}\Z")
_PATH = re.compile(r"(?:\.{0,2}|~)/[\w.@+-]*(?:/[\w.@+-]*)*\Z|[A-Za-z]:\\|[a-z][a-z0-9+]{1,12}://[^@]*\Z")
_FIGURE = re.compile(
    r"[-+~<>]?[0-9][0-9.,:_x/-]*(?:[a-zA-Z%µ]{1,4}(?:/[a-z]{1,4})?)?\Z"  # with a unit; versions, times, sizes, fractions
    r"|v?[0-9]+(?:\.[0-9a-z]+)+(?:[-+][\w.]+)?\Z"
)
_DIGITS = re.compile(r"[0-9]")
_LETTERS = re.compile(r"[A-Za-z]")
# Possessive, and a mark between two words: what can be cut in one way only takes time in proportion to its length.
_WORDS = re.compile(r"[A-Za-z]++(?:[-_./' :][A-Za-z]++)*+[.,:;!?]*+\Z")
_NUMBERED = re.compile(r"[A-Za-z]++(?:[-_.:/][A-Za-z]++)*+[-_.:/]?[0-9]{0,4}\Z")
_LOUD = re.compile(r"[!#$%^&*~@+]")
_CHANGES = re.compile(r"[a-z][A-Z]|[A-Z]{2}[a-z]|[A-Za-z][0-9]|[0-9][A-Za-z]")
_CHANGED = re.compile(r"[A-Z0-9]")
"""What every change has."""
_LEAST, _LEAST_RANDOM, _LEAST_CHANGES = 6, 8, 2
_LEAST_NUMBER = 6
_FEW_DIGITS = 4

_BIC = re.compile(r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?\Z")
_ONE_TIME = re.compile(r"[0-9]{3,10}\Z|(?=[A-Z0-9-]{0,11}[0-9])[A-Z0-9]{2,6}-?[A-Z0-9]{2,6}\Z")
_PHONE = re.compile(r"(?=(?:[^0-9]*+[0-9]){6})[+(]?[0-9][0-9 ()./-]*\Z")
_PIN = re.compile(r"[0-9]{4,8}\Z|[0-9]{2,3}(?:[ -][0-9]{2,3}){1,3}\Z")


def looks_random(value: str) -> bool:
    """Whether no sentence, path, name or figure looks like `value`."""
    value = value[:JUDGED_LENGTH]
    if "[" in value:
        value = MARK.sub("", value)
    if len(value) < _LEAST_RANDOM or _PATH.match(value) or _FIGURE.match(value) or _CODE.match(value):
        return False
    if _WORDS.match(value) or _NUMBERED.match(value):
        return False
    least = _LEAST_CHANGES + (_DIGITS.search(value) is None or _LETTERS.search(value) is None)
    return _has_changes(value, least) or (least > _LEAST_CHANGES and _LOUD.search(value) is not None)


def _has_changes(value: str, least: int) -> bool:
    """Whether there are so many changes between small letters, capitals and digits."""
    first = _CHANGED.search(value)
    if first is None:
        return False
    found = _CHANGES.finditer(value, max(0, first.start() - 1))
    return next(islice(found, least - 1, None), None) is not None


def could_be(kind: Kind, value: str) -> bool:
    """Whether `value`, behind a colon amid a sentence, could be a secret of that kind."""
    value = value[:JUDGED_LENGTH]
    judge = _IN_PROSE.get(kind)
    return looks_random(value) if judge is None else judge(value)


def is_assigned(kind: Kind, value: str, *, spaced: bool) -> bool:
    """Whether `value`, behind `=` or alone behind a colon, is a secret of that kind: so it is unless it is clearly not.

    Args:
        kind: What its name says.
        value: Without quotes.
        spaced: Whether it stands apart from its sign, as in code and SQL.
    """
    value = value[:JUDGED_LENGTH]
    judge = _ASSIGNED.get(kind)
    if judge is not None:
        return judge(value)
    if value.lower() in _STATUS or _MODULE.match(value):
        return False
    if _CODE.match(value) and (spaced or kind is not Kind.PASSWORD):
        return False
    if _PATH.match(value) and not looks_random(value.rpartition("/")[2]):
        return False
    if value.isdigit():
        return kind is Kind.PASSWORD or (kind is Kind.SECRET and len(value) >= _FEW_DIGITS)
    return True


def _is_password(value: str) -> bool:
    if looks_random(value):
        return True
    if len(value) < _LEAST or _FIGURE.match(value) or _PATH.match(value) or _CODE.match(value):
        return len(value) >= _LEAST and value.isdigit()
    return (_DIGITS.search(value) is not None and _LETTERS.search(value) is not None) or (
        _LOUD.search(value) is not None and _LETTERS.search(value) is not None
    )


def _is_address(value: str) -> bool:
    return "@" in value or "%40" in value


def _is_number(value: str) -> bool:
    return len(_DIGITS.findall(value)) >= _LEAST_NUMBER or (
        len(_DIGITS.findall(value)) >= _FEW_DIGITS and len(value) >= _LEAST_RANDOM
    )


def _is_phone(value: str) -> bool:
    return _PHONE.match(value) is not None


def _is_numbered(value: str) -> bool:
    return _is_number(value) or _BIC.match(value) is not None


def _is_one_time(value: str) -> bool:
    return _ONE_TIME.match(value) is not None or (len(value) >= _LEAST_RANDOM and not is_status(value))


def _is_pin(value: str) -> bool:
    return _PIN.match(value) is not None or looks_random(value)


def _is_weak(value: str) -> bool:
    return looks_random(value) or ("@" in value and ":" in value)


_IN_PROSE = {
    Kind.PASSWORD: _is_password,
    Kind.EMAIL: _is_address,
    Kind.PHONE: _is_phone,
    Kind.NUMBER: _is_number,
    Kind.CODE: _is_pin,
}
_ASSIGNED = {
    Kind.EMAIL: _is_address,
    Kind.PHONE: _is_phone,
    Kind.NUMBER: _is_numbered,
    Kind.CODE: _is_one_time,
    Kind.WEAK: _is_weak,
}
