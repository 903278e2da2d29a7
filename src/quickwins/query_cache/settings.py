"""The section `[query_cache]`."""

from __future__ import annotations

from pydantic import Field, SecretStr

from quickwins.core.config import Whole, setting
from quickwins.core.flags import FlagSettings
from quickwins.query_cache.l1 import L1


class QueryCacheSettings(FlagSettings):
    """The section `[query_cache]`: the flag, whose percentage is of principals (of requests without one), and memory's bounds.

    Off, answers are executed, and turning it on again begins with nothing: writes meanwhile were seen by nobody. What is
    cached for how long, and whose it is, is code.
    """

    max_bytes: Whole = setting(L1, "max_bytes")
    max_entries: Whole = setting(L1, "max_entries")
    max_entry_bytes: Whole = setting(L1, "max_entry_bytes")
    secret: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="What identities in a shared store are made unreadable with, the same in all processes; from "
        "QUICKWINS_QUERY_CACHE__SECRET only. Read at the start. Absent: there can be no shared store.",
    )

    def bounds(self) -> L1:
        """Memory's bounds, which are read at the start."""
        return L1(
            max_bytes=self.max_bytes, max_entries=self.max_entries, max_entry_bytes=self.max_entry_bytes
        )
