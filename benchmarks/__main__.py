"""Run the benchmarks: what `make bench` does.

Most run by themselves, since they measure a machine. Two kinds run beside each other, because that leaves what they say as it is:

- What computes in one process and says what it says by numbers of events, or by ratios of a round: as many at a time as
  there are processors, each on one of its own.
- What waits: paced loads of statements that sleep, which together take less than one processor, judged by bounds that are far
  above what a busy one adds.

Those are printed when they are over. Exits with 3 when a target is missed.

python -m benchmarks [--quick]
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.program import MISSED, command_line

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One program.

    Attributes:
        module: Below `benchmarks`, and what it is told.
        quick: What it is told besides where time is short: to measure the same fewer times, and only what a target is about.
    """

    module: str
    quick: str = ""

    def words(self, *, quick: bool) -> list[str]:
        """Its module, and its arguments."""
        return [*self.module.split(), *(self.quick.split() if quick else ())]


COMPUTING = (  # the longest first, so that they end at about the same time
    Benchmark("suppressions.audit", "--rounds 2"),
    Benchmark("rollout.simulate --rollouts 200", "--brief"),
    Benchmark("logs.redaction"),
    Benchmark("imports", "--rounds 5"),
    Benchmark("dedup.window"),
    Benchmark("query_cache.zipf"),
    Benchmark("flags.evaluation"),
    Benchmark("suppressions.bridge"),
    Benchmark("logs.redaction_quality"),
)
WAITING = (
    Benchmark("backpressure.learning", "--brief"),
    Benchmark("backpressure.shapes --only changing", "--brief"),
    Benchmark("backpressure.shapes --only retrying", "--brief"),
)
ALONE = (
    Benchmark("logs.line", "--rounds 60"),
    Benchmark("logs.stalled"),
    Benchmark("logs.request", "--turns 80 --brief"),
    Benchmark("indexes.feed", "--rounds 3 --seconds 2 --brief"),
    Benchmark("backpressure.cost"),
    Benchmark("backpressure.overload", "--rounds 2 --brief"),
    Benchmark("channels.cost"),
    Benchmark("channels.throughput", "--rounds 40 --brief"),
    Benchmark("query_cache.throughput", "--rounds 6 --seconds 0.5"),
    Benchmark("dedup.inbox"),
    Benchmark("dedup.throughput", "--rounds 6 --brief"),
)


def run(benchmark: Benchmark, *, quick: bool, kept: bool) -> int:
    """Run one, and return its exit code; what it says is printed at once, or `kept` until it is over."""
    words = benchmark.words(quick=quick)
    head = f"== benchmarks.{' '.join(words)}"
    if not kept:
        print(head, flush=True)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{words[0]}", *words[1:]],
        stdout=subprocess.PIPE if kept else None,
        stderr=subprocess.STDOUT if kept else None,
        text=True,
        check=False,
    )
    said = f"{head}\n{done.stdout}" if kept else ""
    print(f"{said}== {time.monotonic() - began:.0f} s", flush=True)
    return done.returncode


def beside(several: Sequence[Benchmark], places: Sequence[set[int]], *, quick: bool) -> list[int]:
    """Run `several`, as many at a time as there are `places`, each on the processors of one; their exit codes."""
    left = iter(places)

    def settle() -> None:
        place = next(left)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, place)  # of this thread, and of what it starts

    with ThreadPoolExecutor(len(places), initializer=settle) as pool:
        return list(pool.map(lambda one: run(one, quick=quick, kept=True), several))


def main() -> int:
    """Run all, and say whether one missed a target, or failed."""
    parser = command_line("benchmarks", __doc__)
    parser.add_argument(
        "--quick", action="store_true", help="measure the same in less time, only what is judged"
    )
    quick = parser.parse_args().quick
    processors = (
        os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {*range(os.cpu_count() or 1)}
    )
    codes = beside(COMPUTING, [{one} for one in processors], quick=quick)
    codes += beside(WAITING, [processors] * (len(WAITING) if len(processors) > 1 else 1), quick=quick)
    codes += [run(one, quick=quick, kept=False) for one in ALONE]
    return MISSED if any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())
