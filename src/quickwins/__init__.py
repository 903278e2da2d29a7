"""Seven resilience quick wins for asyncio services, each behind a live flag.

    qw = QuickWins.load("quickwins.toml")
    pool = qw.pool(await asyncpg.create_pool(dsn), name="feed")
    async with qw: ...

Importing this package imports nothing else: the names below are fetched at their first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quickwins.core.errors import ConfigError, QuickWinsError, Rejected
    from quickwins.core.flags import pinned
    from quickwins.facade import QuickWins

__all__ = ["ConfigError", "QuickWins", "QuickWinsError", "Rejected", "pinned"]

_HOMES = {
    "ConfigError": "quickwins.core.errors",
    "QuickWins": "quickwins.facade",
    "QuickWinsError": "quickwins.core.errors",
    "Rejected": "quickwins.core.errors",
    "pinned": "quickwins.core.flags",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
