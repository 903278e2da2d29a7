"""What the bridge adds to a warning, beside Python's own way with a filter that shows each.

The same warning from the same line: shown by Python (an `always` filter, stderr to /dev/null), and taken by the bridge, on,
with its metric; then the same by eight threads, to see that none is lost.

python -m benchmarks.suppressions.bridge
"""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from pathlib import Path
from random import Random

from prometheus_client import CollectorRegistry

from quickwins.rig import Target, exit_code, paired_ratios
from quickwins.suppressions import bridge

THREADS, EACH = 8, 20_000


def warn_often() -> None:
    for _ in range(EACH):
        warnings.warn("old", DeprecationWarning, stacklevel=1)


def hook_cost() -> Target:
    """One warning by each way; the filters are set once, the hooks exchanged around each block."""
    made = bridge.install(service="benchmark", registry=CollectorRegistry())
    hook = warnings.showwarning
    bridge.uninstall()
    always = list(warnings.filters)

    def bare() -> None:
        warnings.warn("old", DeprecationWarning, stacklevel=1)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        plain = warnings.showwarning
        bridge._current = made  # noqa: SLF001 -- on, without its filters: both ways run under the same ones; until=2027-12-31

        def bridged() -> None:
            warnings.showwarning = hook
            warnings.warn("old", DeprecationWarning, stacklevel=1)
            warnings.showwarning = plain

        found = paired_ratios(
            {"an always filter": bare, "the bridge": bridged}, reference="an always filter", rng=Random(1)
        )
        bridge._current = None  # noqa: SLF001 -- as above; until=2027-12-31
    assert list(warnings.filters) == always
    print(found.table())
    return found.ratios["the bridge"].at_most(3.0)


def all_counted() -> Target:
    registry = CollectorRegistry()
    bridge.install(service="benchmark", registry=registry)
    threads = [threading.Thread(target=warn_often) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
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
    shown, sys.stderr = sys.stderr, Path("/dev/null").open("w", encoding="utf-8")  # noqa: SIM115 -- closed below; until=2027-12-31
    try:
        targets = [hook_cost(), all_counted()]
    finally:
        sys.stderr.close()
        sys.stderr = shown
    for target in targets:
        print(target)
    return exit_code(targets)


if __name__ == "__main__":
    sys.exit(main())
