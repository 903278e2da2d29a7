"""A gate's refusals: counted, reported once a second for each reason, and put into an error."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING

from quickwins.backpressure.errors import NestedAcquire, exhausted
from quickwins.backpressure.rule import CLOSED, RejectReason
from quickwins.core.edge import known
from quickwins.core.events import POOL_REJECTED, QUIET_SECONDS, Reporter, Seldom

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from quickwins.backpressure._core.gate import GateCore
    from quickwins.backpressure._counts import Counts
    from quickwins.backpressure.errors import PoolExhausted
    from quickwins.core.clock import Deadline


class Refusals:
    """Of one gate.

    Attributes:
        note: Counts a refusal, by its reason and the time, and writes one record a second for each reason.
    """

    __slots__ = ("_core", "_counts", "_name", "_now", "_random", "_seldom", "_timer", "note")

    def __init__(
        self, counts: Counts, reporter: Reporter, *, name: str, now: Callable[[], float], rng: Random
    ) -> None:
        self._counts = counts
        self._core = counts.core
        self._name = name
        self._now = now
        self._random = rng.random
        self._timer: asyncio.TimerHandle | None = None
        self._seldom = Seldom(counts.rejected, partial(_report, reporter, counts.core), self._report_later)
        self.note = self._seldom.note

    def _report_later(self) -> None:
        """Have the last refusals of a burst reported too, and in nobody's trace."""
        with suppress(RuntimeError):  # no loop runs: `report_rest` is called at the end
            self._timer = asyncio.get_running_loop().call_later(
                QUIET_SECONDS, self.report_rest, context=Context()
            )

    def report_rest(self) -> None:
        """Report what has not been reported yet."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self._seldom.rest(self._now())

    def forget_parent(self) -> None:
        """In a fork's child: what is not reported yet is its parent's to report, and so is the timer."""
        self._timer = None
        self._seldom.forget()

    def error(self, reason: RejectReason, deadline: Deadline) -> PoolExhausted:
        """The error of a refused caller that had until `deadline`."""
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
        retry_after_seconds = None if reason is CLOSED else self._retry_after_seconds()
        return known(exhausted(facts, reason, retry_after_seconds))

    def nested(self, task: asyncio.Task[object] | None) -> PoolExhausted:
        """The error of a `task` that holds a permit already."""
        error = NestedAcquire(
            f"this task holds a permit of pool {self._name!r} already, taken at {self._counts.holders.first_of(task)}, and no "
            "other may be had now: use that connection for both, or take both before either is needed",
            reason=RejectReason.NESTED,
            retry_after_seconds=self._retry_after_seconds(),
        )
        return known(error)

    def _retry_after_seconds(self) -> float:
        return self._core.rule.retry_after_seconds * (0.5 + self._random())


def _report(reporter: Reporter, core: GateCore, reason: RejectReason, count: int) -> None:
    reporter.report(POOL_REJECTED, reason=reason, count=count, limit=core.limit, inflight=core.inflight)
