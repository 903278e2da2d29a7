"""Load, measurements and faults, for demos, tests and benchmarks.

    arrivals = poisson_arrivals(rate_per_second=300, duration_seconds=5, rng=Random(1))
    report = await open_loop(lambda index: client.get("/feed"), arrivals, timeout_seconds=1.0)
    print(report.goodput_per_second, report.outcomes[Outcome.OK].p99_seconds)

Open-loop load with latencies free of coordinated omission, closed-loop capacity, paired ratios with confidence
intervals, a TCP proxy that breaks connections on demand, one address in front of several servers, and repeatable
schedules of signals. Percentiles need the
extra `rig`. No feature uses any of this at run time, so there is nothing to turn off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.rig.arrivals import ZipfKeys, poisson_arrivals, uniform_arrivals
    from quickwins.rig.balancer import TcpBalancer
    from quickwins.rig.latency import LatencySummary
    from quickwins.rig.load import Throughput, closed_loop, open_loop
    from quickwins.rig.loop import fine_loop
    from quickwins.rig.proxy import TcpProxy
    from quickwins.rig.ratio import Comparison, Ratio, Target, exit_code, paired_ratios, paired_ratios_async
    from quickwins.rig.report import Bucket, LoadReport, Outcome, classify
    from quickwins.rig.schedule import Action, SignalSchedule, Step
    from quickwins.rig.signals import SignalTarget, perform

__all__ = [
    "Action",
    "Bucket",
    "Comparison",
    "LatencySummary",
    "LoadReport",
    "Outcome",
    "Ratio",
    "SignalSchedule",
    "SignalTarget",
    "Step",
    "Target",
    "TcpBalancer",
    "TcpProxy",
    "Throughput",
    "ZipfKeys",
    "classify",
    "closed_loop",
    "exit_code",
    "fine_loop",
    "open_loop",
    "paired_ratios",
    "paired_ratios_async",
    "perform",
    "poisson_arrivals",
    "uniform_arrivals",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "Action": "schedule",
        "Bucket": "report",
        "Comparison": "ratio",
        "LatencySummary": "latency",
        "LoadReport": "report",
        "Outcome": "report",
        "Ratio": "ratio",
        "SignalSchedule": "schedule",
        "SignalTarget": "signals",
        "Step": "schedule",
        "Target": "ratio",
        "TcpBalancer": "balancer",
        "TcpProxy": "proxy",
        "Throughput": "load",
        "ZipfKeys": "arrivals",
        "classify": "report",
        "closed_loop": "load",
        "exit_code": "ratio",
        "fine_loop": "loop",
        "open_loop": "load",
        "paired_ratios": "ratio",
        "paired_ratios_async": "ratio",
        "perform": "signals",
        "poisson_arrivals": "arrivals",
        "uniform_arrivals": "arrivals",
    },
)
