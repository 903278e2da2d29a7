"""Pool-exhaustion backpressure: a full pool refuses early instead of queueing until everybody times out.

    pool = await asyncpg.create_pool(dsn, min_size=10, max_size=10)
    gated = GatedPool(pool, gate=Gate.queue(), name="feed")
    async with gated.acquire(timeout=1.0) as connection:
        rows = await connection.fetch("select ...")

`Gate.threshold(0.85)` is the simpler gate, without a line. Turn it off with `enabled = false` (or `killed = true`) under
`[backpressure]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.backpressure._acquisition import Acquisition
    from quickwins.backpressure._gate import Gate, GateOptions, ShellOptions
    from quickwins.backpressure._in_place import GatedInPlace
    from quickwins.backpressure._permit import Permit
    from quickwins.backpressure._pool import GatedPool
    from quickwins.backpressure.errors import NestedAcquire, PoolExhausted
    from quickwins.backpressure.rule import GateKind, Nested, Priority, RejectReason, Rule
    from quickwins.backpressure.settings import BackpressureSettings, PoolSettings
    from quickwins.backpressure.stats import HeldAt, Holder, PoolStats
    from quickwins.core.deadline import deadline

__all__ = [
    "Acquisition",
    "BackpressureSettings",
    "Gate",
    "GateKind",
    "GateOptions",
    "GatedInPlace",
    "GatedPool",
    "HeldAt",
    "Holder",
    "Nested",
    "NestedAcquire",
    "Permit",
    "PoolExhausted",
    "PoolSettings",
    "PoolStats",
    "Priority",
    "RejectReason",
    "Rule",
    "ShellOptions",
    "deadline",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "Acquisition": "_acquisition",
        "BackpressureSettings": "settings",
        "Gate": "_gate",
        "GateKind": "rule",
        "GateOptions": "_gate",
        "GatedInPlace": "_in_place",
        "GatedPool": "_pool",
        "HeldAt": "stats",
        "Holder": "stats",
        "Nested": "rule",
        "NestedAcquire": "errors",
        "Permit": "_permit",
        "PoolExhausted": "errors",
        "PoolSettings": "settings",
        "PoolStats": "stats",
        "Priority": "rule",
        "RejectReason": "rule",
        "Rule": "rule",
        "ShellOptions": "_gate",
        "deadline": "quickwins.core.deadline",
    },
)
