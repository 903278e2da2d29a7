"""The query cache as a caller writes it."""

from __future__ import annotations

from quickwins.query_cache import Policy

POLICIES = {"FEED": Policy(ttl_seconds=10.0, scope="PRIVATE", vary=["accept-language"])}
