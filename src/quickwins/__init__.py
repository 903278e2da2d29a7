"""Seven resilience quick wins for asyncio services, each behind a live flag.

    qw = QuickWins.load("quickwins.toml")
    pool = qw.pool(await asyncpg.create_pool(dsn), name="feed")
    async with qw: ...

Importing this package imports nothing else: its names, and its rooms such as `quickwins.backpressure`, are fetched at
their first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins import (
        backpressure,
        channels,
        core,
        dedup,
        engines,
        indexes,
        logs,
        query_cache,
        rig,
        rollout,
        suppressions,
        testing,
    )
    from quickwins._version import __version__
    from quickwins.core.errors import ConfigError, QuickWinsError, Rejected
    from quickwins.core.flags import pinned
    from quickwins.facade import QuickWins

__all__ = [
    "ConfigError",
    "QuickWins",
    "QuickWinsError",
    "Rejected",
    "__version__",
    "backpressure",
    "channels",
    "core",
    "dedup",
    "engines",
    "indexes",
    "logs",
    "pinned",
    "query_cache",
    "rig",
    "rollout",
    "suppressions",
    "testing",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "ConfigError": "core.errors",
        "QuickWins": "facade",
        "QuickWinsError": "core.errors",
        "Rejected": "core.errors",
        "__version__": "_version",
        "pinned": "core.flags",
    },
    modules=[
        "backpressure",
        "channels",
        "core",
        "dedup",
        "engines",
        "indexes",
        "logs",
        "query_cache",
        "rig",
        "rollout",
        "suppressions",
        "testing",
    ],
)
