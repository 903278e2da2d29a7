"""Watches the running service from outside: the backends' metrics, as Prometheus would, and all CPU clocks."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quickwins.demo.client import HttpClient
    from quickwins.demo.cpu import CpuMeter, CpuReading

INTERVAL_SECONDS = 0.25
CLOSE_INTERVAL_SECONDS = 0.05
"""While waiting for a flag to be seen."""

_FLAG = "quickwins_flag"
_INFLIGHT = "db_pool_permits_inflight"
_UTILIZATION = "db_pool_utilization_ratio"
_REJECTED = "db_pool_exhausted_total"


@dataclass(frozen=True, slots=True)
class Sample:
    """One backend at one moment, as its `/metrics` showed it.

    Attributes:
        at_seconds: When the answer came, from the start of the burst.
        backend: Its name.
        utilization: The share of the pool's connections in use, 0 to 1.
        inflight: Connections in use.
        rejected: Refusals since the backend started.
        flags: The state of each flag, 1 on, 0 off.
    """

    at_seconds: float
    backend: str
    utilization: float
    inflight: int
    rejected: int
    flags: Mapping[str, float]


def read_sample(text: str, *, at_seconds: float, backend: str) -> Sample:
    """Pick what we watch out of metrics in Prometheus's text format."""
    flags: dict[str, float] = {}
    sums = dict.fromkeys((_INFLIGHT, _UTILIZATION, _REJECTED), 0.0)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == _FLAG:
                flags[sample.labels["feature"]] = sample.value
            elif sample.name in sums:
                sums[sample.name] += sample.value
    return Sample(
        at_seconds=at_seconds,
        backend=backend,
        utilization=sums[_UTILIZATION],
        inflight=int(sums[_INFLIGHT]),
        rejected=int(sums[_REJECTED]),
        flags=flags,
    )


@dataclass(slots=True)
class Watcher:
    """Collects samples until it is cancelled. Belongs to one event loop.

    Attributes:
        backends: A client for each backend's metrics port, by the backend's name.
        meter: For the CPU clocks.
        started: When the burst began, in seconds of the monotonic clock.
        samples: What the backends' metrics showed, in order.
        cpu: Readings of the CPU clocks, each with its seconds since the start.
    """

    backends: Mapping[str, HttpClient]
    meter: CpuMeter
    started: float
    samples: list[Sample] = field(default_factory=list)
    cpu: list[tuple[float, CpuReading]] = field(default_factory=list)
    _close_until: float = 0.0

    def now(self) -> float:
        """Seconds since the burst began."""
        return time.monotonic() - self.started

    def look_closely(self, seconds: float) -> None:
        """Sample more often for the next `seconds`."""
        self._close_until = self.now() + seconds

    def read_cpu(self) -> None:
        """Read the CPU clocks now."""
        self.cpu.append((self.now(), self.meter.read()))

    async def run(self) -> None:
        """Sample until cancelled."""
        due = self.now()
        while True:
            await asyncio.gather(*(self._scrape(name, client) for name, client in self.backends.items()))
            close = self.now() < self._close_until
            due = max(due + (CLOSE_INTERVAL_SECONDS if close else INTERVAL_SECONDS), self.now())
            await asyncio.sleep(due - self.now())

    async def _scrape(self, backend: str, client: HttpClient) -> None:
        answer = await client.request("GET", "/metrics")
        self.samples.append(read_sample(answer.body.decode(), at_seconds=self.now(), backend=backend))


def seen_after(
    samples: Sequence[Sample], *, feature: str, on: bool, at_seconds: float
) -> Mapping[str, float]:
    """How long after `at_seconds` each backend's metrics first showed a flag's new state.

    A backend that never did is missing.
    """
    seen: dict[str, float] = {}
    for sample in samples:
        if sample.at_seconds >= at_seconds and sample.flags.get(feature) == float(on):
            seen.setdefault(sample.backend, sample.at_seconds - at_seconds)
    return seen
