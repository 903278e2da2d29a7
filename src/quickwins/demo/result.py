"""What a run shows: plain data, from the setting to the samples. `figures.py` works it out."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quickwins.demo.watch import Sample
    from quickwins.rig import Bucket, LatencySummary, Outcome


@dataclass(frozen=True, slots=True)
class Figures:
    """A stretch of the burst.

    Attributes:
        start_seconds: From the start of the burst.
        end_seconds: Likewise.
        offered_per_second: Requests due in it.
        goodput_per_second: Feeds delivered in it to clients that were still waiting.
        goodput_of_capacity: The same by the capacity: 1.0 is all that the bare pools can do.
        latency: By outcome, of the requests that ended in it: how many, and how long after they were due.
    """

    start_seconds: float
    end_seconds: float
    offered_per_second: float
    goodput_per_second: float
    goodput_of_capacity: float
    latency: Mapping[Outcome, LatencySummary]


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """One phase.

    Attributes:
        name: As in `phases.PHASES`.
        title: Likewise.
        description: Likewise.
        settling: Its first seconds: what the phase before left behind runs out, queues fill or drain.
        settled: The rest; the figures to compare.
        pool_utilization: Mean share of connections in use while settled, over all backends' samples.
        cpu_share: Of the machine's cores, all processes of the demo and the load together, settling included.
        cpu_cores: The same in cores, by process.
        machine_cpu_share: Of the machine's cores, strangers included.
    """

    name: str
    title: str
    description: str
    settling: Figures
    settled: Figures
    pool_utilization: float
    cpu_share: float
    cpu_cores: Mapping[str, float]
    machine_cpu_share: float


@dataclass(frozen=True, slots=True)
class FlipResult:
    """A flag that was flipped under load.

    Attributes:
        feature: Whose flag.
        on: Its new state.
        at_seconds: When the file was written, from the start of the burst.
        seen_after_seconds: How long after that each backend's metrics showed it; a backend that never did is missing.
        failed: Requests that failed from a second before to the end of the settling after it. Refusals and clients
            that gave up are no failures.
    """

    feature: str
    on: bool
    at_seconds: float
    seen_after_seconds: Mapping[str, float]
    failed: int


@dataclass(frozen=True, slots=True)
class Check:
    """A target and whether the run met it.

    Attributes:
        name: What is asked for.
        value: What the run showed.
        target: The bound, in words.
        met: Whether the value keeps to it.
    """

    name: str
    value: float
    target: str
    met: bool


@dataclass(frozen=True, slots=True)
class Setting:
    """What the run was made with.

    Attributes:
        rows: Posts in the database.
        users: Users in the database.
        seed: Of the load.
        command: The command line that repeats the run.
        core_count: Cores that the demo could use.
        pool_size: Connections of each backend.
        service_seconds: How long a query holds its connection on top of its own work.
        timeout_seconds: When clients give up.
        settling_seconds: How much of each phase's beginning is kept apart.
        overload_factor: The offered rate by the capacity.
        cpu_seconds_per_request: What the trial showed a request to cost.
        versions: Of what took part, by name.
    """

    rows: int
    users: int
    seed: int
    command: str
    core_count: int
    pool_size: int
    service_seconds: float
    timeout_seconds: float
    settling_seconds: float
    overload_factor: float
    cpu_seconds_per_request: float
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DemoResult:
    """A run.

    Attributes:
        setting: What it was made with.
        capacity_per_second: What the bare pools reached together, one closed-loop worker per connection.
        capacity_by_backend: Each pool's part.
        phases: In order; the first is the baseline.
        flips: The flags flipped during the burst.
        checks: The targets.
        generator_lateness_p99_seconds: How late requests were sent.
        generator_was_bottleneck: Whether that was so late that the figures say more about the generator.
        wall_seconds: How long the whole run took, start and clean-up included.
        timeline: The burst in slices, for plots.
        samples: The backends' metrics, for plots.
    """

    setting: Setting
    capacity_per_second: float
    capacity_by_backend: Mapping[str, float]
    phases: Sequence[PhaseResult]
    flips: Sequence[FlipResult]
    checks: Sequence[Check]
    generator_lateness_p99_seconds: float
    generator_was_bottleneck: bool
    wall_seconds: float
    timeline: Sequence[Bucket] = field(repr=False)
    samples: Sequence[Sample] = field(repr=False)

    def phase(self, name: str) -> PhaseResult:
        """The phase called `name`.

        Raises:
            KeyError: There is none.
        """
        found = {phase.name: phase for phase in self.phases}
        return found[name]

    @property
    def met(self) -> bool:
        """Whether every target was met."""
        return all(check.met for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain dicts, lists, numbers and strings, ready for JSON."""
        plain: dict[str, Any] = _plain({**_fields(self), "met": self.met})
        return plain


def _fields(instance: Any) -> dict[str, Any]:
    return {each.name: getattr(instance, each.name) for each in dataclasses.fields(instance)}


def _plain(value: Any) -> Any:
    """`value` as JSON knows it."""
    if dataclasses.is_dataclass(value):
        return _plain(_fields(value))
    if isinstance(value, dict):
        return {_plain(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no infinity
    return value.value if isinstance(value, Enum) else value
