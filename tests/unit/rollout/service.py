"""Flags of a service, and what its registry says of requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from quickwins.core.flags import Flags, FlagSettings, MemorySource
from quickwins.core.metrics import MetricsSettings

if TYPE_CHECKING:
    from quickwins.core.clock import Clock


class Feature(FlagSettings):
    """A feature that ramps."""


def flags_at(percent: float, registry: CollectorRegistry, *, clock: Clock | None = None) -> Flags:
    source = MemorySource({"service": "api", "feed": {"enabled": True, "percent": percent}})
    return Flags({"feed": Feature, "metrics": MetricsSettings}, [source], registry=registry, clock=clock)


def counted(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    """The requests by cohort and outcome that there were."""
    return {
        (sample.labels["cohort"], sample.labels["outcome"]): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "quickwins_requests_total" and sample.value
    }


def timed(registry: CollectorRegistry, cohort: str) -> float:
    value = registry.get_sample_value(
        "quickwins_request_seconds_count",
        {"service": "api", "name": "", "feature": "feed", "cohort": cohort},
    )
    assert value is not None
    return value
