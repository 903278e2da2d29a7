"""What a window in memory costs: a look at it beside the digest that it needs, and its bytes beside those of other ways.

python -m benchmarks.dedup.window [--entries N] [--rounds N]

A check is asking for an id that is not known and marking it, which is what each new event costs, in batches of 1,000 as they
come. Bytes are the growth of a
process of its own by N ids of 36 characters, which is how ids of events come, by what the system says of it (RSS).
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import time
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cachetools import TTLCache

from benchmarks.program import command_line, conclude
from quickwins.dedup._core.window import Window
from quickwins.rig import Ratio, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection

BATCH = 1_000
KEY = bytes(range(16))
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def ids(count: int, start: int = 0) -> list[bytes]:
    """Ids as they come: 36 bytes each, all different."""
    return [b"%036d" % number for number in range(start, start + count)]


def a_check(count: int, rounds: int) -> tuple[Ratio, Ratio]:
    """How many digests a look costs, and a look with a mark."""
    looks, checks = [], []
    for number in range(rounds):
        made, fresh = Window(3_600, 4 * count, now=0.0), ids(count, number * count)
        digested = _seconds(_digest, fresh)
        looked = _seconds(partial(_look, made), fresh)
        marked = _seconds(partial(_mark, made), fresh)
        looks.append(looked / digested)
        checks.append((looked + marked) / digested)
    return Ratio.of("a look / a keyed BLAKE2b", looks), Ratio.of(
        "a look and a mark / a keyed BLAKE2b", checks
    )


def _look(made: Window, batch: Sequence[bytes]) -> None:
    made.have(_digest(batch), 0.0)


def _mark(made: Window, batch: Sequence[bytes]) -> None:
    made.mark(_digest(batch), 0.0)


def _digest(batch: Sequence[bytes]) -> list[bytes]:
    return [blake2b(one, digest_size=16, key=KEY).digest() for one in batch]


def _seconds(call: Callable[[Sequence[bytes]], object], each: Sequence[bytes]) -> float:
    gc.collect()
    began = time.perf_counter()
    for start in range(0, len(each), BATCH):
        call(each[start : start + BATCH])
    return time.perf_counter() - began


def window(count: int) -> Any:
    """Both generations full."""
    made = Window(3_600, count, now=0.0)
    for one in _each(count):
        _mark(made, [one])
    assert len(made) == count, len(made)
    return made


def a_dict(count: int) -> Any:
    """Ids with the time at which they came."""
    return {one: time.monotonic() for one in _each(count)}


def ttl_cache(count: int) -> Any:
    """`cachetools.TTLCache` of ids."""
    made: TTLCache[bytes, bool] = TTLCache(count, 3_600)
    for one in _each(count):
        made[one] = True
    return made


def digests(count: int) -> Any:
    """A set of digests of 16 bytes."""
    return {blake2b(one, digest_size=16, key=KEY).digest() for one in _each(count)}


def _each(count: int) -> Any:
    return (b"%036d" % number for number in range(count))


WAYS = {"window": window, "set of digests": digests, "dict": a_dict, "cachetools.TTLCache": ttl_cache}


def grown(name: str, count: int) -> float:
    """Bytes for each id, in a process of its own."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_grow, args=(name, count, theirs))
    process.start()
    found: float = ours.recv()
    process.join()
    return found


def _grow(name: str, count: int, answer: Connection) -> None:
    gc.collect()
    before = _resident()
    kept = WAYS[name](count)
    gc.collect()
    answer.send((_resident() - before) / count)
    del kept


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES


def main(argv: list[str] | None = None) -> int:
    """Measure, print, and say whether the targets were met."""
    parser = command_line("benchmarks.dedup.window", __doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=9)
    options: Any = parser.parse_args(argv)
    print(f"load of the machine before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
    look, check = a_check(50_000, options.rounds)
    print(f"{look.name}: {look.median:.2f} [{look.low:.2f}, {look.high:.2f}]")
    taken = {name: grown(name, options.entries) for name in WAYS}
    for name, count in taken.items():
        print(f"{name:22} {count:6.1f} bytes an id, of {options.entries:,}")
    bytes_each = taken["window"]
    size = Target(f"both generations full, {bytes_each:.1f} bytes an id ≤ 24", met=bytes_each <= 24)
    return conclude([check.at_most(4.5), size])


if __name__ == "__main__":
    sys.exit(main())
