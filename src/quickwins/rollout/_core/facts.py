"""What is seen of a service: counters as they stand, and what came between two looks.

The rule: only what two looks at the same process have in common counts. A counter that went back, a process that wasn't there
before, or a value that is no number, is a problem that is told and no data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping  # noqa: TC003 -- pydantic reads it; until=never
from dataclasses import dataclass, field

from pydantic import TypeAdapter

ON, OFF = "on", "off"
NO_DATA_SECONDS = 15.0
"""A target that was not seen for as long has lost its heartbeat; a reading that is older is stale."""


@dataclass(frozen=True, slots=True)
class Arm:
    """The requests of one cohort between two looks.

    Attributes:
        requests: All of them, refusals too.
        errors: Errors and time-outs.
        refused: Refusals of policy.
        slow: How many fell into each bucket, the last one without a bound.
    """

    requests: int = 0
    errors: int = 0
    refused: int = 0
    slow: tuple[int, ...] = ()

    def above(self, index: int) -> int:
        """How many took longer than the bound at `index`."""
        return sum(self.slow[index + 1 :])

    @property
    def timed(self) -> int:
        """How many have a time."""
        return sum(self.slow)

    def __add__(self, other: Arm) -> Arm:
        slow = other.slow if not self.slow else self.slow if not other.slow else _sum(self.slow, other.slow)
        return Arm(
            self.requests + other.requests, self.errors + other.errors, self.refused + other.refused, slow
        )


def _sum(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))


@dataclass(frozen=True, slots=True)
class Process:
    """One process's counters as they stand.

    Attributes:
        at: When they were read, in wall seconds.
        counts: By cohort and outcome.
        buckets: By cohort: how many requests took at most as long as each bound, the last one infinity.
        percents: What its flags say; those of several workers, where one page shows all of them.
        started_at: When it started; `None`: it doesn't say.
        cpu_seconds: Of processor time, ever.
        memory_bytes: Resident now.
    """

    at: float
    counts: Mapping[tuple[str, str], float] = field(default_factory=dict)
    buckets: Mapping[str, Mapping[float, float]] = field(default_factory=dict)
    percents: tuple[float, ...] = ()
    started_at: float | None = None
    cpu_seconds: float | None = None
    memory_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at all processes.

    Attributes:
        processes: By name; those that answered.
        missing: Those that are known and did not answer.
        problems: What kept the look from being whole: each makes it no data.
    """

    processes: Mapping[str, Process] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What came between two looks.

    Attributes:
        bounds: Upper bounds of the buckets, without infinity.
        on: The canary.
        off: The control.
        seconds: How long that was.
        problems: Why it is not to be believed; empty: it is.
        restarts: Processes that have restarted.
        lost: Processes that have not been seen for too long.
        percents: What each process's flag says.
        cpu_seconds: Processor time of all processes in between; `None`: unknown.
        memory_bytes: Resident memory of the largest; `None`: unknown.
    """

    bounds: tuple[float, ...] = ()
    on: Arm = field(default_factory=Arm)
    off: Arm = field(default_factory=Arm)
    seconds: float = 0.0
    problems: tuple[str, ...] = ()
    restarts: int = 0
    lost: tuple[str, ...] = ()
    percents: tuple[float, ...] = ()
    cpu_seconds: float | None = None
    memory_bytes: float | None = None


FACTS = TypeAdapter(Facts)
"""Facts as JSON, and back. Made here, where the names in their annotations mean something."""


@dataclass(frozen=True, slots=True)
class Looks:
    """The last look at each process, which the next one is compared with.

    Attributes:
        last: Each process as it was last seen.
        since: When each was seen last.
        at: When the last look was; `None`: there was none.
    """

    last: Mapping[str, Process] = field(default_factory=dict)
    since: Mapping[str, float] = field(default_factory=dict)
    at: float | None = None

    def then(self, reading: Reading, now: float) -> tuple[Looks, Facts]:
        """The facts that `reading` at `now` adds, and what the next one is compared with."""
        problems = list(reading.problems)
        bounds: tuple[float, ...] = ()
        arms = {ON: Arm(), OFF: Arm()}
        restarts, cpu = 0, 0.0
        for name, process in reading.processes.items():
            before = self.last.get(name)
            if now - process.at > NO_DATA_SECONDS:
                problems.append(f"{name}: stale for {now - process.at:.0f} s")
                continue
            if before is None:
                if self.at is not None:
                    problems.append(f"{name}: is new")
                continue
            if (
                None not in (before.started_at, process.started_at)
                and before.started_at != process.started_at
            ):
                restarts += 1
                problems.append(f"{name}: has restarted")
                continue
            try:
                found, edges = _between(before, process)
            except ValueError as error:
                problems.append(f"{name}: {error}")
                continue
            if bounds and edges and edges != bounds:
                problems.append(f"{name}: its buckets are others")
                continue
            bounds = bounds or edges
            arms = {cohort: arms[cohort] + found[cohort] for cohort in arms}
            cpu += (process.cpu_seconds or 0.0) - (before.cpu_seconds or 0.0)
        absent = {one: self.since.get(one, now) for one in reading.missing}
        since = {**self.since, **dict.fromkeys(reading.processes, now), **absent}
        lost = tuple(sorted(name for name in reading.missing if now - since[name] > NO_DATA_SECONDS))
        problems += [f"{name}: no answer" for name in reading.missing]
        if not reading.processes and not reading.missing:
            problems.append("nobody answered")
        seen = reading.processes.values()
        facts = Facts(
            bounds=bounds,
            on=arms[ON],
            off=arms[OFF],
            seconds=0.0 if self.at is None else max(0.0, now - self.at),
            problems=tuple(problems),
            restarts=restarts,
            lost=lost,
            percents=tuple(percent for one in seen for percent in one.percents),
            cpu_seconds=cpu if seen and all(one.cpu_seconds is not None for one in seen) else None,
            memory_bytes=max(
                (one.memory_bytes for one in seen if one.memory_bytes is not None), default=None
            ),
        )
        return Looks({**self.last, **reading.processes}, since, now), facts


def _between(before: Process, after: Process) -> tuple[dict[str, Arm], tuple[float, ...]]:
    """What `after` has more than `before`, and the bounds of its buckets.

    Raises:
        ValueError: A counter went back, or is no number.
    """
    bounds: tuple[float, ...] = ()
    arms = {}
    for cohort in (ON, OFF):
        counts = {
            outcome: _more(
                before.counts.get((cohort, outcome), 0.0), after.counts.get((cohort, outcome), 0.0)
            )
            for outcome in ("ok", "error", "refused", "timeout")
        }
        edges = after.buckets.get(cohort, {})
        old = before.buckets.get(cohort, {})
        if old and edges and old.keys() != edges.keys():
            raise ValueError("its buckets have changed")
        totals = [_more(old.get(edge, 0.0), edges[edge]) for edge in sorted(edges)]
        if edges and max(edges) != math.inf:
            raise ValueError("its buckets have no end")
        slow = tuple(high - low for low, high in zip([0, *totals], totals, strict=False))
        if any(one < 0 for one in slow):
            raise ValueError("its buckets are not cumulative")
        arms[cohort] = Arm(sum(counts.values()), counts["error"] + counts["timeout"], counts["refused"], slow)
        bounds = bounds or tuple(sorted(edges))[:-1]
    return arms, bounds


def _more(before: float, after: float) -> int:
    if not (math.isfinite(before) and math.isfinite(after)):
        raise ValueError("a counter is no number")
    if after < before:
        raise ValueError("a counter went back")
    return round(after - before)
