"""Live flags: whether a feature is on, for whom, decided from one immutable snapshot that is swapped whole.

    flags = Flags(sections, [EnvironmentSource(os.environ, sections), FileSource(Path("quickwins.toml"))])
    async with flags:                       # polls every 0.5 s
        with pinned("user-7"):              # one snapshot and one key for this request
            if flags.flag("backpressure").active(): ...

Turn a feature off with `enabled = false`, or at once and from anywhere with `killed = true`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.core.flags._state import FlagSettings, FlagState, SwitchSettings, Why, decide
    from quickwins.core.flags.errors import SourceError, SourceReason
    from quickwins.core.flags.flag import Flag
    from quickwins.core.flags.live import Flags
    from quickwins.core.flags.openfeature import OpenFeatureClient, OpenFeatureSource
    from quickwins.core.flags.pin import pinned
    from quickwins.core.flags.settings import FlagsSettings
    from quickwins.core.flags.snapshot import Snapshot
    from quickwins.core.flags.sources import (
        EnvironmentSource,
        FileSource,
        MemorySource,
        Source,
    )

__all__ = [
    "EnvironmentSource",
    "FileSource",
    "Flag",
    "FlagSettings",
    "FlagState",
    "Flags",
    "FlagsSettings",
    "MemorySource",
    "OpenFeatureClient",
    "OpenFeatureSource",
    "Snapshot",
    "Source",
    "SourceError",
    "SourceReason",
    "SwitchSettings",
    "Why",
    "decide",
    "pinned",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "EnvironmentSource": "sources",
        "FileSource": "sources",
        "Flag": "flag",
        "FlagSettings": "_state",
        "FlagState": "_state",
        "Flags": "live",
        "FlagsSettings": "settings",
        "MemorySource": "sources",
        "OpenFeatureClient": "openfeature",
        "OpenFeatureSource": "openfeature",
        "Snapshot": "snapshot",
        "Source": "sources",
        "SourceError": "errors",
        "SourceReason": "errors",
        "SwitchSettings": "_state",
        "Why": "_state",
        "decide": "_state",
        "pinned": "pin",
    },
)
