"""What a line costs who logs while its reader takes nothing: the p99 of a call, beside the same with a reader that reads.

Requests of some work and five lines, in short blocks, shuffled within each round: into a pipe that is read, into the same
kind again (A/A), into one whose reader is stopped while the queue fills, and into one whose queue is full, where INFO is
dropped. Each call is timed by itself, the clock included; a ratio is that of the p99 of two blocks of a round.

python -m benchmarks.logs.stalled [--rounds 60]
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass, field
from random import Random
from signal import SIGSTOP
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from hdrh.histogram import HdrHistogram
from prometheus_client import CollectorRegistry

from benchmarks.program import command_line, conclude
from quickwins.core.clock import SystemClock
from quickwins.logs import Redaction
from quickwins.logs._context import EMPTY
from quickwins.logs._levels import INFO
from quickwins.logs._pipeline import Pipeline
from quickwins.logs.sink import DropReason, Sink, SinkState
from quickwins.rig import Ratio, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REQUESTS, LINES = 200, 5
HIGHEST_NANOSECONDS = 10**10
BOUND = 2.0
READ, AGAIN, FILLING, FULL = "read", "read, again", "stalled, queue filling", "stalled, queue full"


def histogram() -> Any:
    return HdrHistogram(1, HIGHEST_NANOSECONDS, 3)


@dataclass(slots=True)
class Contender:
    """One pipe, and what a call of each block took."""

    sink: Sink
    call: Callable[[], object]
    p99s: list[float] = field(default_factory=list)
    all: Any = field(default_factory=histogram)


def work() -> None:
    seen: dict[int, int] = {}
    for number in range(1_500):
        seen[number & 63] = number


def block(contender: Contender) -> None:
    """Requests, and what each of their lines took."""
    call, took = contender.call, []
    for _ in range(REQUESTS):
        work()
        for _ in range(LINES):
            started = perf_counter_ns()
            call()
            took.append(perf_counter_ns() - started)
    of_block = histogram()
    for nanoseconds in took:
        of_block.record_value(min(nanoseconds, HIGHEST_NANOSECONDS))
    contender.all.add(of_block)
    contender.p99s.append(of_block.get_value_at_percentile(99.0))


@contextlib.contextmanager
def piped(*, reads: bool, max_bytes: int) -> Iterator[Contender]:
    read, write = os.pipe()
    reader = subprocess.Popen(["cat"], stdin=read, stdout=subprocess.DEVNULL)
    os.close(read)
    if not reads:
        reader.send_signal(SIGSTOP)
    sink = Sink.descriptor(write, max_bytes=max_bytes)
    sink.start()
    # Four of them at once, though only one could be the process's: a call goes to each directly.
    pipeline = Pipeline(
        service="feed",
        level="info",
        sink=sink,
        redaction=Redaction.strict(),
        sampling=None,
        flag=None,
        registry=CollectorRegistry(),
        clock=SystemClock(),
        strict=False,
    )
    context = EMPTY.with_({"correlation_id": "0af7651916cd43dd8448eb211c80319c", "tenant": "t1"})
    try:
        yield Contender(
            sink, lambda: pipeline.emit(INFO, "cache.access", {"cache": "feed", "hit": True}, context)
        )
    finally:
        sink.close(0)
        os.close(write)
        reader.kill()
        reader.wait()


def measured(rounds: int) -> dict[str, Contender]:
    rng = Random(1)
    with contextlib.ExitStack() as stack:
        pipes = {
            READ: stack.enter_context(piped(reads=True, max_bytes=8 << 20)),
            AGAIN: stack.enter_context(piped(reads=True, max_bytes=8 << 20)),
            FILLING: stack.enter_context(piped(reads=False, max_bytes=1 << 30)),
            FULL: stack.enter_context(piped(reads=False, max_bytes=256 << 10)),
        }
        for name in (FILLING, FULL):
            while pipes[name].sink.stats().state is not SinkState.STALLED:
                pipes[name].call()
        full = pipes[FULL].sink
        while not full.stats().dropped[DropReason.RESERVE]:
            pipes[FULL].call()
        for _ in range(rounds):
            for name in rng.sample(list(pipes), len(pipes)):
                block(pipes[name])
                if name in (READ, AGAIN):
                    pipes[name].sink.flush(10)  # so that its writer is not at work in the next one's block
        dropped = {name: sum(one.sink.stats().dropped.values()) for name, one in pipes.items()}
    print(f"dropped: {dropped}")
    return pipes


def main() -> int:
    """Measure, print, and say whether the targets were met."""
    parser = command_line("benchmarks.logs.stalled", __doc__)
    parser.add_argument("--rounds", type=int, default=60, help="default: 60")
    found = measured(parser.parse_args().rounds)
    print(
        f"{'nanoseconds a call':<24} {'p50':>8} {'p99':>8} {'p99.9':>8}   p99 over that of a reader that reads"
    )
    made: list[Target] = []
    for name, one in found.items():
        figures = "".join(f" {one.all.get_value_at_percentile(at):>8}" for at in (50.0, 99.0, 99.9))
        ratio = Ratio.of(
            f"p99, {name}", [mine / base for mine, base in zip(one.p99s, found[READ].p99s, strict=True)]
        )
        print(f"{name:<24}{figures}   {ratio.median:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]")
        if name in (FILLING, FULL):
            made.append(ratio.at_most(BOUND))
    return conclude(made)


if __name__ == "__main__":
    sys.exit(main())
