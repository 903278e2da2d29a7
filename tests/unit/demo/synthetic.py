"""A burst that never happened, with figures that can be worked out by hand."""

from __future__ import annotations

from quickwins.demo.burst import Burst
from quickwins.demo.cpu import CpuReading
from quickwins.demo.figures import checks, flip_results, phase_results
from quickwins.demo.load import Ending, Offered
from quickwins.demo.phases import PHASES, Flip
from quickwins.demo.result import (
    CacheResult,
    DemoResult,
    DuplicatesResult,
    IndexResult,
    OutageClient,
    OutageResult,
    Projector,
    Setting,
)
from quickwins.demo.watch import Sample
from quickwins.rig import Bucket, LatencySummary, LoadReport, Outcome

PHASE_SECONDS = 10.0
SETTLING_SECONDS = 2.0
CAPACITY = 10.0
OUTAGE = OutageResult(
    2.5, 5.0, 10.0, (OutageClient("one channel", 50, 30), OutageClient("3 connections", 50, 3))
)

FEED = LatencySummary(100, 0.05, 0.06, 0.07, 0.08, 0.09)
INDEXED = LatencySummary(900, 0.001, 0.002, 0.003, 0.004, 0.005)
DUPLICATES = DuplicatesResult(
    1_282,
    282,
    1_000,
    2,
    (Projector("deduplication off", 1_282, 40, 3.0), Projector("deduplication on", 1_000, 0, 3.1)),
)
CACHE = CacheResult(1_500, 45, {"PUBLIC": 0.6, "USER_DATA": 0.5}, 1_455, 700, 0)
INDEXES = IndexResult(100_000, 1.5, FEED, INDEXED, INDEXED, INDEXED, 0)


def endings(*, protected: bool = True) -> list[Ending]:
    """Thirty requests a second: the baseline serves one of them, the protected phase eight of them."""
    found = []
    for number in range(int(30 * 2 * PHASE_SECONDS)):
        due = number / 30
        if due < PHASE_SECONDS or not protected:
            ok = number % 30 == 0
            found.append(Ending(due, due + (0.5 if ok else 1.0), Outcome.OK if ok else Outcome.TIMED_OUT))
        elif number % 30 < 8:
            found.append(Ending(due, due + 0.5, Outcome.OK))
        else:
            found.append(Ending(due, due + 0.002, Outcome.REJECTED))
    return found


def burst(*, failed_at: float | None = None, protected: bool = True, seen: bool = True) -> Burst:
    ended = endings(protected=protected)
    if failed_at is not None:
        ended.append(Ending(failed_at, failed_at, Outcome.FAILED))
    buckets = tuple(
        Bucket(number / 4, offered=8, ok=2, timed_out=6, failed=int(failed_at is not None))
        for number in range(90)
    )
    summary = LatencySummary.of([0.001])
    report = LoadReport(
        duration_seconds=20.0,
        timeout_seconds=1.0,
        offered=600,
        shed_by_generator=0,
        offered_per_second=30.0,
        goodput_per_second=4.5,
        outcomes=dict.fromkeys(Outcome, summary),
        generator_lateness=summary,
        bucket_seconds=0.25,
        timeline=buckets,
    )
    samples = [
        Sample(at / 2, name, 1.0 if at < 20 else 0.9, 9, 0, {"backpressure": float(at > 20 and seen)})
        for at in range(40)
        for name in ("backend1", "backend2", "backend3")
    ]
    cpu = [
        (at, CpuReading({"gateway": seconds, "postgres": seconds}, 3 * seconds))
        for at, seconds in ((0.0, 1.0), (10.0, 5.0), (20.0, 8.0))
    ]
    return Burst(Offered(report, ended), [Flip("backpressure", on=True, at_seconds=10.0)], samples, cpu)


def result(seen_burst: Burst | None = None, *, bottleneck: bool = False) -> DemoResult:
    seen_burst = burst() if seen_burst is None else seen_burst
    phases = phase_results(
        seen_burst,
        PHASES,
        phase_seconds=PHASE_SECONDS,
        settling_seconds=SETTLING_SECONDS,
        capacity_per_second=CAPACITY,
        core_count=2,
    )
    flips = flip_results(seen_burst, settling_seconds=SETTLING_SECONDS)
    return DemoResult(
        setting=Setting(
            rows=2_000,
            users=200,
            seed=1,
            command="quickwins demo --rows 2000 --seed 1",
            core_count=2,
            pool_size=10,
            service_seconds=0.5,
            timeout_seconds=1.0,
            settling_seconds=SETTLING_SECONDS,
            overload_factor=3.0,
            cpu_seconds_per_request=0.005,
            versions={"PostgreSQL": "18 <beta>"},
        ),
        capacity_per_second=CAPACITY,
        capacity_by_backend={"backend1": 4.0, "backend2": 3.0, "backend3": 3.0},
        phases=phases,
        flips=flips,
        outage=OUTAGE,
        indexes=INDEXES,
        duplicates=DUPLICATES,
        cache=CACHE,
        checks=checks(PHASES, phases, flips, OUTAGE, INDEXES, DUPLICATES, CACHE),
        generator_lateness_p99_seconds=0.002,
        generator_was_bottleneck=bottleneck,
        wall_seconds=42.0,
        timeline=seen_burst.offered.report.timeline,
        samples=seen_burst.samples,
    )
