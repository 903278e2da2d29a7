"""What a pool of ten gets done at 0.7, 3 and 10 times its capacity, behind our gates and behind what people use instead.

An embedded PostgreSQL, statements of 20 ms, arrivals that wait for nobody, clients that give up after a second. Each
round first measures capacity by closed-loop workers, one for each connection, on each driver's bare pool, and then gives
the same arrivals to every contender in shuffled order. Goodput is divided by the capacity of the contender's own driver;
it and the p99 of what was served are medians over the rounds, with the spread beside them.

python -m benchmarks.backpressure.overload [--rounds 3] [--seconds 3] [--brief]
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from benchmarks.backpressure.contenders import (
    ADAPTIVE,
    BARE,
    GATE_THRESHOLD,
    LONG_QUEUE,
    NAIVE,
    POOL_SIZE,
    PSYCOPG,
    PSYCOPG_QUEUE,
    QUEUE,
    SEMAPHORE,
    SQLALCHEMY,
    SQLALCHEMY_QUEUE,
    THRESHOLD_LIMIT,
    WITHOUT_LIMIT,
    contenders,
    outcome,
)
from benchmarks.program import add_brief, command_line, conclude, on_postgres
from quickwins.rig import LoadReport, Outcome, Target, closed_loop, open_loop, poisson_arrivals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SERVICE_SECONDS = 0.02
TIMEOUT_SECONDS = 1.0
TARGET_SECONDS = 0.05
CAPACITY_SECONDS = 1.0
SETTLE_SECONDS = 0.3
STATEMENT = f"SELECT pg_sleep({SERVICE_SECONDS})"

LOADS = {
    0.7: (BARE, NAIVE, PSYCOPG, GATE_THRESHOLD, QUEUE, ADAPTIVE),
    3.0: (
        BARE,
        SEMAPHORE,
        NAIVE,
        PSYCOPG,
        SQLALCHEMY,
        GATE_THRESHOLD,
        QUEUE,
        LONG_QUEUE,
        ADAPTIVE,
        SQLALCHEMY_QUEUE,
        PSYCOPG_QUEUE,
    ),
    10.0: (NAIVE, PSYCOPG, GATE_THRESHOLD, QUEUE, ADAPTIVE),
}
"""Times capacity, and who is tried there: those without a bound need no second look at ten times."""

JUDGED = {
    0.7: (BARE, QUEUE, ADAPTIVE),
    3.0: (
        BARE,
        SEMAPHORE,
        NAIVE,
        PSYCOPG,
        GATE_THRESHOLD,
        QUEUE,
        SQLALCHEMY_QUEUE,
        PSYCOPG_QUEUE,
    ),
    10.0: (QUEUE,),
}
"""Those that a target is about."""

FAR = (BARE, SEMAPHORE, NAIVE)
"""Peers that a target is about at three times, and that come nowhere near: `--brief` looks at them once there."""
BRIEF_SECONDS = 2.0
"""Of the loads above capacity, where only what is answered counts, with `--brief`; at 0.7 times the p99 takes its samples."""


@dataclass(slots=True)
class Fared:
    """How one contender fared under one load, a value for each round."""

    goodput: list[float] = field(default_factory=list)
    p99_seconds: list[float] = field(default_factory=list)
    counts: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    late: int = 0

    def note(self, report: LoadReport, capacity: float) -> None:
        self.goodput.append(report.goodput_per_second / capacity)
        self.p99_seconds.append(report.outcomes[Outcome.OK].p99_seconds or float("nan"))
        for kind, latencies in report.outcomes.items():
            self.counts[kind] += latencies.count
        self.late += report.generator_was_bottleneck

    @property
    def median(self) -> float:
        return statistics.median(self.goodput)

    @property
    def p99(self) -> float:
        return statistics.median(self.p99_seconds)

    def row(self, name: str) -> str:
        spread = f"({min(self.goodput):.3f}-{max(self.goodput):.3f})"
        late = f"  the generator was late in {self.late} rounds" if self.late else ""
        return (
            f"{name:<28} {self.median:.3f} {spread}  {self.p99 * 1_000:>8.0f} ms  "
            f"{self.counts[Outcome.REJECTED]:>7}  {self.counts[Outcome.TIMED_OUT]:>9}  {self.counts[Outcome.FAILED]:>6}{late}"
        )


async def measured(
    dsn: str,
    loads: Mapping[float, Sequence[str]],
    rounds: int,
    seconds_of: Mapping[float, float],
    *,
    brief: bool,
) -> dict[float, dict[str, Fared]]:
    rng = Random(1)
    found = {load: {name: Fared() for name in names} for load, names in loads.items()}
    async with contenders(dsn, timeout_seconds=TIMEOUT_SECONDS) as everyone:
        print("round  capacity/s of " + ", of ".join(WITHOUT_LIMIT))
        for number in range(1, rounds + 1):
            capacity = {}
            for name in WITHOUT_LIMIT:
                call = everyone[name].call
                closed = await closed_loop(
                    [lambda call=call: call(STATEMENT)] * POOL_SIZE,  # type: ignore[misc]  # -- a bound default; until=never
                    duration_seconds=CAPACITY_SECONDS,
                )
                capacity[name] = closed.per_second
            print(f"{number:>5}  " + "  ".join(f"{one:.0f}" for one in capacity.values()), flush=True)
            for load, all_names in loads.items():
                seconds = seconds_of[load]
                skipped = FAR if brief and load > 1 and number > 1 else ()
                names = [name for name in all_names if name not in skipped]
                arrivals = poisson_arrivals(
                    rate_per_second=load * capacity[BARE], duration_seconds=seconds, rng=rng
                )
                for name in rng.sample(names, len(names)):
                    contender = everyone[name]
                    report = await open_loop(
                        lambda _, run=contender.call: run(STATEMENT),  # type: ignore[misc]  # -- a bound default; until=never
                        arrivals,
                        timeout_seconds=TIMEOUT_SECONDS,
                        duration_seconds=seconds,
                        classify=outcome,
                    )
                    found[load][name].note(report, capacity[contender.driver])
                    await asyncio.sleep(SETTLE_SECONDS)  # what was cancelled is cleaned up by the pool
    return found


def targets(found: dict[float, dict[str, Fared]]) -> list[Target]:
    """What our gates promise."""
    calm, busy, flooded = found[0.7], found[3.0], found[10.0]
    made = []
    for name in (QUEUE, ADAPTIVE):
        goodput = calm[name].median / calm[BARE].median
        p99 = calm[name].p99 / calm[BARE].p99
        made += [
            Target(
                f"0.7x: goodput of {name} over the bare pool's ≥ 0.99: {goodput:.3f}", met=goodput >= 0.99
            ),
            Target(f"0.7x: p99 of {name} over the bare pool's ≤ 1.05: {p99:.3f}", met=p99 <= 1.05),
        ]
    queue = busy[QUEUE]
    bound = 2 * TARGET_SECONDS + SERVICE_SECONDS
    share = busy[GATE_THRESHOLD].median * POOL_SIZE / THRESHOLD_LIMIT
    made += [
        Target(f"3x: goodput of {QUEUE} ≥ 0.98: {queue.median:.3f}", met=queue.median >= 0.98),
        Target(
            f"3x: p99 of {QUEUE} ≤ {bound * 1e3:.0f} ms: {queue.p99 * 1e3:.0f} ms", met=queue.p99 <= bound
        ),
        Target(f"3x: goodput of {GATE_THRESHOLD} by its permits ≥ 0.95: {share:.3f}", met=share >= 0.95),
        Target(
            f"10x: goodput of {QUEUE} ≥ 0.94: {flooded[QUEUE].median:.3f}", met=flooded[QUEUE].median >= 0.94
        ),
    ]
    made += [
        Target(f"3x: goodput of {name} ≥ 0.98: {busy[name].median:.3f}", met=busy[name].median >= 0.98)
        for name in (SQLALCHEMY_QUEUE, PSYCOPG_QUEUE)
    ]
    for name in (BARE, SEMAPHORE, NAIVE, PSYCOPG):
        peer = busy[name]
        beyond = min(peer.goodput) > max(queue.goodput)
        made.append(
            Target(f"3x: {name} not above {QUEUE} beyond the spread: {peer.median:.3f}", met=not beyond)
        )
    return made


def main() -> int:
    """Measure, print, and say whether the targets were met."""
    parser = command_line("benchmarks.backpressure.overload", __doc__)
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each load; default: 3")
    add_brief(parser)
    options = parser.parse_args()
    loads = JUDGED if options.brief else LOADS
    seconds = {
        load: min(options.seconds, BRIEF_SECONDS) if options.brief and load > 1 else options.seconds
        for load in loads
    }
    found = on_postgres(lambda dsn: measured(dsn, loads, options.rounds, seconds, brief=options.brief))
    for load, fared in found.items():
        print(f"\n{load:g} times capacity, {options.rounds} rounds of {seconds[load]:g} s")
        print(f"{'':<28} goodput/capacity       p99 of served  refused  timed out  failed")
        for name, one in fared.items():
            print(one.row(name))
    print(f"\nload of the machine after: {os.getloadavg()[0]:.2f}")
    return conclude(targets(found))


if __name__ == "__main__":
    sys.exit(main())
