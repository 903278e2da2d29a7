"""What a gate counts, in plain numbers; Prometheus and `stats()` read them when somebody asks."""

from __future__ import annotations

import asyncio
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING

from quickwins.backpressure import metrics
from quickwins.backpressure.rule import Priority, RejectReason
from quickwins.backpressure.stats import HeldAt, Holder
from quickwins.core.tallies import Reading, Tally

if TYPE_CHECKING:
    from quickwins.backpressure._core.gate import GateCore
    from quickwins.backpressure._permit import Permit

SHOWN = 5
"""How many of the longest holders are shown."""

NOTED = 0.25
"""While fewer are known: what a hold must reach of the shortest of them to be noted. Noting all of them costs a fifth of
what a permit does."""

AT_ONCE_SECONDS = min((metric.buckets or (0.0,))[0] for metric in (metrics.ACQUIRE_DURATION, metrics.HELD))
"""Times below this belong to the first bucket, which needs no search."""


class Outcome(StrEnum):
    """How an acquisition ended."""

    __hash__ = str.__hash__  # as for `RejectReason`

    ACQUIRED = "acquired"
    REJECTED = "rejected"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    FAILED = "failed"


def outcome_of(error: BaseException) -> Outcome:
    """How an acquisition ended that ended in `error`."""
    if isinstance(error, TimeoutError):
        return Outcome.TIMED_OUT
    return Outcome.CANCELLED if isinstance(error, asyncio.CancelledError) else Outcome.FAILED


class Ledger:
    """The books of one gate.

    Attributes:
        core: What is counted.
        held_by: The permit in use that each task took last; those before it are its `outer` ones.
        rejected: Refusals by reason.
        shadow_rejected: What would have been refused.
        nested: Acquisitions by tasks that held a permit.
        delays: Waits in line.
        acquired: Acquisitions by outcome.
        given_at_once: The counts of `acquired`; the first is of those that took no time.
        refused_at_once: Likewise.
        worth_noting_seconds: Holds longer than this belong to the longest.
        held: Hold times.
    """

    __slots__ = (
        "__weakref__", "_longest", "acquired", "core", "delays", "given_at_once", "held", "held_by", "nested",
        "refused_at_once", "rejected", "shadow_rejected", "worth_noting_seconds",
    )  # fmt: skip

    def __init__(self, core: GateCore) -> None:
        self.core = core
        self.held_by: dict[asyncio.Task[object] | None, Permit] = {}
        self.rejected: dict[RejectReason, int] = dict.fromkeys(RejectReason, 0)
        self.shadow_rejected: dict[RejectReason, int] = dict.fromkeys(RejectReason, 0)
        self.nested = 0
        self.delays = Tally(metrics.QUEUE_DELAY)
        self.acquired = {outcome: Tally(metrics.ACQUIRE_DURATION) for outcome in Outcome}
        self.given_at_once = self.acquired[Outcome.ACQUIRED].counts
        self.refused_at_once = self.acquired[Outcome.REJECTED].counts
        self.held = Tally(metrics.HELD)
        self.worth_noting_seconds = 0.0
        self._longest: dict[tuple[int, int], tuple[float, Permit]] = {}

    def begin(self, permit: Permit, task: asyncio.Task[object] | None) -> None:
        """`permit` is in use by `task` from now on."""
        permit.task = task
        permit.outer = self.held_by.get(task)
        self.held_by[task] = permit

    def end(self, permit: Permit) -> None:
        """`permit` is no longer in use."""
        task = permit.task
        last = self.held_by[task]
        if last is not permit:
            while last.outer is not permit:
                assert last.outer is not None
                last = last.outer
            last.outer = permit.outer
        elif permit.outer is None:
            del self.held_by[task]
        else:
            self.held_by[task] = permit.outer

    def note(self, permit: Permit, seconds: float) -> None:
        """`permit` was held longer than `worth_noting_seconds`: one of the longest."""
        key = permit.site_key
        known = self._longest.get(key)
        if known is not None and seconds <= known[0]:
            return
        self._longest[key] = (seconds, permit)  # the permit keeps its code alive, and with it the key unique
        if len(self._longest) > SHOWN:
            del self._longest[min(self._longest, key=lambda site: self._longest[site][0])]
        shortest = min(longest for longest, _ in self._longest.values())
        self.worth_noting_seconds = shortest if len(self._longest) == SHOWN else shortest * NOTED

    def first_of(self, task: asyncio.Task[object] | None) -> str:
        """Where `task` took the first permit it holds."""
        permit = self.held_by[task]
        while permit.outer is not None:
            permit = permit.outer
        return permit.site

    def holding(self, connection: object) -> Permit | None:
        """The permit in use that `connection` was given for."""
        last = self.held_by.get(asyncio.current_task())
        if last is not None and last.connection is connection:  # nearly always
            return last
        return next((permit for permit in self.permits if permit.connection is connection), None)

    @property
    def permits(self) -> list[Permit]:
        """Those in use."""
        found = []
        for last in list(self.held_by.values()):
            permit: Permit | None = last
            while permit is not None:
                found.append(permit)
                permit = permit.outer
        return found

    @property
    def in_use(self) -> int:
        """Permits in use; in shadow mode also those that the gate would not have given."""
        return max(self.core.inflight, len(self.permits))

    def holders(self, now: float) -> tuple[Holder, ...]:
        """The permits held the longest now."""
        oldest = sorted(self.permits, key=lambda permit: permit.since)[:SHOWN]
        return tuple(Holder(permit.site, max(0.0, now - permit.since), permit.priority) for permit in oldest)

    def sites(self) -> tuple[HeldAt, ...]:
        """The places that held permits the longest."""
        longest = sorted(self._longest.values(), key=lambda found: -found[0])
        return tuple(HeldAt(permit.site, seconds) for seconds, permit in longest)


def _by_priority(ledger: Ledger) -> dict[tuple[str, ...], int]:
    counts = Counter(permit.priority for permit in ledger.permits)
    return {(priority.name.lower(),): counts[priority] for priority in Priority}


READINGS = (
    Reading(metrics.EXHAUSTED, lambda ledger: {(reason,): n for reason, n in ledger.rejected.items()}),
    Reading(
        metrics.SHADOW_REJECTED, lambda ledger: {(reason,): n for reason, n in ledger.shadow_rejected.items()}
    ),
    Reading(metrics.NESTED, lambda ledger: {(): ledger.nested}),
    Reading(metrics.UTILIZATION, lambda ledger: {(): ledger.in_use / ledger.core.max_size}),
    Reading(metrics.INFLIGHT, _by_priority),
    Reading(
        metrics.LIMIT,
        lambda ledger: {(): ledger.core.max_size if ledger.core.limit is None else ledger.core.limit},
    ),
    Reading(metrics.WAITING, lambda ledger: {(): ledger.core.waiting}),
    Reading(metrics.QUEUE_DELAY, lambda ledger: {(): ledger.delays}),
    Reading(
        metrics.ACQUIRE_DURATION,
        lambda ledger: {(outcome,): tally for outcome, tally in ledger.acquired.items()},
    ),
    Reading(metrics.HELD, lambda ledger: {(): ledger.held}),
)
"""How the series are read."""
