"""What an audit found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quickwins.suppressions.scan.checks import Check

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """What a finding is recognised by: the same after lines, layout, comments or quotes change, but not the statement.

    Attributes:
        path: The file, relative to the root of the audit, with `/`.
        check: The number of the check, such as `SUP010`.
        scope: The functions and classes around it, dotted, or the table of a configuration file; empty at the top level.
        digest: `IDENTITY_VERSION` and a digest of the statement.
        ordinal: Counts from 0 those that are alike in all of this.
    """

    path: str
    check: str
    scope: str
    digest: str
    ordinal: int

    def __str__(self) -> str:
        return f"{self.path}\t{self.check}\t{self.scope or '-'}\t{self.digest}\t{self.ordinal}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One suppression, and where it is now.

    Attributes:
        identity: What it is recognised by.
        line: From 1.
        column: From 1.
        what: The suppression as it is written, shortened.
    """

    identity: Identity
    line: int
    column: int
    what: str

    @property
    def check(self) -> Check:
        """The check that found it."""
        return Check(self.identity.check)

    @property
    def path(self) -> str:
        """The file."""
        return self.identity.path

    @property
    def message(self) -> str:
        """What is wrong and what to do about it, in one sentence."""
        remedy = self.check.remedy
        if self.path.endswith(".json"):
            remedy = remedy.replace("`# --", "`// --")
        return f"{self.check.summary}: {self.what}; {remedy}"


@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """The result of an audit.

    Attributes:
        findings: By path, line and column.
        allowed: Findings covered by an allowance in the configuration.
        unused: Allowances that cover less than they say, in words.
        files: How many files were read.
        size_bytes: Their size.
        names: The functions and classes of each file with findings: they tell a renamed one from a new one.
        paths: The files that were read.
    """

    findings: tuple[Finding, ...]
    allowed: tuple[Finding, ...] = ()
    unused: tuple[str, ...] = ()
    files: int = 0
    size_bytes: int = 0
    names: Mapping[str, frozenset[str]] = field(default_factory=dict)
    paths: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"<Report on {self.files} files: {len(self.findings)} findings, {len(self.allowed)} allowed>"
