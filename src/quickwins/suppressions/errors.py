"""What can go wrong with an audit, beside its findings."""

from __future__ import annotations

from quickwins.core.errors import ConfigError, QuickWinsError


class BaselineError(ConfigError):
    """The baseline cannot be read: no such file, not one, or of another rule set."""


class GitError(QuickWinsError):
    """The base revision, or its merge base, cannot be had."""
