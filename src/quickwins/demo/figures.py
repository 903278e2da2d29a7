"""Works out the figures from what was observed. No I/O, no clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.demo.calibration import CPU_SHARE_LIMIT
from quickwins.demo.result import Check, Figures, FlipResult, PhaseResult
from quickwins.demo.service.processes import BACKENDS
from quickwins.demo.watch import seen_after
from quickwins.rig import LatencySummary, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quickwins.demo.burst import Burst
    from quickwins.demo.cpu import CpuReading
    from quickwins.demo.load import Ending
    from quickwins.demo.phases import Phase
    from quickwins.demo.result import CacheResult, DuplicatesResult, IndexResult, OutageResult

FLIP_SEEN_LIMIT_SECONDS = 1.0
OUTAGE_RATIO_LIMIT = 0.5
FASTER_AT_LEAST = 5.0
WRITE_LIMIT_SECONDS = 1.0
SAVED_AT_LEAST = 0.3
"""What the query cache is to keep from the database, of the statements that resolvers send."""

COUNTED_OFF_AT_LEAST = 1.1
_BEFORE_FLIP_SECONDS = 1.0


def figures(
    endings: Sequence[Ending], *, start_seconds: float, end_seconds: float, capacity_per_second: float
) -> Figures:
    """The figures of one stretch. Offered requests count when they were due, everything else when it ended."""
    seconds = end_seconds - start_seconds
    offered = sum(start_seconds <= ending.due_seconds < end_seconds for ending in endings)
    latencies: dict[Outcome, list[float]] = {outcome: [] for outcome in Outcome}
    for ending in endings:
        if start_seconds <= ending.ended_seconds < end_seconds:
            latencies[ending.outcome].append(ending.latency_seconds)
    goodput = len(latencies[Outcome.OK]) / seconds
    return Figures(
        start_seconds=start_seconds,
        end_seconds=end_seconds,
        offered_per_second=offered / seconds,
        goodput_per_second=goodput,
        goodput_of_capacity=goodput / capacity_per_second,
        latency={outcome: LatencySummary.of(values) for outcome, values in latencies.items()},
    )


def phase_results(
    burst: Burst,
    phases: Sequence[Phase],
    *,
    phase_seconds: float,
    settling_seconds: float,
    capacity_per_second: float,
    core_count: int,
) -> list[PhaseResult]:
    """The figures of each phase of `burst`; `settling_seconds` must be shorter than `phase_seconds`."""
    results = []
    for number, phase in enumerate(phases):
        start, end = number * phase_seconds, (number + 1) * phase_seconds
        settled = start + settling_seconds
        stretch, used = _cpu_of(burst, number)
        utilization = [
            sample.utilization for sample in burst.samples if settled <= sample.at_seconds < end
        ] or [0.0]
        results.append(
            PhaseResult(
                name=phase.name,
                title=phase.title,
                description=phase.description,
                settling=figures(
                    burst.offered.endings,
                    start_seconds=start,
                    end_seconds=settled,
                    capacity_per_second=capacity_per_second,
                ),
                settled=figures(
                    burst.offered.endings,
                    start_seconds=settled,
                    end_seconds=end,
                    capacity_per_second=capacity_per_second,
                ),
                pool_utilization=sum(utilization) / len(utilization),
                cpu_share=used.total_seconds / stretch / core_count,
                cpu_cores={name: seconds / stretch for name, seconds in used.by_process.items()},
                machine_cpu_share=used.machine_seconds / stretch / core_count,
            )
        )
    return results


def flip_results(burst: Burst, *, settling_seconds: float) -> list[FlipResult]:
    """What each flip of `burst` did to the service."""
    return [
        FlipResult(
            feature=flip.feature,
            on=flip.on,
            at_seconds=flip.at_seconds,
            seen_after_seconds=seen_after(
                burst.samples, feature=flip.feature, on=flip.on, at_seconds=flip.at_seconds
            ),
            failed=sum(
                ending.outcome is Outcome.FAILED
                and -_BEFORE_FLIP_SECONDS <= ending.ended_seconds - flip.at_seconds <= settling_seconds
                for ending in burst.offered.endings
            ),
        )
        for flip in burst.flips
    ]


def checks(
    phases: Sequence[Phase],
    results: Sequence[PhaseResult],
    flips: Sequence[FlipResult],
    outage: OutageResult,
    indexes: IndexResult,
    duplicates: DuplicatesResult,
    cache: CacheResult,
) -> list[Check]:
    """The targets: of the phases, for the share of the machine, of the flips, of the outage, of the indexes, of counters, of the cache."""
    return [
        *_of_phases(phases, results),
        *_of_flips(flips),
        *_of_outage(outage),
        *_of_indexes(indexes),
        *_of_duplicates(duplicates),
        *_of_cache(cache),
    ]


def _of_phases(phases: Sequence[Phase], results: Sequence[PhaseResult]) -> list[Check]:
    found = []
    for phase, result in zip(phases, results, strict=True):
        goodput = result.settled.goodput_of_capacity
        name = f"{phase.title}: goodput by capacity"
        if phase.goodput_at_least is not None:
            low = phase.goodput_at_least
            found.append(Check(name, goodput, f"at least {low}", goodput >= low))
        if phase.goodput_at_most is not None:
            high = phase.goodput_at_most
            found.append(Check(name, goodput, f"at most {high}", goodput <= high))
    share = max(result.cpu_share for result in results)
    found.append(Check("Burst: share of the CPU", share, f"below {CPU_SHARE_LIMIT}", share < CPU_SHARE_LIMIT))
    return found


def _of_flips(flips: Sequence[FlipResult]) -> list[Check]:
    found = []
    for flip in flips:
        seen = flip.seen_after_seconds.values()
        slowest = max(seen) if len(seen) == len(BACKENDS) else float("inf")
        what = f"{flip.feature} turned {'on' if flip.on else 'off'}"
        found += [
            Check(
                f"{what}: seen by every backend after, s",
                slowest,
                f"at most {FLIP_SEEN_LIMIT_SECONDS}",
                slowest <= FLIP_SEEN_LIMIT_SECONDS,
            ),
            Check(f"{what}: requests failed around it", flip.failed, "0", flip.failed == 0),
        ]
    return found


def _of_outage(outage: OutageResult) -> list[Check]:
    one, several = outage.clients
    ratio = several.failed / max(one.failed, 1)
    return [
        Check(
            f"Outage: requests failed with {several.title}, by those with {one.title}",
            ratio,
            f"at most {OUTAGE_RATIO_LIMIT}",
            ratio <= OUTAGE_RATIO_LIMIT,
        )
    ]


def _of_indexes(indexes: IndexResult) -> list[Check]:
    slowest = indexes.write_building.max_seconds or 0.0
    return [
        Check(
            "Indexes: times faster, half of the feeds",
            indexes.faster,
            f"at least {FASTER_AT_LEAST:g}",
            indexes.faster >= FASTER_AT_LEAST,
        ),
        Check(
            "Indexes: longest write while they were built, s",
            slowest,
            f"below {WRITE_LIMIT_SECONDS:g}",
            slowest < WRITE_LIMIT_SECONDS,
        ),
        Check("Indexes: writes that failed", indexes.failed, "0", indexes.failed == 0),
    ]


def _of_duplicates(duplicates: DuplicatesResult) -> list[Check]:
    off, on = duplicates.projectors
    too_many = off.counted / duplicates.truth
    return [
        Check(
            f"Change events: likes counted with {off.title}, by those in truth",
            too_many,
            f"at least {COUNTED_OFF_AT_LEAST}",
            too_many >= COUNTED_OFF_AT_LEAST,
        ),
        Check(
            f"Change events: posts counted wrong with {on.title}", on.wrong_posts, "0", on.wrong_posts == 0
        ),
    ]


def _of_cache(cache: CacheResult) -> list[Check]:
    return [
        Check("Query cache: answers that were outdated", cache.outdated, "0", cache.outdated == 0),
        Check(
            "Query cache: share of the queries saved",
            cache.saved,
            f"at least {SAVED_AT_LEAST}",
            cache.saved >= SAVED_AT_LEAST,
        ),
    ]


def _cpu_of(burst: Burst, number: int) -> tuple[float, CpuReading]:
    """How long phase `number` lasted between the CPU readings at its ends, and what was used meanwhile."""
    (start, before), (end, after) = burst.cpu[number : number + 2]
    return end - start, after.since(before)
