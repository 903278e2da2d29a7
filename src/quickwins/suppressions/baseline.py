"""The ratchet: what is known may stay, what is new fails, and what is gone must leave the list.

Every finding must be in the baseline, and in the baseline of the base revision if there is one: so neither a new
suppression nor a list edited by hand gets through. What was edited, renamed or moved is followed, as `_match` says.
Anything else is new on one side and stale on the other: removing one suppression does not pay for adding another.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from quickwins.suppressions import _match
from quickwins.suppressions.errors import BaselineError, OutdatedBaselineError
from quickwins.suppressions.report import Finding, Identity, Report
from quickwins.suppressions.scan.checks import IDENTITY_VERSION, Check
from quickwins.suppressions.scan.places import Seat

if TYPE_CHECKING:
    from collections.abc import Mapping

TITLE = "# quickwins suppressions baseline"
"""How every baseline begins."""

_HEAD = (
    f"{TITLE}, version {IDENTITY_VERSION}: path, check, what is hidden, scope, number, place, statement",
    "# The empty line after each one stays when it goes, so that branches which remove neighbours merge.",
)
_VERSION = re.compile(rf"{TITLE}, version (\d+)")
_SEAT = re.compile(r"(\d+)/(\d+) (\S+) (\S+) (\S+)")
_FIELDS = 7
_FIELDS_OF_VERSION_1 = 5
_SPARE_LINES = 64
"""How many empty lines, besides two for each entry, a list may have before an update drops those that it needn't have."""


@dataclass(frozen=True, slots=True)
class BaselineDiff:
    """How a report differs from a baseline.

    Attributes:
        new: Findings that are not in the baseline.
        stale: Identities in the baseline that are no longer found.
        moved: The old and the new identity of each that was edited, narrowed or found in another place.
    """

    new: tuple[Finding, ...]
    stale: tuple[Identity, ...]
    moved: tuple[tuple[Identity, Identity], ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is new and nothing is stale."""
        return not self.new and not self.stale


@dataclass(frozen=True, slots=True, repr=False)
class Baseline:
    """The suppressions that may stay.

    Attributes:
        known: Their identities.
        lines: The lines of the file that it was read from, which an update leaves as they are as far as it can.
    """

    known: frozenset[Identity] = frozenset()
    lines: tuple[str, ...] = field(default=(), compare=False)

    def __repr__(self) -> str:
        return f"<Baseline of {len(self.known)} suppressions>"

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Baseline:
        """Read it from a file.

        Raises:
            BaselineError: The file is missing, or has a line that does not belong in a baseline.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BaselineError(
                f"{os.fspath(path)}: {getattr(error, 'strerror', None) or error}; "
                "`quickwins suppressions baseline create` writes the first one"
            ) from error
        return cls.parse(text, where=os.fspath(path))

    @classmethod
    def parse(cls, text: str, *, where: str) -> Baseline:
        """Read it from `text`; a line that is there twice, as after a union merge, counts once.

        Raises:
            BaselineError: A line does not belong in a baseline; the message has `where` and its number.
            OutdatedBaselineError: It was made by another version of the checks.
        """
        lines = text.split("\n")
        known = set()
        for number, line in enumerate(lines, start=1):
            if line.startswith("# "):
                version = _VERSION.match(line)
                if version and version[1] != str(IDENTITY_VERSION):
                    raise _outdated(f"{where}:{number}", version[1])
            elif line.strip():
                known.add(_parsed(line, f"{where}:{number}"))
        return cls(frozenset(known), tuple(lines))

    @classmethod
    def of(cls, report: Report) -> Baseline:
        """Everything that `report` found, except files that cannot be read."""
        return cls(frozenset(one.identity for one in report.findings if one.check is not Check.UNPARSEABLE))

    def text(self) -> str:
        """The text of the file: a line for each, and one between, so that two branches merge line by line.

        One that was read from a file keeps its lines where they are; else they are sorted.
        """
        if not self.lines or not self.known:
            body = [line for one in sorted(self.known) for line in (_written(one), "")]
            return "".join(f"{line}\n" for line in (*_HEAD, "", *body))
        text = "\n".join(self.lines)
        if text.count("\n") > 3 * len(self.known) + _SPARE_LINES:
            text = re.sub(r"\n{3,}", "\n\n", text)
        return text

    def compare(
        self, report: Report, *, base: Baseline | None = None, renamed: Mapping[str, str] | None = None
    ) -> BaselineDiff:
        """What is new in `report`, and what of this baseline is gone or has moved.

        Args:
            report: The code as it is now.
            base: The baseline of the revision this work started from; what is new to it is new as well.
            renamed: The former path of files that were renamed or copied, as git knows it.
        """
        pairs = _match.pairs(self.known, report, renamed or {})
        accepted = {new for _, new in pairs}
        if base is not None:
            accepted &= {new for _, new in _match.pairs(base.known, report, renamed or {})}
        new = tuple(one for one in report.findings if one.identity not in accepted)
        gone = self.known - {old for old, _ in pairs}
        stale = (one for one in gone if report.counts(Check(one.check), one.path))
        moved = (pair for pair in pairs if replace(pair[0], ordinal=pair[1].ordinal) != pair[1])
        return BaselineDiff(new, tuple(sorted(stale)), tuple(sorted(moved)))

    def updated(self, report: Report, *, renamed: Mapping[str, str] | None = None) -> Baseline:
        """This baseline without what is gone, and with what has moved in its new place. Nothing is added."""
        diff = self.compare(report, renamed=renamed)
        becomes: dict[Identity, Identity | None] = dict(diff.moved)
        becomes |= dict.fromkeys(diff.stale)
        lines = []
        for line in self.lines:
            is_entry = bool(line.strip()) and not line.startswith("# ")
            one = _parsed(line, "") if is_entry else None
            if one is None or one not in becomes:
                lines.append(line)
            elif (new := becomes[one]) is not None:
                lines.append(_written(new))
        kept = (becomes.get(one, one) for one in self.known)
        return Baseline(frozenset(one for one in kept if one is not None), tuple(lines))


def _written(one: Identity) -> str:
    """One line; what could break it, and what is no UTF-8, is written as `%` and its bytes."""
    parts = (one.path, one.check, one.codes, one.scope, str(one.ordinal), str(one.seat), one.statement)
    return "\t".join(_escaped(part) or "-" for part in parts)


def _escaped(part: str) -> str:
    if part == "-" or part.startswith("#"):
        return quote(part[0], safe="").replace("-", "%2D") + _escaped(part[1:])
    if part.isprintable() and "%" not in part:
        return part
    return "".join(one if one.isprintable() and one != "%" else _percent(one) for one in part)


def _percent(one: str) -> str:
    is_byte = "\udc80" <= one <= "\udcff"  # of a file name that is no UTF-8
    return quote(one.encode("utf-8", "surrogateescape" if is_byte else "surrogatepass"), safe="")


def _parsed(line: str, where: str) -> Identity:
    parts = line.split("\t")
    if len(parts) == _FIELDS_OF_VERSION_1 and ":" in parts[3]:
        raise _outdated(where, parts[3].split(":")[0])
    seat = _SEAT.fullmatch(parts[5]) if len(parts) == _FIELDS else None
    if seat is None or not (parts[4].isascii() and parts[4].isdigit()):
        is_marker = line[:7] in {"<" * 7, "=" * 7, ">" * 7, "|" * 7}
        hint = " (left over from a merge conflict)" if is_marker else ""
        raise BaselineError(f"{where}: not a line of a baseline{hint}: {line[:80]!r}")
    path, check, codes, scope, ordinal, _, statement = ("" if one == "-" else one for one in parts)
    if check not in {one.value for one in Check} or check == Check.UNPARSEABLE.value:
        raise BaselineError(f"{where}: {check!r} is not a check that a baseline can list")
    index, siblings, *digests = seat.groups()
    sits = Seat(int(index), int(siblings), *("" if one == "-" else one for one in digests))
    spelled = (unquote(one, errors="surrogateescape") for one in (path, codes, scope, statement))
    path, codes, scope, statement = spelled
    return Identity(path, check, codes, scope, statement, int(ordinal), sits)


def _outdated(where: str, version: str) -> OutdatedBaselineError:
    return OutdatedBaselineError(
        f"{where}: made by version {version} of the checks, this is {IDENTITY_VERSION}; where `check` passes with the "
        "quickwins that made it, delete the file and run `quickwins suppressions baseline create`"
    )
