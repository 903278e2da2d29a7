"""A gate's refusals: counted, reported once a second for each reason, and put into an error."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from quickwins.backpressure.errors import NestedAcquire, PoolExhausted
from quickwins.backpressure.rule import RejectReason
from quickwins.core.events import POOL_REJECTED, QUIET_SECONDS, Reporter

if TYPE_CHECKING:
    import asyncio
    from random import Random

    from quickwins.backpressure._counts import Counts
    from quickwins.core.clock import Deadline


class Refusals:
    """Of one gate."""

    __slots__ = (
        "_core",
        "_counts",
        "_name",
        "_quiet_until",
        "_random",
        "_reported",
        "_reporter",
    )

    def __init__(self, counts: Counts, reporter: Reporter, *, name: str, rng: Random) -> None:
        self._counts = counts
        self._core = counts.core
        self._reporter = reporter
        self._name = name
        self._random = rng.random
        self._quiet_until = dict.fromkeys(RejectReason, -math.inf)
        self._reported = dict.fromkeys(RejectReason, 0)

    def note(self, reason: RejectReason, now: float) -> None:
        """Count a refusal, and write one record a second for each reason."""
        rejected = self._counts.rejected
        count = rejected[reason] = rejected[reason] + 1
        if now >= self._quiet_until[reason]:
            self._quiet_until[reason] = now + QUIET_SECONDS
            count -= self._reported[reason]
            self._reported[reason] = rejected[reason]
            core = self._core
            self._reporter.report(
                POOL_REJECTED, reason=reason, count=count, limit=core.limit, inflight=core.inflight
            )

    def error(self, reason: RejectReason, deadline: Deadline) -> PoolExhausted:
        """What a refused caller gets, who had until `deadline`."""
        core = self._core
        facts = (
            self._name,
            core.inflight,
            core.max_size,
            core.limit,
            core.waiting,
            core.rule.target_seconds,
            deadline,
        )
        # What `PoolExhausted(facts, reason=...)` would do, for a third of the price.
        error = PoolExhausted.__new__(PoolExhausted, facts)
        error.reason = reason
        error.retry_after_seconds = None if reason is RejectReason.CLOSED else self._retry_after_seconds()
        return error

    def nested(self, task: asyncio.Task[object] | None) -> NestedAcquire:
        """What `task` gets, which holds a permit already."""
        return NestedAcquire(
            f"this task holds a permit of pool {self._name!r} already, taken at {self._counts.holders.first_of(task)}, and no "
            "other may be had now: use that connection for both, or take both before either is needed",
            reason=RejectReason.NESTED,
            retry_after_seconds=self._retry_after_seconds(),
        )

    def _retry_after_seconds(self) -> float:
        return self._core.rule.retry_after_seconds * (0.5 + self._random())
