"""Pool-exhaustion backpressure: a full pool refuses at once instead of queueing until everybody times out.

    pool = await asyncpg.create_pool(dsn, min_size=10, max_size=10)
    gated = GatedPool(pool, gate=Gate.threshold(0.85), name="feed")
    async with gated.acquire(timeout=1.0) as connection:
        rows = await connection.fetch("select ...")

Turn it off with `enabled = false` (or `killed = true`) under `[backpressure]`, or with `threshold = 1.0`.
"""

from quickwins.backpressure._gate import Gate, RejectReason
from quickwins.backpressure._pool import Acquisition, GatedPool, PoolStats
from quickwins.backpressure.errors import PoolExhausted
from quickwins.backpressure.settings import BackpressureSettings, PoolSettings

__all__ = [
    "Acquisition",
    "BackpressureSettings",
    "Gate",
    "GatedPool",
    "PoolExhausted",
    "PoolSettings",
    "PoolStats",
    "RejectReason",
]
