"""A ramp driven look by look, with made-up facts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from quickwins.rollout import Arm, Decision, Facts, Plan, State, decide
from quickwins.rollout._core.state import begun, settled
from quickwins.rollout.metrics import SECONDS

BOUNDS = SECONDS.buckets or ()
USUAL, LATE = 40, 60  # buckets of 41 ms and of 277 ms


def plan_of(*percents: float, **more: Any) -> Plan:
    steps = [{"percent": percent, "min_requests": 1000} for percent in percents or (10, 50, 100)]
    return Plan.model_validate({"steps": steps, "baseline_requests": 1000, "interval": 1, **more})


def arm(requests: int, *, errors: int = 0, refused: int = 0, late: int = 0, usual: int = USUAL) -> Arm:
    """`requests` of which some failed, and some were late."""
    slow = [0] * (len(BOUNDS) + 1)
    slow[usual] = requests - refused - late
    slow[LATE] = late
    return Arm(requests, errors, refused, tuple(slow))


def healthy(requests: int) -> Arm:
    """Half a percent is late."""
    return arm(requests, late=requests // 200)


class Ramp:
    """A ramp at work."""

    def __init__(self, plan: Plan | None = None, *, now: float = 1e9) -> None:
        self.now = now
        self.state: State = settled(begun("feed", plan or plan_of(), now), now)
        self.last: Decision | None = None

    def look(
        self, on: Arm | None = None, off: Arm | None = None, *, after: float = 1.0, **facts: Any
    ) -> Decision:
        """One look; what it decides is written at once, and shown at the next one."""
        self.now += after
        seen = Facts(
            bounds=BOUNDS,
            on=on or Arm(),
            off=off or Arm(),
            seconds=after,
            percents=facts.pop("percents", (self.state.percent,)),
        )
        self.last = decide(self.state, replace(seen, **facts), self.now)
        self.state = settled(self.last.state, self.now)
        return self.last

    def normal(self, requests: int = 1000, **facts: Any) -> Decision:
        """One look at a service in which all is well, at its percentage."""
        on = round(requests * self.state.percent / 100)
        return self.look(healthy(on), healthy(requests - on), **facts)

    def at(self, percent: float) -> Ramp:
        """With all well up to the first look that counts at `percent`."""
        for _ in range(400):
            if self.state.percent == percent and self.state.confirmed and self.state.phase == "ramping":
                return self
            self.normal(2000)
        raise AssertionError(f"never at {percent}: {self.last}")
