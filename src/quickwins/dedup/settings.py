"""The section `[dedup]`."""

from __future__ import annotations

from quickwins.core.flags import FlagSettings


class DedupSettings(FlagSettings):
    """The section `[dedup]`: the flag, whose percentage is of topics' partitions, never of events.

    What a deduplicator is made of (its identity, its store) is code, not configuration: another one means other data.
    """

    unit = "partitions"
