"""Finds what a comment tells a linter, type checker, coverage tool or security scanner to ignore."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from quickwins.suppressions.scan.checks import Check

WORDS = (
    "noqa",
    "ruff",
    "flake8",
    "type:",
    "pyright",
    "ty:",
    "mypy:",
    "pylint",
    "pragma",
    "nosec",
    "nosonar",
    "pyre-",
)
"""In lower case; a file with none of them has no directive."""

NEVER = "never"
"""What stands for the date of a decision that is permanent."""

# Each pattern stops at the next `#`, so that the cost of a comment grows only linearly with its length.
_REASON = re.compile(r"(?:\#\s*|\s)--\s*(?=[^\s;])")
_UNTIL = re.compile(r";\s*until\s*=\s*(\d{4}-\d\d-\d\d|never)\s*$")
_UNTIL_LENGTH = 64
_CODE = r"[A-Z]+[0-9]+"
_NOQA = re.compile(r"\#\s*noqa(?![\w])(?P<rest>[^#]*)", re.IGNORECASE)
_NOQA_CODES = re.compile(rf":\s*{_CODE}(?![a-z_-]*-)", re.IGNORECASE)
_MEANT_CODES = re.compile(rf"\s*[:=(\[,;-]|\s+{_CODE}\b", re.IGNORECASE)
_FILE_NOQA = re.compile(r"\#\s*(?:flake8|ruff)\s*[:=]\s*noqa\b", re.IGNORECASE)
_RUFF = re.compile(
    r"\#\s*ruff\s*:\s*(?P<kind>disable|ignore|file-ignore)\b(?!-)\s*(?:\[(?P<codes>[^\]#]*+)\])?",
    re.IGNORECASE,
)
_TYPES = re.compile(
    r"\#\s*(?:(?P<tool>type|pyright|ty)\s*:\s*ignore|pyre-(?:ignore|fixme))(?P<more>-all-errors)?(?![\w-])\s*(?:\[(?P<codes>[^\]#]*+)\])?"
)
_MYPY = re.compile(
    r"\#\s*mypy\s*:(?P<options>[^#]*)",
)
_MYPY_OPTION = re.compile(
    r"(?:^|,)\s*(?:ignore[-_]errors\s*(?:=\s*(?:true|1|yes|on)\s*)?(?=,|$|--)|disable[-_]error[-_]code\s*=)",
    re.IGNORECASE,
)
_PYRIGHT_RULE = re.compile(r"\#\s*pyright\s*:[^#]*\breport\w+\s*=\s*(?:false|none)\b", re.IGNORECASE)
_PYLINT = re.compile(
    r"\#[^#]*?\bpylint\s*:\s*(?:(?P<file>skip-file)|(?:disable|disable-next|disable-msg)\s*=\s*(?P<names>[\w-]+(?:\s*,\s*[\w-]+)*))",
    re.IGNORECASE,
)
_NO_COVER = re.compile(r"\#\s*pragma\s*:?\s*no\s*(?:cover|branch)\b", re.IGNORECASE)
_NOSEC = re.compile(r"\#\s*nosec\b(?![-_])(?P<rest>[^#]*)", re.IGNORECASE)
_COMMENT_ENDS = re.compile(r"\#")
_PYLINT_ENDS = re.compile(r"[;#]")
_NOSONAR = re.compile(r"\#\s*nosonar\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Directive:
    """One suppression in a comment.

    Attributes:
        check: The check that finds it; `UNREASONED` if a reason and a date are all it may lack.
        what: The directive as it is written, shortened.
        may_have_reason: Whether a reason and a date would make it acceptable.
        is_misread: Whether its tool takes the reason that follows for more of the directive.
    """

    check: Check
    what: str
    may_have_reason: bool = False
    is_misread: bool = False


@dataclass(frozen=True, slots=True)
class Reason:
    """What a comment says after `--`.

    Attributes:
        text: The reason.
        until: The last day it is valid; `None` if there is no date, or the calendar has no such day.
    """

    text: str
    until: date | None


def directives(comment: str) -> list[Directive]:
    """All suppressions in one comment; `comment` begins with its `#`."""
    low = comment.lower()  # looking for a word takes a tenth of the time of a pattern
    found: list[Directive] = []
    if "noqa" in low:
        if _FILE_NOQA.search(comment):
            found.append(Directive(Check.WHOLE_FILE, "file-level noqa"))
        found += [_noqa(match["rest"]) for match in _NOQA.finditer(comment)]
    if "ruff" in low:
        found += [_ruff(match) for match in _RUFF.finditer(comment)]
    if "ignore" in low or "pyre-" in low:
        found += [_types(comment, match) for match in _TYPES.finditer(comment)]
    if "mypy" in low or "pyright" in low:
        found += _whole_file_types(comment)
    if "pylint" in low:
        found += [_pylint(comment, match) for match in _PYLINT.finditer(comment)]
    if "pragma" in low and _NO_COVER.search(comment):
        found.append(Directive(Check.NO_COVER, "pragma: no cover", may_have_reason=True))
    if "nos" in low:
        found += _scanners(comment)
    return found


def reason(comment: str) -> Reason | None:
    """The reason after `--` at the end of a comment; `None` if there is none."""
    begin = _REASON.search(comment) if "--" in comment else None
    if begin is None:
        return None
    end = _UNTIL.search(comment, max(begin.end(), len(comment) - _UNTIL_LENGTH))
    if end is None:
        return Reason(comment[begin.end() :].strip(), None)
    try:
        until = last_day(end[1])
    except ValueError:
        until = None
    return Reason(comment[begin.end() : end.start()].strip(), until)


def last_day(text: str) -> date:
    """The day until which a decision is valid; `never` is for one that needn't be taken again.

    Raises:
        ValueError: There is no such day.
    """
    return date.max if text == NEVER else date.fromisoformat(text)


def _whole_file_types(comment: str) -> list[Directive]:
    options = _MYPY.search(comment)
    if (options and _MYPY_OPTION.search(options["options"])) or _PYRIGHT_RULE.search(comment):
        return [Directive(Check.WHOLE_FILE_TYPES, "file-level setting of a type checker")]
    return []


def _is_misread(comment: str, start: int, ends: re.Pattern[str]) -> bool:
    """Whether a reason begins before the directive at `start` ends for its tool."""
    if "--" not in comment:
        return False
    end = ends.search(comment, start)
    return _REASON.search(comment, start, len(comment) if end is None else end.start()) is not None


def _pylint(comment: str, match: re.Match[str]) -> Directive:
    names = {name.strip().lower() for name in (match["names"] or "").split(",")}
    if match["file"] or "all" in names:
        return Directive(Check.PYLINT_ALL, "pylint off")
    return Directive(
        Check.UNREASONED,
        f"pylint: disable={match['names']}",
        may_have_reason=True,
        is_misread=_is_misread(comment, match.end(), _PYLINT_ENDS),
    )


def _scanners(comment: str) -> list[Directive]:
    found = [
        Directive(
            Check.SCANNER,
            "nosec",
            may_have_reason=(names_a_check := re.match(r"[:\s]*B\d+", match["rest"]) is not None),
            is_misread=names_a_check and _is_misread(comment, match.start("rest"), _COMMENT_ENDS),
        )
        for match in _NOSEC.finditer(comment)
    ]
    if _NOSONAR.search(comment):
        found.append(Directive(Check.SCANNER, "NOSONAR", may_have_reason=True))
    return found


def _noqa(rest: str) -> Directive:
    if _NOQA_CODES.match(rest):
        return Directive(
            Check.UNREASONED, f"noqa{rest.split('--', maxsplit=1)[0].rstrip()}", may_have_reason=True
        )
    if _MEANT_CODES.match(rest) and not re.match(r"\s+--", rest):
        return Directive(Check.MALFORMED_NOQA, f"noqa{rest.rstrip()}")
    return Directive(Check.BARE_NOQA, "noqa")


def _ruff(match: re.Match[str]) -> Directive:
    kind = match["kind"].lower()
    if kind == "file-ignore" or (kind == "disable" and not (match["codes"] or "").strip()):
        return Directive(Check.WHOLE_FILE, f"ruff: {kind}")
    if not (match["codes"] or "").strip():
        return Directive(Check.BARE_NOQA, f"ruff: {kind}")
    return Directive(Check.UNREASONED, f"ruff: {kind}[{match['codes']}]", may_have_reason=True)


def _types(comment: str, match: re.Match[str]) -> Directive:
    if match["more"]:
        return Directive(Check.WHOLE_FILE_TYPES, "pyre-ignore-all-errors")
    name = f"{match['tool']}: ignore" if match["tool"] else "pyre-ignore"
    codes = (match["codes"] or "").strip()
    if not codes:
        return Directive(Check.BARE_TYPE_IGNORE, name)
    return Directive(
        Check.UNREASONED,
        f"{name}[{codes}]",
        may_have_reason=True,
        is_misread=match["tool"] == "type" and _is_misread(comment, match.end(), _COMMENT_ENDS),
    )
