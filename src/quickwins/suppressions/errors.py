"""What can go wrong with an audit, beside its findings."""

from __future__ import annotations

from quickwins.core.errors import ConfigError, QuickWinsError


class BaselineError(ConfigError):
    """The baseline cannot be read: it is missing, broken, or made by another version of the checks."""


class GitError(QuickWinsError):
    """The base revision, or its merge base, cannot be had."""
