"""What an audit found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quickwins.core.digest import digest
from quickwins.suppressions.scan.checks import IDENTITY_VERSION, Check
from quickwins.suppressions.scan.places import Seat

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """What a finding is recognised by: the same after lines, layout, comments or quotes change, but not the statement.

    Attributes:
        path: The file, relative to the root of the audit, with `/`.
        check: The number of the check, such as `SUP010`.
        codes: What is hidden, and by whose directive: `noqa:E402,F401`, `type:*`.
        scope: The functions and classes around it, dotted, or the table of a configuration file; empty at the top level.
        statement: The statement without layout, shortened; empty for a directive that is about a file or block.
        ordinal: Counts from 0 those of a file that are alike in all of this.
        sits: Its seat, or what finds it out: only a comparison wants to know, and finding them all takes a fifth of an audit.
    """

    path: str
    check: str
    codes: str
    scope: str
    statement: str
    ordinal: int = 0
    sits: Seat | Callable[[], Seat] = field(default=Seat(), compare=False, repr=False)

    @property
    def seat(self) -> Seat:
        """Its place among statements that look the same. Not compared: it is evidence when something has changed."""
        sits = self.sits
        if not isinstance(sits, Seat):
            sits = sits()
            object.__setattr__(self, "sits", sits)
        return sits

    @property
    def digest(self) -> str:
        """The version of the identities, and a digest of this one, for programs that keep findings apart."""
        alike = (self.path, self.check, self.codes, self.scope, self.statement, str(self.ordinal))
        return f"{IDENTITY_VERSION}:{digest(*alike, size_bytes=8).hex()}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One suppression, and where it is now.

    Attributes:
        identity: What it is recognised by.
        line: From 1.
        column: From 1.
        what: The suppression as it is written, shortened.
        cell: The cell of a notebook that it is in, from 1; 0 for other files.
    """

    identity: Identity
    line: int
    column: int
    what: str
    cell: int = 0

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
        paths: The files that were read.
        text: Gives the text of one of them, by which what was moved or edited is told from what is new.
        counts: Whether a check counts in a file; what a baseline lists of others is left as it is.
    """

    findings: tuple[Finding, ...]
    allowed: tuple[Finding, ...] = ()
    unused: tuple[str, ...] = ()
    files: int = 0
    size_bytes: int = 0
    paths: frozenset[str] = frozenset()
    text: Callable[[str], str] = field(default=lambda _: "", compare=False)
    counts: Callable[[Check, str], bool] = field(default=lambda _check, _path: True, compare=False)

    def __repr__(self) -> str:
        return f"<Report on {self.files} files: {len(self.findings)} findings, {len(self.allowed)} allowed>"
