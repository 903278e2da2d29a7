"""What an audit found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quickwins.suppressions.scan.checks import Check

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """What a finding is known by: it survives other lines, layout, comments and quotes, not another statement.

    Attributes:
        path: Of the file, from the root of the audit, with `/`.
        check: Its number.
        scope: The functions and classes around it, dotted; a configuration's table; empty: the module.
        digest: Of the statement, behind `IDENTITY_VERSION`.
        ordinal: Which of several alike, from 0.
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
        identity: What it is known by.
        line: From 1.
        column: From 1.
        what: As it is written, in short.
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
        """What is wrong and what to do, in a sentence."""
        return f"{self.check.summary}: {self.what}; {self.check.remedy}"


@dataclass(frozen=True, slots=True)
class Report:
    """The result of an audit.

    Attributes:
        findings: By path, line and column.
        allowed: Those that an allowance of the configuration covers.
        unused: Allowances that cover nothing, in words.
        files: How many were read.
        size_bytes: Of all of them.
        names: For each file with findings, its functions and classes: tells a rename from a swap.
        paths: All files that were read.
    """

    findings: tuple[Finding, ...]
    allowed: tuple[Finding, ...] = ()
    unused: tuple[str, ...] = ()
    files: int = 0
    size_bytes: int = 0
    names: Mapping[str, frozenset[str]] = field(default_factory=dict)
    paths: frozenset[str] = frozenset()
