"""What a line costs beside its peers': who logs, and the whole process.

The same records through each, with the same fields bound, all to /dev/null; what ours does besides is to redact, to bound, to
escape, to number and to count. The peers write a line where it is logged, ours in a thread. So there are two figures: CPU seconds
of the thread that logs, which is what a request waits for, and CPU seconds of the process, which is what the machine pays; for
these the writer is waited for, every 500 records. None may be dropped. Targets are about the dearer of the two. `unseen` has a
string in each record that never came before.

python -m benchmarks.logs.line [--rounds 150]
"""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, contextmanager
from itertools import count, cycle
from random import Random
from timeit import Timer
from typing import TYPE_CHECKING, Any

from benchmarks.logs import peers, records
from benchmarks.program import command_line, conclude
from quickwins.logs import Pipeline, Redaction, _logger, get_logger
from quickwins.rig import Comparison, Target, paired_ratios

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

BOUNDS = {"clean": 0.4, "nested": 1.3, "secret": 3.0}
DECLARED = 1.5
ROUNDS, WHOLE_ROUNDS = 150, 40
LEAST_ROUNDS = 23
"""An interval takes six rounds of the whole process, too."""
AT_ONCE = 500


def current() -> Pipeline:
    """The pipeline that is configured."""
    assert isinstance(_logger.current, Pipeline)
    return _logger.current


@contextmanager
def nothing_lost(configured: AbstractContextManager[Pipeline]) -> Iterator[None]:
    """A block in which every record of ours is written: a dropped one costs little."""
    with configured as pipeline:
        yield
        pipeline.sink.flush(10)
        dropped = sum(pipeline.sink.stats().dropped.values())
        assert not dropped, f"{dropped} records were dropped: the figures are of no use"


def each(kind: str, log: Callable[[dict[str, object]], object]) -> Callable[[], object]:
    """Log the next record of a kind."""
    following = cycle(records.made(kind)).__next__
    return lambda: log(following())


def compared(
    contenders: Mapping[str, Any], stopwatch: Callable[[], float], *, block_seconds: float, rounds: int
) -> Comparison:
    """Ratios to structlog's line by a stopwatch."""
    return paired_ratios(
        contenders,
        reference="structlog",
        rng=Random(1),
        rounds=rounds,
        block_seconds=block_seconds,
        stopwatch=stopwatch,
    )


def lines(rounds: int) -> list[Target]:  # noqa: C901 -- one contender after the other; until=never
    """Ours beside the peers, one kind of record after the other."""
    _, theirs = peers.structlogs()
    stdlib, loguru = peers.json_loggers(), peers.logurus()
    info = peers.ours()
    event = peers.EVENT

    calls = count(1)

    def with_ours(fields: dict[str, object]) -> None:
        info(event, **fields)
        if next(calls) % AT_ONCE == 0:
            current().sink.flush(10)

    def with_structlog(fields: dict[str, object]) -> None:
        theirs.info(event, **fields)

    def with_the_standard_library(fields: dict[str, object]) -> None:
        stdlib.info(event, extra={**peers.CONTEXT_FIELDS, "service": "feed", **fields})

    def with_loguru(fields: dict[str, object]) -> None:
        loguru.bind(**fields).info(event)

    made = []
    whole_rounds = rounds * WHOLE_ROUNDS // ROUNDS
    for kind in ("clean", "unseen", "nested", "secret"):
        contenders: dict[str, Any] = {
            "structlog": each(kind, with_structlog),
            "quickwins": each(kind, with_ours),
        }
        if kind == "clean":
            contenders |= {
                "python-json-logger": each(kind, with_the_standard_library),
                "loguru": each(kind, with_loguru),
            }
        with nothing_lost(peers.our_pipeline()):
            found = compared(contenders, time.thread_time, block_seconds=0.002, rounds=rounds)
            whole = compared(contenders, time.process_time, block_seconds=0.03, rounds=whole_rounds)
        both = {"structlog": contenders["structlog"], "quickwins": contenders["quickwins"]}
        with nothing_lost(peers.our_pipeline(Redaction.none())):
            bare = compared(both, time.process_time, block_seconds=0.03, rounds=whole_rounds)
        ratio, all_of_it = found.ratios["quickwins"], whole.ratios["quickwins"]
        share = 1 - bare.ratios["quickwins"].median / all_of_it.median
        print(f"\n{kind}: the thread that logs\n{found.table()}")
        print(f"{kind}: the process\n{whole.table()}")
        print(f"redaction's own share of what the process pays for our line: {share:.0%}")
        if kind in BOUNDS:
            made.append(max(ratio, all_of_it, key=lambda one: one.median).at_most(BOUNDS[kind]))
        if kind == "clean":
            for name, bound in (("python-json-logger", 0.2), ("loguru", 0.1)):
                share = max(
                    one.ratios["quickwins"].median / one.ratios[name].median for one in (found, whole)
                )
                made.append(Target(f"a clean line ≤ {bound} of {name}'s: {share:.3f}", met=share <= bound))
    return made


def declared(rounds: int) -> list[Target]:
    """A declared event with fields of the caller's own, which go under `attributes`, beside any other event with the same fields."""
    info, calls = peers.ours(), count(1)

    def ours(event: str) -> Callable[[dict[str, object]], None]:
        def log(fields: dict[str, object]) -> None:
            info(event, **fields)
            if next(calls) % AT_ONCE == 0:
                current().sink.flush(10)

        return log

    with nothing_lost(peers.our_pipeline()):
        found = paired_ratios(
            {
                "any event": each("clean", ours(peers.EVENT)),
                "a declared event": each("clean", ours("cache.access")),
            },
            reference="any event",
            rng=Random(2),
            rounds=rounds,
            block_seconds=0.002,
            stopwatch=time.thread_time,
        )
    print(f"\na declared event with fields of the caller's own: the thread that logs\n{found.table()}")
    return [found.ratios["a declared event"].at_most(DECLARED)]


def level_off(rounds: int) -> list[Target]:
    """A call below the level. The loop's own price is taken off: `timeit` does not pay a call for it."""
    proxy, bound = peers.structlogs()
    statement = 'log.debug("feed.served", hit=True, posts=3, policy="public")'
    with peers.our_pipeline():
        found = paired_ratios(
            {
                "structlog.get_logger()": Timer(statement, globals={"log": proxy}),
                "structlog, bound once more": Timer(statement, globals={"log": bound}),
                "quickwins.logs.get_logger()": Timer(statement, globals={"log": get_logger()}),
            },
            reference="structlog.get_logger()",
            rng=Random(3),
            rounds=rounds,
        )
    print(f"\na level that is off\n{found.table()}")
    share = (
        found.ratios["quickwins.logs.get_logger()"].median / found.ratios["structlog, bound once more"].median
    )
    print(f"beside structlog's logger bound once more, in each function that logs: {share:.2f}")
    return [found.ratios["quickwins.logs.get_logger()"].at_most(0.5)]


def main() -> int:
    """Measure, print, and say whether the targets were met."""
    parser = command_line("benchmarks.logs.line", __doc__)
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help=f"default: {ROUNDS}; {LEAST_ROUNDS} at least"
    )
    rounds = max(LEAST_ROUNDS, parser.parse_args().rounds)
    return conclude([*lines(rounds), *declared(rounds), *level_off(rounds)])


if __name__ == "__main__":
    sys.exit(main())
