"""The counters of this very process, for a service that ramps itself, and for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.metrics import exposed_registry
from quickwins.rollout._core.facts import Reading
from quickwins.rollout.sources.reading import process_of

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class RegistrySource:
    """One registry. In multiprocess mode, all workers' files together."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Read `registry`; what `/metrics` shows when `None`."""
        self._registry = registry

    def __repr__(self) -> str:
        return "<RegistrySource>"

    async def read(self, feature: str, now: float) -> Reading:
        """See `FactSource`."""
        registry = exposed_registry() if self._registry is None else self._registry
        samples = (
            (one.name, one.labels, one.value) for family in registry.collect() for one in family.samples
        )
        return Reading({"here": process_of(samples, feature, at=now)})
