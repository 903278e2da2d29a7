"""The series of one runner, kept up to date while it works."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.metrics import Metrics
from quickwins.indexes.metrics import INVALID, LOCKERS, PHASE, RATIO, STATE

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from quickwins.indexes._core.summary import Gathered

_STATES = {"not applied": 0, "applied": 1, "running": 2, "failed": 3}


class Gauges:
    """Set, never counted: each says how things are now."""

    def __init__(self, *, service: str, name: str, registry: CollectorRegistry | None) -> None:
        self._metrics = Metrics(registry=registry, service=service, name=name)
        self._phase = ""

    def moved(self, *, phase: str, ratio: float, lockers: int) -> None:
        """How far the running build is."""
        if phase != self._phase:
            if self._phase:
                self._metrics.gauge(PHASE, phase=self._phase).set(0)
            if phase:
                self._metrics.gauge(PHASE, phase=phase).set(1)
            self._phase = phase
        self._metrics.gauge(RATIO).set(ratio)
        self._metrics.gauge(LOCKERS).set(lockers)

    def looked(self, facts: Gathered) -> None:
        """How many indexes of the tables are INVALID; that of a partitioned table waits for its partitions."""
        tables = {target.table.oid: target.table for target in facts.targets if target.table is not None}
        indexes = [index for table in tables.values() for index in table.indexes if not index.partitioned]
        self._metrics.gauge(INVALID).set(sum(not (one.valid and one.live) for one in indexes))

    def state(self, migration: str, state: str) -> None:
        """What has become of a migration."""
        self._metrics.gauge(STATE, migration=migration).set(_STATES[state])
