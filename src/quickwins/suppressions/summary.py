"""Where the suppressions of a code base are: counts by check, code, folder and file, the worst first."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickwins.suppressions.scan.checks import Check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from quickwins.suppressions.baseline import Baseline
    from quickwins.suppressions.report import Identity, Report

MOST_LINES = 10
"""How many of each kind are shown to people."""


@dataclass(frozen=True, slots=True)
class Share:
    """How many suppressions have something in common.

    Attributes:
        by: What that is: `check`, `code`, `folder` or `file`.
        name: Which check, code, folder or file.
        count: How many there are.
        before: How many the baseline lists; `None` if there is none.
    """

    by: str
    name: str
    count: int
    before: int | None = None

    @property
    def trend(self) -> int | None:
        """How many more there are than the baseline lists; below 0 for fewer."""
        return None if self.before is None else self.count - self.before


def shares(report: Report, baseline: Baseline | None = None) -> list[Share]:
    """The counts by check, code, folder and file, those of each kind with the most first."""
    found = [one.identity for one in report.findings]
    known = None if baseline is None else [
        one for one in baseline.known if report.counts(Check(one.check), one.path)
    ]  # fmt: skip
    result = []
    for by, names in _NAMES.items():
        now = _counted(found, names)
        before = None if known is None else _counted(known, names)
        every = sorted({*now, *(before or ())}, key=lambda name: (-now[name], name))
        result += [Share(by, name, now[name], None if before is None else before[name]) for name in every]
    return result


def summarised(every: Iterable[Share]) -> str:
    """`every` share as a table for people, the first of each kind."""
    lines: list[str] = []
    kind, left = "", 0
    for one in every:
        if one.by != kind:
            lines += [f"  and {left} more"] if left else []
            lines += ["", f"by {one.by}"] if lines else [f"by {one.by}"]
            kind, shown, left = one.by, 0, 0
        shown += 1
        if shown > MOST_LINES:
            left += 1
            continue
        trend = f"{one.trend:+d}" if one.trend else ""
        words = f"  {Check(one.name).summary}" if one.by == "check" else ""
        lines.append(f"{one.count:>7} {trend:>6}  {_printable(one.name)}{words}".rstrip())
    lines += [f"  and {left} more"] if left else []
    return "".join(f"{line}\n" for line in lines)


def as_json(every: Iterable[Share]) -> str:
    """`every` share for programs."""
    rows = [{"by": one.by, "name": one.name, "count": one.count, "before": one.before} for one in every]
    return json.dumps(rows, indent=1) + "\n"


def _counted(ones: Iterable[Identity], names: Callable[[Identity], Iterable[str]]) -> Counter[str]:
    return Counter(name for one in ones for name in names(one))


def _codes(one: Identity) -> list[str]:
    owner, _, names = one.codes.partition(":")
    return [f"{owner}:{name}" for name in names.split(",")] if names else []


def _folders(one: Identity) -> list[str]:
    parts = one.path.split("/")[:-1]
    return ["/".join(parts[:number]) + "/" for number in range(1, len(parts) + 1)] or ["./"]


def _printable(name: str) -> str:
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in name)


_NAMES: dict[str, Callable[[Identity], Iterable[str]]] = {
    "check": lambda one: [one.check],
    "code": _codes,
    "folder": _folders,
    "file": lambda one: [one.path],
}
