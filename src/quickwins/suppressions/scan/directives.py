"""Finds what a comment tells a linter, type checker, coverage tool or security scanner to ignore."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from quickwins.suppressions.scan.checks import Check
from quickwins.suppressions.scan.codes import spelled

if TYPE_CHECKING:
    from collections.abc import Iterator

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

LONGEST = timedelta(days=731)
"""How far ahead a reason may reach; what nobody will decide again in two years is decided for good, and says so."""

NEVER = "never"
"""What stands for the date of a decision that is permanent."""

# Each pattern stops at the next `#`, so that the cost of a comment grows only linearly with its length.
_REASON = re.compile(r"(?:\#\s*|\s)--\s*(?=[^\s;])")
_UNTIL = re.compile(r";\s*until\s*=\s*(\d{4}-\d\d-\d\d|never)\s*$")
_UNTIL_LENGTH = 64
_CODE = r"[A-Z]+[0-9]+"
_NOQA = re.compile(r"\#(?: noqa|\s*noqa(?!\w))(?P<rest>[^#]*)", re.IGNORECASE)
_NOQA_CODES = re.compile(rf":\s?{_CODE}(?![a-z_-]*-)", re.IGNORECASE)
_MEANT_CODES = re.compile(rf"\s*[:=(\[,;-]|\s+{_CODE}\b", re.IGNORECASE)
_FILE_NOQA = re.compile(r"\#\s*(?P<tool>flake8|ruff)\s*[:=]\s*noqa\b(?::?(?P<rest>[^#]*))", re.IGNORECASE)
_LISTED = re.compile(rf"\s*:?\s*({_CODE}(?:[,\s]+{_CODE})*)", re.IGNORECASE)
_RUFF = re.compile(
    r"\#\s*ruff\s*:\s*(?P<kind>disable|ignore|file-ignore)\b(?!-)\s*(?:\[(?P<codes>[^\]#]*+)\])?",
    re.IGNORECASE,
)
_TYPES = re.compile(
    r"\#\s*(?:(?P<tool>type|pyright|ty)\s*:\s*ignore|pyre-(?:ignore|fixme))(?P<more>-all-errors)?(?![\w`'\"-])\s*(?:\[(?P<codes>[^\]#]*+)\])?"
)
_MYPY = re.compile(
    r"\#\s*mypy\s*:(?P<options>[^#]*)",
)
_MYPY_OPTION = re.compile(
    r"(?:^|,)\s*(?:ignore[-_]errors\s*(?:=\s*(?:true|1|yes|on)\s*)?(?=,|$|--)|disable[-_]error[-_]code\s*=\s*(?P<codes>\"[^\"]*+\"|[^,\s]*+))",
    re.IGNORECASE,
)
_PYRIGHT = re.compile(r"\#\s*pyright\s*:")
_PYRIGHT_RULE = re.compile(r"\b(report\w+)\s*=\s*(?:false|none)\b", re.IGNORECASE)
_PYLINT = re.compile(r"\#[^#]*?\bpylint\s*:\s*(?P<rest>[^;#\n]+)", re.IGNORECASE)
_PYLINT_TOKEN = re.compile(
    r"\b(?P<action>skip-file|disable-all|disable-next|disable-msg|enable-msg|disable|enable)\b|(?P<name>\w[\w-]*)",
    re.IGNORECASE,
)
_NO_COVER = re.compile(r"\#\s*(?:pragma|PRAGMA)[:\s]?\s*(?:no|NO)\s*(cover|COVER|branch|BRANCH)")
_NOSEC = re.compile(r"\#\s*nosec(?P<rest>[^#]*)")
_COMMENT_ENDS = re.compile(r"\#")
_CHECKS = re.compile(r"[:\s]*B\d+(?:[,\s]+B\d+)*")
_NOSONAR = re.compile(r"\#\s*nosonar\b(?:\((?P<rules>[^)#]*)\))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Directive:
    """One suppression in a comment.

    Attributes:
        check: The check that finds it; `UNREASONED` if a reason and a date are all it may lack.
        what: The directive as it is written, shortened.
        codes: What it hides, see `scan.codes`.
        may_have_reason: Whether a reason and a date would make it acceptable.
        is_misread: Whether its tool takes the reason that follows for more of the directive.
        of_next: Whether, on a line of its own, it is about the next statement; others are then about the file or block.
    """

    check: Check
    what: str
    codes: str
    may_have_reason: bool = False
    is_misread: bool = False
    of_next: bool = False


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
        found += [_file_noqa(match) for match in _FILE_NOQA.finditer(comment)]
        found += [_noqa(match["rest"]) for match in _NOQA.finditer(comment)]
    if "ruff" in low:
        found += [_ruff(match) for match in _RUFF.finditer(comment)]
    if "ignore" in low or "pyre-" in low:
        found += [_types(comment, match) for match in _TYPES.finditer(comment)]
    if "mypy" in low or "pyright" in low:
        found += _whole_file_types(comment)
    if "pylint" in low:
        found += [one for match in _PYLINT.finditer(comment) for one in _pylint(comment, match)]
    if "pragma" in low:
        found += [
            Directive(
                Check.NO_COVER,
                f"pragma: no {match[1]}",
                spelled("cover", [match[1].lower()]),
                may_have_reason=True,
            )
            for match in _NO_COVER.finditer(comment)
        ]
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


def is_too_far(until: date, today: date) -> bool:
    """Whether a date is further ahead than it may be."""
    return until != date.max and until - today > LONGEST


def last_day(text: str) -> date:
    """The day until which a decision is valid; `never` is for one that needn't be taken again.

    Raises:
        ValueError: There is no such day.
    """
    return date.max if text == NEVER else date.fromisoformat(text)


def _whole_file_types(comment: str) -> list[Directive]:
    found = []
    what = "file-level setting of a type checker"
    options = _MYPY.search(comment)
    set_by_mypy = list(_MYPY_OPTION.finditer(options["options"])) if options else []
    if set_by_mypy:
        codes = [one["codes"] for one in set_by_mypy]
        names = [] if None in codes else [name for one in codes for name in _names(one)]
        found.append(Directive(Check.WHOLE_FILE_TYPES, what, spelled("mypy-file", names)))
    rules = _PYRIGHT_RULE.findall(comment) if _PYRIGHT.search(comment) else []
    if rules:
        found.append(Directive(Check.WHOLE_FILE_TYPES, what, spelled("pyright-file", rules)))
    return found


def _names(text: str | None) -> list[str]:
    return re.findall(r"[\w*-]+", text or "")


def _is_misread(comment: str, start: int, ends: re.Pattern[str]) -> bool:
    """Whether a reason begins before the directive at `start` ends for its tool."""
    found = ends.search(comment, start)
    end = len(comment) if found is None else found.start()
    return comment.find("--", start, end) >= 0 and _REASON.search(comment, start, end) is not None


def _pylint(comment: str, match: re.Match[str]) -> Iterator[Directive]:
    """Read as pylint does: brackets and quotes don't count, and one comment may do several things."""
    reason = _REASON.search(comment, match.start("rest"), match.end("rest"))
    end = match.end("rest") if reason is None else reason.start()
    actions: list[tuple[str, list[str]]] = []
    for token in _PYLINT_TOKEN.finditer(comment, match.start("rest"), end):
        if token["action"]:
            actions.append((token["action"].lower(), []))
        elif actions:
            actions[-1][1].append(token["name"].lower())
    for action, names in actions:
        if action in {"skip-file", "disable-all"} or (action.startswith("disable") and "all" in names):
            yield Directive(Check.PYLINT_ALL, "pylint off", spelled("pylint"))
        elif action.startswith("disable") and names:
            yield Directive(
                Check.UNREASONED,
                f"pylint: {action}={','.join(names)}",
                spelled("pylint", names),
                may_have_reason=True,
                is_misread=reason is not None,
                of_next=action == "disable-next",
            )


def _scanners(comment: str) -> list[Directive]:
    found = []
    for match in _NOSEC.finditer(comment):
        checks = _CHECKS.match(match["rest"])
        found.append(
            Directive(
                Check.SCANNER,
                "nosec",
                spelled("nosec", re.findall(r"B\d+", checks[0]) if checks else ()),
                may_have_reason=checks is not None,
                is_misread=checks is not None and _is_misread(comment, match.start("rest"), _COMMENT_ENDS),
            )
        )
    found += [
        Directive(Check.SCANNER, "NOSONAR", spelled("nosonar", _names(match["rules"])), may_have_reason=True)
        for match in _NOSONAR.finditer(comment)
    ]
    return found


def _file_noqa(match: re.Match[str]) -> Directive:
    return Directive(
        Check.WHOLE_FILE, "file-level noqa", spelled(f"{match['tool'].lower()}-file", _listed(match["rest"]))
    )


def _listed(rest: str) -> list[str]:
    codes = _LISTED.match(rest)
    return re.split(r"[,\s]+", codes[1].upper()) if codes else []


def _noqa(rest: str) -> Directive:
    if _NOQA_CODES.match(rest):
        return Directive(
            Check.UNREASONED,
            f"noqa{rest.split('--', maxsplit=1)[0].rstrip()}",
            spelled("noqa", _listed(rest)),
            may_have_reason=True,
        )
    if rest[:1].isalnum():  # flake8 looks for no end of the word
        return Directive(Check.MALFORMED_NOQA, f"noqa{rest.split(maxsplit=1)[0]}", spelled("noqa"))
    if _MEANT_CODES.match(rest) and not re.match(r"\s+--", rest):
        return Directive(Check.MALFORMED_NOQA, f"noqa{rest.rstrip()}", spelled("noqa"))
    return Directive(Check.BARE_NOQA, "noqa", spelled("noqa"))


def _ruff(match: re.Match[str]) -> Directive:
    kind = match["kind"].lower()
    of = "ruff-file" if kind == "file-ignore" else f"ruff-{kind}"
    codes = spelled(of, [one.upper() for one in _names(match["codes"])])
    if kind == "file-ignore" or (kind == "disable" and not (match["codes"] or "").strip()):
        return Directive(Check.WHOLE_FILE, f"ruff: {kind}", codes)
    if not (match["codes"] or "").strip():
        return Directive(Check.BARE_NOQA, f"ruff: {kind}", codes, of_next=True)
    return Directive(
        Check.UNREASONED,
        f"ruff: {kind}[{match['codes']}]",
        codes,
        may_have_reason=True,
        of_next=kind == "ignore",
    )


def _types(comment: str, match: re.Match[str]) -> Directive:
    if match["more"]:
        return Directive(Check.WHOLE_FILE_TYPES, "pyre-ignore-all-errors", spelled("pyre-file"))
    of = match["tool"] or "pyre"
    name = f"{of}: ignore" if match["tool"] else "pyre-ignore"
    codes = (match["codes"] or "").strip()
    if not codes:
        return Directive(Check.BARE_TYPE_IGNORE, name, spelled(of), of_next=of in {"pyre", "ty"})
    return Directive(
        Check.UNREASONED,
        f"{name}[{codes}]",
        spelled(of, _names(codes)),
        may_have_reason=True,
        is_misread=of == "type" and _is_misread(comment, match.end(), _COMMENT_ENDS),
        of_next=of in {"pyre", "ty"},
    )
