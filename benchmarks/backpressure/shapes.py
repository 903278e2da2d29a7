"""Loads that change: a step, a ramp, a spike, a square wave, statements of two lengths, and clients that retry.

An embedded PostgreSQL, a pool of ten, arrivals at random with a rate that follows the shape, the same for the bare pool
and for the queue gate, one after the other in shuffled order. Rates are multiples of what closed-loop workers reach on the
bare pool at the start. The last shape is the one that does not end by itself: each client tries four times, and gives each
try a second, so that a burst of two seconds leaves a bare pool with nothing but work that nobody waits for any more.

python -m benchmarks.backpressure.shapes [--brief] [--only changing|retrying]
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from benchmarks.backpressure.contenders import (
    BARE,
    LONG_QUEUE,
    POOL_SIZE,
    QUEUE,
    Contender,
    contenders,
    outcome,
)
from benchmarks.program import add_brief, command_line, conclude, on_postgres
from quickwins.backpressure import PoolExhausted
from quickwins.rig import LoadReport, Outcome, Target, closed_loop, open_loop

SERVICE_SECONDS = 0.02
STATEMENT = f"SELECT pg_sleep({SERVICE_SECONDS})"
TIMEOUT_SECONDS = 1.0
TARGET_SECONDS = 0.05
INTERVAL_SECONDS = 0.5
TRIES = 4
CAPACITY_SECONDS = 1.0
SETTLE_SECONDS = 0.5
BURST_ENDS, CALM_SECONDS = 4.0, 10.0

Rate = Callable[[float], float]
Call = Callable[[int], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Shape:
    """A load over time.

    Attributes:
        name: For the table.
        seconds: How long.
        rate: Arrivals by the time, in multiples of capacity.
        peak: The most that `rate` says.
        names: Who is tried.
        judged: Those of them that a target is about.
    """

    name: str
    seconds: float
    rate: Rate
    peak: float
    names: tuple[str, ...] = (BARE, QUEUE)
    judged: tuple[str, ...] = (QUEUE,)


STEP = Shape("step: 0.5, then 2, then 0.5", 6.0, lambda t: 2.0 if 2 <= t < 4 else 0.5, 2.0)
RAMP = Shape("ramp: 0.2 to 2.5", 5.0, lambda t: 0.2 + 2.3 * t / 5, 2.5)
SPIKE = Shape(
    "spike: 0.6, with 1.5 for 200 ms",
    4.0,
    lambda t: 1.5 if 1.0 <= t < 1.2 else 0.6,
    1.5,
    (BARE, QUEUE, LONG_QUEUE),
    (LONG_QUEUE,),
)
SQUARE = Shape("square wave: 0.3 and 2, half a second each", 6.0, lambda t: 2.0 if t % 1 >= 0.5 else 0.3, 2.0)
RETRIES = Shape(
    "retrying clients: 0.7, with 3 for 2 s",
    BURST_ENDS + 2 * INTERVAL_SECONDS + CALM_SECONDS,
    lambda t: 3.0 if BURST_ENDS - 2 <= t < BURST_ENDS else 0.7,
    3.0,
    judged=(BARE, QUEUE),
)
BIMODAL = Shape("2 ms, and 2 s for one in a hundred: 1.5", 6.0, lambda _: 1.5, 1.5, judged=(BARE, QUEUE))


def arrivals_of(shape: Shape, capacity: float, rng: Random) -> list[float]:
    """Poisson arrivals whose rate follows the shape, by thinning (Lewis and Shedler 1979)."""
    found: list[float] = []
    now = 0.0
    while True:
        now += rng.expovariate(shape.peak * capacity)
        if now >= shape.seconds:
            return found
        if rng.random() * shape.peak < shape.rate(now):
            found.append(now)


def once(contender: Contender) -> Call:
    return lambda _: contender.call(STATEMENT)


def retrying(contender: Contender) -> Call:
    """Tries again at once, as clients do that were written in a hurry."""

    async def call(_: int) -> object:
        for _ in range(TRIES - 1):
            try:
                return await asyncio.wait_for(contender.call(STATEMENT), TIMEOUT_SECONDS)
            except (TimeoutError, PoolExhausted):
                pass
        return await asyncio.wait_for(contender.call(STATEMENT), TIMEOUT_SECONDS)

    return call


def of_two_lengths(contender: Contender) -> Call:
    rng = Random(3)
    lengths = [2.0 if rng.random() < 0.01 else 0.002 for _ in range(100_000)]
    return lambda index: contender.call(f"SELECT pg_sleep({lengths[index]})")


async def capacity_of(call: Call) -> float:
    closed = await closed_loop([lambda: call(0)] * POOL_SIZE, duration_seconds=CAPACITY_SECONDS)
    return closed.per_second


def row(name: str, report: LoadReport) -> str:
    counts = {kind: latencies.count for kind, latencies in report.outcomes.items()}
    p99 = report.outcomes[Outcome.OK].p99_seconds or float("nan")
    late = "  the generator was late" if report.generator_was_bottleneck else ""
    return (
        f"{name:<28} {counts[Outcome.OK] / report.offered:>8.1%} of {report.offered:>5}  {p99 * 1e3:>7.0f} ms  "
        f"{counts[Outcome.REJECTED]:>7}  {counts[Outcome.TIMED_OUT]:>9}{late}"
    )


@dataclass(slots=True)
class Trials:
    """Who is tried, and how.

    Attributes:
        everyone: By name.
        capacity: Statements a second of the bare pool.
        brief: Whether to try only those that a target is about.
        refused_late: Refusals of each, later than two intervals after the burst of the retrying clients.
    """

    everyone: dict[str, Contender]
    capacity: float
    brief: bool
    rng: Random = field(default_factory=lambda: Random(1))
    refused_late: dict[str, int] = field(default_factory=dict)

    async def of(
        self, shape: Shape, how: Callable[[Contender], Call], times: float, timeout_seconds: float
    ) -> dict[str, LoadReport]:
        """The reports of all that are tried in this shape, which are printed."""
        arrivals = arrivals_of(shape, times, self.rng)
        reports = {}
        names = shape.judged if self.brief else shape.names
        for name in self.rng.sample(names, len(names)):
            contender = self.everyone[name]
            watching = asyncio.ensure_future(refused_late(contender)) if shape is RETRIES else None
            reports[name] = await open_loop(
                how(contender),
                arrivals,
                timeout_seconds=timeout_seconds,
                duration_seconds=shape.seconds,
                classify=outcome,
            )
            if watching is not None:
                self.refused_late[name] = await watching
            await asyncio.sleep(SETTLE_SECONDS)
        print(f"\n{shape.name}\n{'':<28} answered in time  p99 of them  refused  timed out")
        for name in names:
            print(row(name, reports[name]), flush=True)
        return reports


async def refused_late(contender: Contender) -> int:
    """Refusals, later than two intervals after the burst."""
    if contender.gated is None:
        return 0
    await asyncio.sleep(BURST_ENDS + 2 * INTERVAL_SECONDS)
    before = sum(contender.gated.stats().rejected.values())
    await asyncio.sleep(CALM_SECONDS)
    return sum(contender.gated.stats().rejected.values()) - before


async def changing(trials: Trials) -> list[Target]:
    """Loads that change."""
    made = []
    for shape in (STEP, RAMP, SQUARE):
        reports = await trials.of(shape, once, trials.capacity, TIMEOUT_SECONDS)
        p99 = reports[QUEUE].outcomes[Outcome.OK].p99_seconds or float("inf")
        bound = 2 * TARGET_SECONDS + SERVICE_SECONDS
        made.append(
            Target(
                f"{shape.name}: p99 of {QUEUE} ≤ {bound * 1e3:.0f} ms: {p99 * 1e3:.0f} ms", met=p99 <= bound
            )
        )

    reports = await trials.of(SPIKE, once, trials.capacity, TIMEOUT_SECONDS)
    report = reports[LONG_QUEUE]
    share = report.outcomes[Outcome.REJECTED].count / report.offered
    made.append(Target(f"{SPIKE.name}: {LONG_QUEUE} refuses ≤ 1 %: {share:.2%}", met=share <= 0.01))

    # By the mean of both lengths.
    times = trials.capacity * SERVICE_SECONDS / (0.99 * 0.002 + 0.01 * 2)
    reports = await trials.of(BIMODAL, of_two_lengths, times, 5.0)
    ours, bare = (reports[name].outcomes[Outcome.OK].count for name in (QUEUE, BARE))
    made.append(Target(f"{BIMODAL.name}: {QUEUE} over bare: {ours / bare:.2f} ≥ 0.5", met=ours >= 0.5 * bare))
    return made


async def retrying_clients(trials: Trials) -> list[Target]:
    """The load that does not end by itself."""
    reports = await trials.of(RETRIES, retrying, trials.capacity, TRIES * TIMEOUT_SECONDS + 1)
    back = BURST_ENDS + 2 * INTERVAL_SECONDS
    shares = {}
    for name, report in reports.items():
        after = [one for one in report.timeline if back <= one.start_seconds < report.duration_seconds]
        shares[name] = sum(one.ok for one in after) / sum(one.offered for one in after)
        print(f"{name}: {shares[name]:.1%} answered in the {CALM_SECONDS:g} s after two intervals")
    late = trials.refused_late[QUEUE]
    return [
        Target(
            f"{RETRIES.name}: {QUEUE} is back within two intervals: {shares[QUEUE]:.3f}",
            met=shares[QUEUE] >= 0.98,
        ),
        Target(f"{RETRIES.name}: {QUEUE} then refuses nothing for {CALM_SECONDS:g} s: {late}", met=late == 0),
        Target(f"{RETRIES.name}: the bare pool stays collapsed: {shares[BARE]:.3f}", met=shares[BARE] <= 0.9),
    ]


PARTS = {"changing": changing, "retrying": retrying_clients}


async def measured(dsn: str, *, brief: bool, parts: Sequence[str]) -> list[Target]:
    made: list[Target] = []
    async with contenders(dsn, timeout_seconds=TIMEOUT_SECONDS) as everyone:
        capacity = await capacity_of(once(everyone[BARE]))
        print(f"capacity: {capacity:.0f}/s")
        trials = Trials(everyone, capacity, brief)
        for part in parts:
            made += await PARTS[part](trials)
    return made


def main() -> int:
    """Measure, print, and say whether the targets were met."""
    parser = command_line("benchmarks.backpressure.shapes", __doc__)
    add_brief(parser)
    parser.add_argument("--only", choices=PARTS, help="loads that change, or clients that retry")
    options = parser.parse_args()
    parts = [options.only] if options.only else [*PARTS]
    return conclude(on_postgres(lambda dsn: measured(dsn, brief=options.brief, parts=parts)))


if __name__ == "__main__":
    sys.exit(main())
