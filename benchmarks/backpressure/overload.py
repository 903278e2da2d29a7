"""What a pool of ten gets done at three times its capacity: bare, behind a semaphore, and behind each gate.

An embedded PostgreSQL, statements of 20 ms, arrivals that wait for nobody, clients that give up after a second. Each
round first measures capacity by closed-loop workers, one for each connection of the bare pool, and then gives the same
arrivals to every contender in shuffled order. Goodput and the p99 of accepted requests are medians over the rounds.

python -m benchmarks.backpressure.overload
"""

from __future__ import annotations

import asyncio
import logging
import os
import statistics
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

import asyncpg
from prometheus_client import CollectorRegistry

from quickwins.backpressure import Gate, GatedPool
from quickwins.engines import PostgresServer
from quickwins.rig import LoadReport, Outcome, closed_loop, open_loop, poisson_arrivals

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

POOL_SIZE = 10
SERVICE_SECONDS = 0.02
TIMEOUT_SECONDS = 1.0
OVERLOAD = 3.0
LONG_LINE = 200
ROUNDS = 3
CAPACITY_SECONDS = 1.5
BLOCK_SECONDS = 4.0
SETTLE_SECONDS = 0.3
STATEMENT = f"SELECT pg_sleep({SERVICE_SECONDS})"


@dataclass(slots=True)
class Contender:
    """One way to share the pool, and how it fared in each round."""

    name: str
    call: Callable[[int], Awaitable[object]]
    goodput: list[float] = field(default_factory=list)
    p99_seconds: list[float] = field(default_factory=list)
    counts: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    late: int = 0

    def note(self, report: LoadReport, capacity: float) -> None:
        self.goodput.append(report.goodput_per_second / capacity)
        self.p99_seconds.append(report.outcomes[Outcome.OK].p99_seconds or float("nan"))
        for outcome, latencies in report.outcomes.items():
            self.counts[outcome] += latencies.count
        self.late += report.generator_was_bottleneck


@asynccontextmanager
async def contenders(dsn: str) -> AsyncIterator[list[Contender]]:
    async with asyncpg.create_pool(dsn, min_size=POOL_SIZE, max_size=POOL_SIZE) as pool:
        semaphore = asyncio.Semaphore(POOL_SIZE)

        def gated(gate: Gate) -> GatedPool:
            return GatedPool(pool, gate=gate, registry=CollectorRegistry())

        threshold, queue, long_queue = (
            gated(gate) for gate in (Gate.threshold(), Gate.queue(), Gate.queue(queue_size=LONG_LINE))
        )

        async def on_bare(_: int) -> object:
            return await pool.execute(STATEMENT)

        async def behind_a_semaphore(_: int) -> object:
            await asyncio.wait_for(semaphore.acquire(), TIMEOUT_SECONDS)
            try:
                return await pool.execute(STATEMENT)
            finally:
                semaphore.release()

        def behind(to: GatedPool) -> Callable[[int], Awaitable[Any]]:
            return lambda _: to.execute(STATEMENT, timeout=TIMEOUT_SECONDS)

        yield [
            Contender("bare pool", on_bare),
            Contender("semaphore + wait_for", behind_a_semaphore),
            Contender("threshold 0.85", behind(threshold)),
            Contender("queue", behind(queue)),
            Contender(f"queue, {LONG_LINE} may wait", behind(long_queue)),
        ]


async def measured(dsn: str) -> list[Contender]:
    rng = Random(1)
    async with contenders(dsn) as all_of_them:
        bare = all_of_them[0]
        print("round  capacity/s")
        for number in range(1, ROUNDS + 1):
            closed = await closed_loop([lambda: bare.call(0)] * POOL_SIZE, duration_seconds=CAPACITY_SECONDS)
            capacity = closed.per_second
            print(f"{number:>5}  {capacity:>10.0f}")
            arrivals = poisson_arrivals(
                rate_per_second=OVERLOAD * capacity, duration_seconds=BLOCK_SECONDS, rng=rng
            )
            for contender in rng.sample(all_of_them, len(all_of_them)):
                report = await open_loop(
                    contender.call, arrivals, timeout_seconds=TIMEOUT_SECONDS, duration_seconds=BLOCK_SECONDS
                )
                contender.note(report, capacity)
                await asyncio.sleep(SETTLE_SECONDS)  # what was cancelled is cleaned up by the pool
    return all_of_them


def main() -> int:
    """Measure and print."""
    logging.getLogger("quickwins").setLevel(logging.ERROR)  # refusals are what this is about
    print(f"load of the machine before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
    with PostgresServer.start() as server:
        found = asyncio.run(measured(server.url))
    print(
        f"\nat {OVERLOAD:g} times capacity, clients give up after {TIMEOUT_SECONDS:g} s, "
        f"{ROUNDS} rounds of {BLOCK_SECONDS:g} s"
    )
    print("contender             goodput/capacity       p99 of accepted  refused  timed out  failed")
    for one in found:
        print(
            f"{one.name:<20}  {statistics.median(one.goodput):.3f} "
            f"({min(one.goodput):.3f}-{max(one.goodput):.3f})  "
            f"{statistics.median(one.p99_seconds) * 1_000:>12.0f} ms  {one.counts[Outcome.REJECTED]:>7}  "
            f"{one.counts[Outcome.TIMED_OUT]:>9}  {one.counts[Outcome.FAILED]:>6}"
            + (f"  the generator was late in {one.late} rounds" if one.late else "")
        )
    print(f"load of the machine after: {os.getloadavg()[0]:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
