"""The failures of a gated pool."""

from __future__ import annotations

from quickwins.core.errors import Rejected


class PoolExhausted(Rejected):
    """The pool's gate said no before anything was waited for: back off for `retry_after_seconds`, then try again."""
