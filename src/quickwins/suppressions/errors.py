"""What can go wrong in an audit, besides its findings."""

from __future__ import annotations

from quickwins.core.errors import ConfigError, QuickWinsError


class BaselineError(ConfigError):
    """The baseline cannot be read: it is missing, damaged, or made by another version of the checks."""


class OutdatedBaselineError(BaselineError):
    """The baseline was made by another version of the checks."""


class GitError(QuickWinsError):
    """Git does not know the base revision, or where this work branched off from it."""
