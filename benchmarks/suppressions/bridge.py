"""What the bridge adds to a warning, beside Python's own way with a filter that shows each.

The same warning from the same line: shown by Python (an `always` filter, stderr to /dev/null), and taken by the bridge, on,
with its metric; then the same by eight threads, to see that none is lost.

python -m benchmarks.suppressions.bridge
"""

from __future__ import annotations

import logging
import statistics
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from benchmarks.program import conclude
from quickwins.rig import Target
from quickwins.suppressions import bridge

if TYPE_CHECKING:
    from collections.abc import Callable

THREADS, EACH = 8, 20_000
BLOCKS, PER_BLOCK = 150, 1_000


def warn_often() -> None:
    for _ in range(EACH):
        warnings.warn("old", DeprecationWarning, stacklevel=1)


def hook_cost() -> Target:
    """The same loop under either hook, in short blocks by turns; setting a hook is not measured."""
    registry = CollectorRegistry()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        ways: dict[str, Callable[[], float]] = {
            "always": seconds_plain,
            "again": seconds_plain,
            "bridge": lambda: seconds_bridged(registry),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        rng = Random(1)
        for _ in range(BLOCKS):
            for name in rng.sample(sorted(ways), len(ways)):
                seconds[name].append(ways[name]())
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratios = [one / other for one, other in zip(seconds["bridge"], seconds["always"], strict=True)]
    ratio = medians["bridge"] / medians["always"]
    low, _, high = statistics.quantiles(ratios)
    print(f"a warning that an `always` filter shows: {medians['always'] / PER_BLOCK * 1e6:.2f} µs")
    print(f"the same again: {medians['again'] / medians['always']:.3f} times as long")
    print(f"through the bridge: {ratio:.2f} times as long, quartiles of the blocks {low:.2f} and {high:.2f}")
    return Target(f"a warning through the bridge ≤ 3 times an always filter: {ratio:.2f}", met=ratio <= 3)


def seconds_plain() -> float:
    started = time.perf_counter()
    for _ in range(PER_BLOCK):
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    return time.perf_counter() - started


def seconds_bridged(registry: CollectorRegistry) -> float:
    bridge.install(service="benchmark", registry=registry)
    try:
        return seconds_plain()
    finally:
        bridge.uninstall()


def all_counted() -> Target:
    registry = CollectorRegistry()
    bridge.install(service="benchmark", registry=registry)
    with ThreadPoolExecutor(THREADS) as threads:
        for _ in range(THREADS):
            threads.submit(warn_often)
    bridge.uninstall()
    labels = {
        "service": "benchmark", "name": "", "category": "DeprecationWarning", "origin": "first_party", "package": "",
    }  # fmt: skip
    share = (registry.get_sample_value("python_warnings_total", labels) or 0.0) / (THREADS * EACH)
    return Target(
        f"{THREADS} threads, {EACH:,} warnings each: counted ≥ 0.999: {share:.5f}", met=share >= 0.999
    )


def main() -> int:
    """Measure, print, and say whether the targets were met."""
    logging.getLogger("quickwins").setLevel(logging.ERROR)
    shown, sys.stderr = sys.stderr, Path("/dev/null").open("w", encoding="utf-8")  # noqa: SIM115 -- closed below; until=never
    try:
        targets = [hook_cost(), all_counted()]
    finally:
        sys.stderr.close()
        sys.stderr = shown
    return conclude(targets)


if __name__ == "__main__":
    sys.exit(main())
