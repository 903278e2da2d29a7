"""What a gate says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quickwins.backpressure.rule import GateKind, Priority, RejectReason


@dataclass(frozen=True, slots=True)
class Holder:
    """A permit in use.

    Attributes:
        site: Where in the code it was asked for.
        held_seconds: For how long.
        priority: Of the work that it is for.
    """

    site: str
    held_seconds: float
    priority: Priority


@dataclass(frozen=True, slots=True)
class HeldAt:
    """A place in the code that has held permits for long.

    Attributes:
        site: File, line and function.
        longest_seconds: How long at most, since the start.
    """

    site: str
    longest_seconds: float


@dataclass(frozen=True, slots=True)
class PoolStats:
    """A gate, and what is behind it, at one moment.

    Attributes:
        name: The name of the pool, or of whatever else the gate guards.
        gate: The kind of gate.
        why: Why the limit is what it is.
        gated: Whether the gate would be asked now, outside any request: the flag is on and the threshold below 1.
        shadow: Whether it refuses nothing and only counts.
        max_size: How many may use the resource at once: the connections of a pool.
        limit: Permits from which on nobody of normal priority is admitted; `None` when everybody is.
        inflight: Permits in use, ungated users included.
        waiting: Callers in line.
        overloaded: Whether the newest are served first and the stale refused.
        mean_hold_seconds: How long permits are held, smoothed over the last few; `None` before the first.
        mean_delay_seconds: The average wait of those that waited in line, since the start; `None`: nobody did.
        admitted: Permits given since the start.
        timed_out: Callers whose own timeout passed in line, since the start.
        nested: Acquisitions by tasks that held a permit already, since the start.
        rejected: Refusals since the start, by reason.
        shadow_rejected: What would have been refused in shadow mode since the start, by reason.
        holders: The permits held the longest now, at most five.
        longest_held: The places in the code that held permits the longest since the start, at most five.
    """

    name: str
    gate: GateKind
    why: str
    gated: bool
    shadow: bool
    max_size: int
    limit: int | None
    inflight: int
    waiting: int
    overloaded: bool
    mean_hold_seconds: float | None
    mean_delay_seconds: float | None
    admitted: int
    timed_out: int
    nested: int
    rejected: Mapping[RejectReason, int]
    shadow_rejected: Mapping[RejectReason, int]
    holders: tuple[Holder, ...]
    longest_held: tuple[HeldAt, ...]
