"""A service in memory: a flag that is written, and traffic that follows it; and a store and a writer that die at a point."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from quickwins.core.audit import AuditLog
from quickwins.core.clock import FakeClock
from quickwins.core.errors import ConfigError
from quickwins.rollout import (
    Arm,
    FileStore,
    Held,
    Look,
    Plan,
    Process,
    Reading,
    Record,
    RolloutController,
    State,
    Store,
)
from tests.unit.rollout.ramps import BOUNDS, healthy


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Deaths:
    """Counts the points at which a process may die, and has it die at one of them."""

    at: int = -1
    passed: int = 0

    def point(self) -> None:
        self.passed += 1
        if self.passed - 1 == self.at:
            raise Killed


@dataclass
class Toy:
    """The flag of one service, its traffic, and everything that was written."""

    clock: FakeClock
    fields: dict[str, Any] = field(default_factory=dict)
    written: list[float] = field(default_factory=list)
    killed: int = 0
    breaks: bool = False
    canary: Any = healthy
    counts: dict[tuple[str, str], float] = field(default_factory=dict)
    buckets: dict[str, dict[float, float]] = field(default_factory=dict)

    @property
    def percent(self) -> float:
        if self.fields.get("killed") or not self.fields.get("enabled"):
            return 0.0
        ends: datetime | None = self.fields.get("expires_at")
        over = ends is not None and ends.timestamp() <= self.clock.wall()
        return float(self.fields["fallback_percent" if over else "percent"])

    def set(self, feature: str, /, **fields: object) -> None:
        if self.breaks:
            raise ConfigError(f"{feature} can't be written")
        self.fields.update(fields)
        self.written.append(float(str(fields["percent"])))

    def kill(self, feature: str) -> None:
        self.fields["killed"] = True
        self.killed += 1

    async def read(self, feature: str, now: float) -> Reading:
        on = round(20_000 * self.percent / 100)
        for cohort, arm in (("on", self.canary(on)), ("off", healthy(20_000 - on))):
            self._count(cohort, arm)
        buckets = {cohort: dict(edges) for cohort, edges in self.buckets.items()}
        return Reading({feature: Process(now, dict(self.counts), buckets, (self.percent,), 1.0)})

    def _count(self, cohort: str, arm: Arm) -> None:
        for outcome, more in (("ok", arm.requests - arm.errors), ("error", arm.errors)):
            self.counts[cohort, outcome] = self.counts.get((cohort, outcome), 0) + more
        edges = self.buckets.setdefault(cohort, {})
        total = 0
        for edge, count in zip((*BOUNDS, float("inf")), arm.slow, strict=True):
            total += count
            edges[edge] = edges.get(edge, 0) + total


class DyingStore:
    """A store whose user dies before or after something is put."""

    def __init__(self, store: Store, deaths: Deaths) -> None:
        self._store = store
        self._deaths = deaths

    @asynccontextmanager
    async def exclusive(self, feature: str) -> AsyncIterator[Held]:
        async with self._store.exclusive(feature) as held:
            yield _Dying(held, self._deaths)


class _Dying:
    def __init__(self, held: Held, deaths: Deaths) -> None:
        self._held = held
        self._deaths = deaths

    @property
    def record(self) -> Record | None:
        return self._held.record

    @property
    def others(self) -> dict[str, State]:
        return dict(self._held.others)

    async def put(self, record: Record) -> None:
        self._deaths.point()
        await self._held.put(record)
        self._deaths.point()


class DyingWriter:
    """A writer whose user dies before or after the flag is written."""

    def __init__(self, toy: Toy, deaths: Deaths) -> None:
        self._toy = toy
        self._deaths = deaths

    def set(self, feature: str, /, **fields: object) -> None:
        self._deaths.point()
        self._toy.set(feature, **fields)
        self._deaths.point()

    def kill(self, feature: str) -> None:
        self._toy.kill(feature)


class House:
    """Controllers of one ramp, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.toy = Toy(self.clock)
        self.store = FileStore(folder / "rollout.json")
        self.audit = AuditLog(folder / "audit.jsonl")

    def controller(
        self, holder: str = "a", *, deaths: Deaths | None = None, source: Any = None
    ) -> RolloutController:
        deaths = deaths or Deaths()
        return RolloutController(
            source or self.toy,
            DyingWriter(self.toy, deaths),
            DyingStore(self.store, deaths),
            clock=self.clock,
            feature="feed",
            audit=self.audit,
            holder=holder,
            registry=CollectorRegistry(),
        )

    async def ticks(
        self, controller: RolloutController, most: int = 100, *, until: float | None = None
    ) -> Look:
        """Look once a second until it is over, or until `until` is written."""
        for _ in range(most):
            look = await controller.tick()
            state = await controller.status()
            assert state is not None
            if not state.active or state.percent == until:
                break
            await self.clock.advance(1)
        return look

    @property
    def moves(self) -> list[float]:
        """What was written, without what was written again."""
        found: list[float] = []
        for percent in self.toy.written:
            if not found or found[-1] != percent:
                found.append(percent)
        return found


def plan(**more: Any) -> Plan:
    steps = [{"percent": percent, "min_requests": 1000} for percent in (10, 50, 100)]
    return Plan.model_validate({"steps": steps, "baseline_requests": 1000, "ttl": 30, **more})
