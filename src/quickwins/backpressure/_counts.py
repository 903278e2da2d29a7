"""What a gate counts, in plain numbers; Prometheus and `stats()` read them when somebody asks."""

from __future__ import annotations

import asyncio
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from quickwins.backpressure import metrics
from quickwins.backpressure.rule import Priority, RejectReason
from quickwins.core.metrics import Reading, Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from quickwins.backpressure._core.gate import GateCore
    from quickwins.backpressure._holders import Holders


class Outcome(StrEnum):
    """How an acquisition ended."""

    __hash__ = str.__hash__  # as for `RejectReason`

    ACQUIRED = "acquired"
    REJECTED = "rejected"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    FAILED = "failed"


REJECTED: Final = Outcome.REJECTED  # as in `_core.verdict`


def outcome_of(error: BaseException) -> Outcome:
    """How an acquisition ended that ended in `error`."""
    if isinstance(error, TimeoutError):
        return Outcome.TIMED_OUT
    return Outcome.CANCELLED if isinstance(error, asyncio.CancelledError) else Outcome.FAILED


class Counts:
    """The numbers of one gate.

    Attributes:
        core: What is counted.
        holders: Who holds what.
        rejected: Refusals by reason.
        shadow_rejected: What would have been refused.
        nested: Acquisitions by tasks that held a permit.
        delays: Waits in line.
        acquired: Acquisitions by outcome.
        given: Those that ended well.
        held: Hold times.
    """

    __slots__ = (
        "__weakref__", "acquired", "core", "delays", "given", "held", "holders", "nested",
        "rejected", "shadow_rejected",
    )  # fmt: skip

    def __init__(
        self, core: GateCore, holders: Holders, trace: Callable[[], str | None] | None = None
    ) -> None:
        self.core = core
        self.holders = holders
        self.rejected: dict[RejectReason, int] = dict.fromkeys(RejectReason, 0)
        self.shadow_rejected: dict[RejectReason, int] = dict.fromkeys(RejectReason, 0)
        self.nested = 0
        self.delays = Tally(metrics.QUEUE_DELAY)  # counted where a wait is ended: in another trace
        self.acquired = {outcome: Tally(metrics.ACQUIRE_DURATION, trace=trace) for outcome in Outcome}
        self.given = self.acquired[Outcome.ACQUIRED]
        self.held = Tally(metrics.HELD, trace=trace)

    @property
    def in_use(self) -> int:
        """Permits in use; in shadow mode also those that the gate would not have given."""
        return max(self.core.inflight, len(self.holders.holds))

    @property
    def mean_delay_seconds(self) -> float | None:
        """The average wait of those that waited in line; `None`: nobody did."""
        waits = sum(self.delays.counts)
        return self.delays.total / waits if waits else None


def _by_priority(counts: Counts) -> dict[tuple[str, ...], int]:
    found = Counter(hold.priority for hold in counts.holders.holds)
    return {(priority.name.lower(),): found[priority] for priority in Priority}


READINGS = (
    Reading(metrics.EXHAUSTED, lambda counts: {(reason,): n for reason, n in counts.rejected.items()}),
    Reading(
        metrics.SHADOW_REJECTED, lambda counts: {(reason,): n for reason, n in counts.shadow_rejected.items()}
    ),
    Reading(metrics.NESTED, lambda counts: {(): counts.nested}),
    Reading(metrics.UTILIZATION, lambda counts: {(): counts.in_use / counts.core.max_size}),
    Reading(metrics.INFLIGHT, _by_priority),
    Reading(
        metrics.LIMIT,
        lambda counts: {(): counts.core.max_size if counts.core.limit is None else counts.core.limit},
    ),
    Reading(metrics.WAITING, lambda counts: {(): counts.core.waiting}),
    Reading(metrics.QUEUE_DELAY, lambda counts: {(): counts.delays}),
    Reading(
        metrics.ACQUIRE_DURATION,
        lambda counts: {(outcome,): tally for outcome, tally in counts.acquired.items()},
    ),
    Reading(metrics.HELD, lambda counts: {(): counts.held}),
)
"""How the series are read."""
