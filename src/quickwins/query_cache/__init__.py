"""GraphQL answers served again, never to somebody else, and never past an invalidation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.query_cache.policy import Policy

__all__ = ["Policy"]

__getattr__, __dir__ = lazily(__name__, {"Policy": "policy"})
