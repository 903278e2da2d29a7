"""The results of a load: outcomes, percentiles, goodput, and whether the generator itself kept up. No I/O, no clock."""

from __future__ import annotations

import dataclasses
import itertools
import math
from array import array
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from quickwins.core.errors import Rejected
from quickwins.rig.latency import LatencySummary

if TYPE_CHECKING:
    from collections.abc import Sequence

LATENESS_BOUND_SECONDS = 0.05
"""A generator whose p99 lateness is above this did not offer the load that it claims."""


class Outcome(StrEnum):
    """How a request ended, as its client sees it."""

    OK = "ok"
    REJECTED = "rejected"
    TIMED_OUT = "timed_out"
    FAILED = "failed"


def classify(answer: object) -> Outcome:
    """What an answer, or the exception raised instead, counts as by default.

    A `TimeoutError` counts as timed out, a `quickwins.core.errors.Rejected` as rejected, any other exception as failed,
    and whatever is returned as OK.
    """
    if not isinstance(answer, BaseException):
        return Outcome.OK
    if isinstance(answer, TimeoutError):
        return Outcome.TIMED_OUT
    return Outcome.REJECTED if isinstance(answer, Rejected) else Outcome.FAILED


@dataclass(slots=True)
class Observations:
    """What happened to each arrival, by its index: filled in by the load, read once by the report.

    Flat arrays, because a generator shares its machine with what it measures: recording takes a few stores.

    Attributes:
        outcomes: `None` until the request ends, and for ever if the generator never sent it.
        sent_at_seconds: When it was sent, from the start of the load; NaN if it never was.
        ended_at_seconds: When its answer came or its client gave up, from the start of the load.
    """

    outcomes: list[Outcome | None]
    sent_at_seconds: array[float]
    ended_at_seconds: array[float]

    @classmethod
    def of(cls, count: int) -> Observations:
        """Room for `count` arrivals of which nothing is known yet."""
        unknown = array("d", [math.nan])
        return cls([None] * count, unknown * count, unknown * count)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A time slice of the load, for plots: arrivals by when they were due, outcomes by when they became known.

    Attributes:
        start_seconds: When it begins, from the start of the load.
        offered: How many arrivals were due in it.
        ok: How many requests were answered in it.
        rejected: How many were rejected in it.
        timed_out: How many clients gave up in it.
        failed: How many requests failed in it.
    """

    start_seconds: float
    offered: int = 0
    ok: int = 0
    rejected: int = 0
    timed_out: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class LoadReport:
    """The result of an open-loop load.

    Latencies count from the *intended* arrival, not from when the generator got round to sending, so that a
    stall of either side shows in every request that was due during it (G. Tene, "How NOT to Measure Latency").

    Rates are over the load's duration, from its start to its last arrival (or the duration given). Requests that end
    later are in `outcomes`, the percentiles and the timeline, but not in the goodput: otherwise a queue that drains after
    the load would count as more than the service can do.

    Attributes:
        duration_seconds: How long requests arrived.
        timeout_seconds: When clients gave up, counted from sending.
        offered: How many arrivals there were, sent or not.
        shed_by_generator: Arrivals that were not sent because `max_inflight` requests were out; they have no outcome.
        offered_per_second: Arrivals divided by the duration.
        goodput_per_second: Requests that ended OK within the duration, divided by it.
        outcomes: Count and latencies of every outcome. The latency of a request that timed out is how long its client
            waited.
        generator_lateness: How long after the intended arrival requests were sent: how well the generator kept up. Event
            loops on Linux wake to the millisecond, so about one is normal.
        bucket_seconds: The width of a bucket of the timeline.
        timeline: The load in slices, from 0 to the last event without gaps.
    """

    duration_seconds: float
    timeout_seconds: float
    offered: int
    shed_by_generator: int
    offered_per_second: float
    goodput_per_second: float
    outcomes: dict[Outcome, LatencySummary]
    generator_lateness: LatencySummary
    bucket_seconds: float
    timeline: tuple[Bucket, ...] = field(repr=False)

    @property
    def generator_was_bottleneck(self) -> bool:
        """Whether the figures say more about the generator than about what it loaded.

        True if it shed an arrival, or its p99 lateness is above `LATENESS_BOUND_SECONDS`.
        """
        return (
            self.shed_by_generator > 0
            or (self.generator_lateness.p99_seconds or 0.0) > LATENESS_BOUND_SECONDS
        )

    def to_json(self) -> dict[str, Any]:
        """Everything as plain dicts, lists, numbers and `None`, with units in the names."""
        plain = dataclasses.asdict(self)
        plain["outcomes"] = {outcome.value: figures for outcome, figures in plain["outcomes"].items()}
        plain["timeline"] = list(plain["timeline"])
        plain["generator_was_bottleneck"] = self.generator_was_bottleneck
        return plain


def report_on(
    arrivals: Sequence[float],
    seen: Observations,
    *,
    duration_seconds: float,
    timeout_seconds: float,
    bucket_seconds: float,
) -> LoadReport:
    """Make a report of what happened to each arrival; every request that was sent must have ended."""
    latencies: dict[Outcome, list[float]] = {outcome: [] for outcome in Outcome}
    late: list[float] = []
    good = 0
    ends = (ended for ended in seen.ended_at_seconds if not math.isnan(ended))
    last = max(itertools.chain((duration_seconds,), arrivals, ends))
    counts = [dict.fromkeys(("offered", *Outcome), 0) for _ in range(int(last / bucket_seconds) + 1)]
    for index, due in enumerate(arrivals):
        counts[int(due / bucket_seconds)]["offered"] += 1
        outcome, ended = seen.outcomes[index], seen.ended_at_seconds[index]
        if outcome is None:
            continue
        latencies[outcome].append(ended - due)
        late.append(seen.sent_at_seconds[index] - due)
        counts[int(ended / bucket_seconds)][outcome] += 1
        good += outcome is Outcome.OK and ended <= duration_seconds
    return LoadReport(
        duration_seconds=duration_seconds,
        timeout_seconds=timeout_seconds,
        offered=len(arrivals),
        shed_by_generator=len(arrivals) - len(late),
        offered_per_second=len(arrivals) / duration_seconds,
        goodput_per_second=good / duration_seconds,
        outcomes={outcome: LatencySummary.of(values) for outcome, values in latencies.items()},
        generator_lateness=LatencySummary.of(late),
        bucket_seconds=bucket_seconds,
        timeline=tuple(Bucket(number * bucket_seconds, **slice_) for number, slice_ in enumerate(counts)),
    )
