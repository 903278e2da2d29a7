"""What every source promises, and how samples become a process's counters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from quickwins.core.flags.metrics import FLAG
from quickwins.rollout._core.facts import Process
from quickwins.rollout.metrics import REQUESTS, SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from quickwins.rollout._core.facts import Reading

STARTED, CPU, MEMORY = (
    "process_start_time_seconds",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
)
BUCKETS = f"{SECONDS.name}_bucket"


class FactSource(Protocol):
    """Where the counters of a feature's processes are."""

    async def read(self, feature: str, now: float) -> Reading:
        """Look once.

        Args:
            feature: Whose counters.
            now: In wall seconds.

        Returns:
            What could be read; what could not is named in it. It raises nothing.
        """
        ...


def process_of(
    samples: Iterable[tuple[str, Mapping[str, str], float]], feature: str, *, at: float
) -> Process:
    """One process's counters.

    Args:
        samples: Each with its name, labels and value.
        feature: Samples of other features are left out.
        at: When they were read.

    Raises:
        ValueError: A label is no number that has to be one.
    """
    counts: dict[tuple[str, str], float] = {}
    buckets: dict[str, dict[float, float]] = {}
    percents: list[float] = []
    own: dict[str, float] = {}
    for name, labels, value in samples:
        if name in {STARTED, CPU, MEMORY}:
            own[name] = value
        elif labels.get("feature") != feature:
            continue
        elif name == REQUESTS.name:
            key = labels.get("cohort", ""), labels.get("outcome", "")
            counts[key] = counts.get(key, 0.0) + value
        elif name == BUCKETS:
            cohort = buckets.setdefault(labels.get("cohort", ""), {})
            edge = float(labels["le"])
            cohort[edge] = cohort.get(edge, 0.0) + value
        elif name == FLAG.name:
            percents.append(value * 100)
    return Process(at, counts, buckets, tuple(percents), own.get(STARTED), own.get(CPU), own.get(MEMORY))
