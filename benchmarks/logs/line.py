"""What a line costs beside its peers', as ratios of CPU seconds of the whole process, our writer's thread included.

The same records through each, with the same fields bound, all to /dev/null; what ours does besides is to redact, to bound, to
escape, to number and to count. `unseen` has a string in each record that never came before.

python -m benchmarks.logs.line
"""

from __future__ import annotations

import sys
import time
from itertools import cycle
from random import Random
from typing import TYPE_CHECKING, Any

from benchmarks.logs import peers, records
from quickwins.logs import Redaction
from quickwins.rig import Target, exit_code, paired_ratios

if TYPE_CHECKING:
    from collections.abc import Callable

BOUNDS = {"clean": 0.4, "nested": 1.3, "secret": 4.5}
ROUNDS = 150


def each(kind: str, log: Callable[[dict[str, object]], object]) -> Callable[[], object]:
    """Log the next record of a kind."""
    following = cycle(records.made(kind)).__next__
    return lambda: log(following())


def lines() -> list[Target]:
    """Ours beside the peers, one kind of record after the other."""
    _, theirs = peers.structlogs()
    stdlib, loguru = peers.json_loggers(), peers.logurus()
    info, _ = peers.ours()
    event = peers.EVENT

    def with_ours(fields: dict[str, object]) -> None:
        info(event, **fields)

    def with_structlog(fields: dict[str, object]) -> None:
        theirs.info(event, **fields)

    def with_the_standard_library(fields: dict[str, object]) -> None:
        stdlib.info(event, extra={**peers.CONTEXT_FIELDS, "service": "feed", **fields})

    def with_loguru(fields: dict[str, object]) -> None:
        loguru.bind(**fields).info(event)

    made = []
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
        with peers.our_pipeline():
            found = paired_ratios(
                contenders, reference="structlog", rng=Random(1), rounds=ROUNDS, stopwatch=time.process_time
            )
        with peers.our_pipeline(Redaction.none()):
            bare = paired_ratios(
                {"structlog": contenders["structlog"], "without redaction": contenders["quickwins"]},
                reference="structlog",
                rng=Random(2),
                rounds=ROUNDS,
                stopwatch=time.process_time,
            )
        ratio, without = found.ratios["quickwins"], bare.ratios["without redaction"]
        print(f"\n{kind}\n{found.table()}")
        print(f"redaction's own share of our line: {1 - without.median / ratio.median:.0%}")
        if kind in BOUNDS:
            made.append(ratio.at_most(BOUNDS[kind]))
        if kind == "clean":
            for name, bound in (("python-json-logger", 0.2), ("loguru", 0.1)):
                share = ratio.median / found.ratios[name].median
                made.append(Target(f"a clean line ≤ {bound} of {name}'s: {share:.3f}", met=share <= bound))
    return made


def level_off() -> list[Target]:
    """A call below the level. The loop's own price is taken off: `timeit` does not pay a call for it."""
    from timeit import Timer

    proxy, bound = peers.structlogs()
    _, debug = peers.ours()
    del debug
    from quickwins.logs import get_logger

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
            rounds=ROUNDS,
        )
    print(f"\na level that is off\n{found.table()}")
    share = (
        found.ratios["quickwins.logs.get_logger()"].median / found.ratios["structlog, bound once more"].median
    )
    print(f"beside structlog's logger bound once more, in each function that logs: {share:.2f}")
    return [found.ratios["quickwins.logs.get_logger()"].at_most(0.5)]


def main() -> int:
    """Measure, print, and say whether the targets were met."""
    made = [*lines(), *level_off()]
    print()
    for target in made:
        print(target)
    return exit_code(made)


if __name__ == "__main__":
    sys.exit(main())
