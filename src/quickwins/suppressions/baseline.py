"""The ratchet: what is known may stay, what is new fails, and what is gone must leave the list.

Every finding must be in the baseline, and in the baseline of the base revision if there is one: so neither a new
suppression nor a list edited by hand gets through. Identities that match nothing are paired once more, one to one:

    moved file        same check, scope, statement; the old file is gone
    renamed scope     same check, file, statement; a function or class of the old scope is gone from the file

Anything else is new on one side and stale on the other: removing one suppression does not pay for adding another.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quickwins.suppressions.errors import BaselineError
from quickwins.suppressions.report import Finding, Identity, Report
from quickwins.suppressions.scan.checks import IDENTITY_VERSION, Check

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEAD = "# quickwins suppressions baseline: one line for each, sorted; `quickwins suppressions baseline update` removes what is gone"
_FIELDS = 5


@dataclass(frozen=True, slots=True)
class BaselineDiff:
    """How a report differs from a baseline.

    Attributes:
        new: Findings that are not in the baseline.
        stale: Identities in the baseline that are no longer found.
        moved: The old and the new identity of each that was found in another place.
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
    """

    known: frozenset[Identity] = frozenset()

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
        """
        known = set()
        for number, line in enumerate(text.split("\n"), start=1):
            if not line.strip() or line.startswith("# "):
                continue
            parts = line.split("\t")
            if len(parts) != _FIELDS or not parts[4].isascii() or not parts[4].isdigit():
                hint = (
                    " (left over from a merge conflict)"
                    if line[:7] in {"<" * 7, "=" * 7, ">" * 7, "|" * 7}
                    else ""
                )
                raise BaselineError(f"{where}:{number}: not a line of a baseline{hint}: {line[:80]!r}")
            path, check, scope, digest, ordinal = parts
            if check not in {one.value for one in Check} or check == Check.UNPARSEABLE.value:
                raise BaselineError(f"{where}:{number}: {check!r} is not a check that a baseline can list")
            if digest.split(":")[0] != str(IDENTITY_VERSION):
                raise BaselineError(
                    f"{where}:{number}: made by version {digest.split(':')[0]!r} of the checks, this is {IDENTITY_VERSION}; "
                    "delete the file and create it again"
                )
            known.add(Identity(path, check, "" if scope == "-" else scope, digest, int(ordinal)))
        return cls(frozenset(known))

    @classmethod
    def of(cls, report: Report) -> Baseline:
        """Everything that `report` found, except files that cannot be read."""
        return cls(frozenset(one.identity for one in report.findings if one.check is not Check.UNPARSEABLE))

    def text(self) -> str:
        """The text of the file: sorted lines and no totals, so that two branches merge line by line."""
        return "".join(f"{line}\n" for line in (_HEAD, *sorted(map(str, self.known))))

    def compare(self, report: Report, *, base: Baseline | None = None) -> BaselineDiff:
        """What is new in `report`, and what of this baseline is gone or has moved.

        Args:
            report: The code as it is now.
            base: The baseline of the revision this work started from; what is new to it is new as well.
        """
        findings = {one.identity: one for one in report.findings}
        unknown, stale, moved = self._differences(findings, report)
        if base is not None:
            unknown |= base._differences(findings, report)[0]  # noqa: SLF001 -- another of the same class; until=never
        new = tuple(one for one in report.findings if one.identity in unknown)
        return BaselineDiff(new, tuple(sorted(stale)), tuple(sorted(moved)))

    def updated(self, report: Report) -> Baseline:
        """This baseline without what is gone, and with what has moved in its new place. Nothing is added."""
        findings = {one.identity: one for one in report.findings}
        _, stale, moved = self._differences(findings, report)
        gone = {*stale, *(old for old, _ in moved)}
        return Baseline((self.known - gone) | {new for _, new in moved})

    def _differences(
        self, findings: dict[Identity, Finding], report: Report
    ) -> tuple[set[Identity], set[Identity], list[tuple[Identity, Identity]]]:
        unknown = {one for one in findings if one not in self.known}
        stale = {one for one in self.known if one not in findings}
        moved: list[tuple[Identity, Identity]] = []
        for old in sorted(stale):
            new = _successor(old, unknown, report)
            if new is not None:
                moved.append((old, new))
                unknown.discard(new)
                stale.discard(old)
        return unknown, stale, moved


def _successor(old: Identity, unknown: Iterable[Identity], report: Report) -> Identity | None:
    """The finding that `old` has become, if it is certain that it is not a new one."""
    file_is_gone = old.path not in report.paths
    names = report.names.get(old.path, frozenset())
    scope_is_gone = any(part not in names for part in old.scope.split(".") if part)
    alike = (
        one for one in unknown if (one.check, one.digest, one.ordinal) == (old.check, old.digest, old.ordinal)
    )
    for one in sorted(alike):
        if one.path == old.path:
            if scope_is_gone and one.scope != old.scope:
                return one
        elif file_is_gone and one.scope == old.scope:
            return one
    return None
