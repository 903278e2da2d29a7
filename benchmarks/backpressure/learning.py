"""What the adaptive gate learns on a real server: statements that get slower and recover, and statements behind one lock.

An embedded PostgreSQL, a pool of ten, three times as many arrivals as it can serve, clients that give up after a second.

- *Slower*: statements of 10 ms, then 50 ms, then 10 ms, that don't disturb each other. The best fixed limit is the whole
  pool in each phase; the mean limit, ten windows after each change, must be within a fifth of it.
- *One lock*: each statement holds the same advisory lock for 4 ms, so that more than one at a time get nothing more done,
  and only wait inside the database, holding a connection each. Compared with the queue gate on pools of other sizes.

python -m benchmarks.backpressure.learning [--brief]
"""

from __future__ import annotations

import asyncio
import statistics
import sys
from random import Random

import asyncpg
from prometheus_client import CollectorRegistry

from benchmarks.program import command_line, conclude, on_postgres
from quickwins.backpressure import Gate, GatedPool
from quickwins.backpressure._core.learner import BLOCK
from quickwins.rig import LoadReport, Outcome, Target, closed_loop, open_loop, poisson_arrivals

POOL_SIZE = 10
FIXED = (2, 4, 10)
TIMEOUT_SECONDS = 1.0
PHASE_SECONDS = {0.01: 8.0, 0.05: 16.0}
BRIEF_PHASE_SECONDS = {0.01: 4.0, 0.05: 13.0}
WINDOW_ROUNDS = 4 * BLOCK + 3
"""Rounds of service in one probe: four blocks, and three times waiting for those in flight."""
LOCKED = "SELECT pg_advisory_xact_lock(7), pg_sleep(0.004)"
LOCKED_SECONDS = 8.0
BRIEF_LOCKED_SECONDS = 4.0
"""Of the pools of a fixed size: they have nothing to learn."""
SAMPLE_SECONDS = 0.02


def gated(pool: asyncpg.Pool, gate: Gate) -> GatedPool:
    return GatedPool(pool, gate=gate, registry=CollectorRegistry())


async def overloaded(
    to: GatedPool, statement: str, seconds: float, rate: float, rng: Random
) -> tuple[LoadReport, list[tuple[float, int]]]:
    """The report, and the limit over time."""
    limits: list[tuple[float, int]] = []
    loop = asyncio.get_running_loop()
    started = loop.time()

    async def watch() -> None:
        while True:
            limits.append((loop.time() - started, to.stats().limit or POOL_SIZE))
            await asyncio.sleep(SAMPLE_SECONDS)

    watching = asyncio.ensure_future(watch())
    try:
        report = await open_loop(
            lambda _: to.execute(statement, timeout=TIMEOUT_SECONDS),
            poisson_arrivals(rate_per_second=rate, duration_seconds=seconds, rng=rng),
            timeout_seconds=TIMEOUT_SECONDS,
            duration_seconds=seconds,
        )
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return report, limits


async def slower(dsn: str, *, brief: bool) -> list[Target]:
    made = []
    rng = Random(1)
    async with asyncpg.create_pool(dsn, min_size=POOL_SIZE, max_size=POOL_SIZE) as pool:
        to = gated(pool, Gate.adaptive(target_seconds=0.1))
        print("statements  served/s  mean limit after ten windows  why")
        for service_seconds in (0.01, 0.05, 0.01):
            statement = f"SELECT pg_sleep({service_seconds})"
            capacity = POOL_SIZE / service_seconds
            seconds = (BRIEF_PHASE_SECONDS if brief else PHASE_SECONDS)[service_seconds]
            report, limits = await overloaded(to, statement, seconds, 3 * capacity, rng)
            settled = 10 * WINDOW_ROUNDS * service_seconds
            mean = statistics.fmean(limit for at, limit in limits if at >= settled)
            print(
                f"{service_seconds * 1e3:>7.0f} ms  {report.goodput_per_second:>8.0f}  {mean:>28.1f}  {to.stats().why}",
                flush=True,
            )
            claim = f"{service_seconds * 1e3:.0f} ms: mean limit within a fifth of {POOL_SIZE}: {mean:.1f}"
            made.append(Target(claim, met=mean >= 0.8 * POOL_SIZE))
    return made


async def one_lock(dsn: str, *, brief: bool) -> list[Target]:
    found: dict[str, tuple[float, float, float]] = {}
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as single:
        closed = await closed_loop([lambda: single.execute(LOCKED)], duration_seconds=1.0)
    rate = 3 * closed.per_second
    fixed_seconds = BRIEF_LOCKED_SECONDS if brief else LOCKED_SECONDS
    for name, size, gate, seconds in (
        *((f"queue, pool of {size}", size, Gate.queue(), fixed_seconds) for size in FIXED),
        ("adaptive, pool of 10", POOL_SIZE, Gate.adaptive(), LOCKED_SECONDS),
    ):
        async with asyncpg.create_pool(dsn, min_size=size, max_size=size) as pool:
            report, limits = await overloaded(gated(pool, gate), LOCKED, seconds, rate, Random(2))
            mean = statistics.fmean(limit for at, limit in limits if at >= seconds / 2)
            p99 = report.outcomes[Outcome.OK].p99_seconds or float("nan")
            found[name] = (report.goodput_per_second, p99, mean)
    print("\none lock                served/s  p99 of served  mean limit in the second half")
    for name, (goodput, p99, mean) in found.items():
        print(f"{name:<22}  {goodput:>8.0f}  {p99 * 1e3:>10.0f} ms  {mean:>10.1f}")
    best = max(goodput for name, (goodput, _, _) in found.items() if name.startswith("queue"))
    ours = found["adaptive, pool of 10"]
    return [
        Target(
            f"one lock: served over the best fixed size ≥ 0.9: {ours[0] / best:.2f}",
            met=ours[0] >= 0.9 * best,
        ),
        Target(
            f"one lock: the limit comes down, to half the pool or less: {ours[2]:.1f}",
            met=ours[2] <= POOL_SIZE / 2,
        ),
    ]


async def measured(dsn: str, *, brief: bool) -> list[Target]:
    return [*await slower(dsn, brief=brief), *await one_lock(dsn, brief=brief)]


def main() -> int:
    """Measure, print, and say whether the targets were met."""
    parser = command_line("benchmarks.backpressure.learning", __doc__)
    parser.add_argument(
        "--brief", action="store_true", help="measure as long as the learner takes, no longer"
    )
    options = parser.parse_args()
    return conclude(on_postgres(lambda dsn: measured(dsn, brief=options.brief)))


if __name__ == "__main__":
    sys.exit(main())
