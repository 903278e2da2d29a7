"""What a caller must not write. It is never run: a strict type checker must refuse each marked line, and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins import QuickWins
from quickwins.backpressure import Gate, GatedPool, PoolSettings
from quickwins.core.flags import Flags, FlagSettings, MemorySource

if TYPE_CHECKING:
    import asyncpg


async def mistakes(raw: asyncpg.Pool, qw: QuickWins) -> None:
    qw.pool(raw)  # refused: call-overload
    qw.pool(raw, "feed")  # refused: call-overload
    gated = GatedPool(raw, gate=0.85)  # refused: arg-type
    gated.acquire(1.0)  # refused: misc call-arg
    with gated.acquire():  # refused: attr-defined
        pass
    gated.stats().inflight = 3  # refused: misc
    Gate.threshold("high")  # refused: arg-type
    Gate.queue(0.05)  # refused: misc call-arg
    with Gate.queue(size=1).permit():  # refused: attr-defined
        pass
    PoolSettings(gate="slow")  # refused: arg-type
    PoolSettings(threshold="high")  # refused: arg-type
    PoolSettings(treshold=0.5)  # refused: call-arg
    Flags({"mine": int}, [MemorySource()])  # refused: dict-item type-var
    FlagSettings().enabled = True  # refused: misc
