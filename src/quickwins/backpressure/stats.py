"""What a gate tells of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quickwins.backpressure._gate import GateKind, RejectReason


@dataclass(frozen=True, slots=True)
class PoolStats:
    """A gate, and what is behind it, at one moment.

    Attributes:
        name: The pool's.
        gate: The kind of gate.
        gated: Whether the gate would be asked now, outside any request: the flag is on and the threshold below 1.
        max_size: Connections in the pool.
        limit: Permits from which on nobody is admitted; `None` when everybody is.
        inflight: Permits in use, ungated users included.
        waiting: Callers in line.
        overloaded: Whether the newest are served first and the stale refused.
        mean_hold_seconds: How long permits are held, smoothed over the last few; `None` before the first.
        admitted: Permits given since the start.
        timed_out: Callers whose own timeout passed in line, since the start.
        rejected: Refusals since the start, by reason.
    """

    name: str
    gate: GateKind
    gated: bool
    max_size: int
    limit: int | None
    inflight: int
    waiting: int
    overloaded: bool
    mean_hold_seconds: float | None
    admitted: int
    timed_out: int
    rejected: Mapping[RejectReason, int]
