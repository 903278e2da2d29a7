"""The result of a run, as plain data from the setting to the samples. `figures.py` works it out."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from quickwins.demo.phases import Flip

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quickwins.demo.watch import Sample
    from quickwins.rig import Bucket, LatencySummary, Outcome


@dataclass(frozen=True, slots=True)
class Figures:
    """A stretch of the burst.

    Attributes:
        start_seconds: When it began, from the start of the burst.
        end_seconds: When it ended, from the start of the burst.
        offered_per_second: Requests that were due in it.
        goodput_per_second: Feeds delivered in it to clients that were still waiting.
        goodput_of_capacity: The same as a share of capacity: 1.0 is the most the bare pools can do.
        latency: By outcome, for the requests that ended in it: how many, and how long after they were due.
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
        name: Its key, from `phases.PHASES` like the next two.
        title: What people read.
        description: What is different about it.
        settling: Its first seconds, while queues fill or drain and the rest of the phase before runs out.
        settled: The rest: the figures to compare.
        pool_utilization: Mean share of connections in use while settled, over the samples of all backends.
        cpu_share: The share of the machine's cores that the demo and its load used, settling included.
        cpu_cores: The cores used, by process.
        machine_cpu_share: The share of the machine's cores that was used, other programs included.
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
class FlipResult(Flip):
    """What a flip under load did.

    Attributes:
        seen_after_seconds: How long it took each backend's metrics to show it; a backend that never did is missing.
        failed: Requests that failed between a second before it and the end of the settling after it. Refusals, and
            clients that gave up, are not failures.
    """

    seen_after_seconds: Mapping[str, float]
    failed: int


@dataclass(frozen=True, slots=True)
class OutageClient:
    """How one client fared while backends failed.

    Attributes:
        title: What it asked through.
        requests: How often it asked.
        failed: How many of these got no feed in time.
    """

    title: str
    requests: int
    failed: int


@dataclass(frozen=True, slots=True)
class OutageResult:
    """Two of three backends behind one address failed.

    Attributes:
        killed_at_seconds: When the first was killed (SIGKILL), from the start.
        stopped_at_seconds: When the second was stopped (SIGSTOP): it accepts connections, and answers nothing.
        duration_seconds: How long was asked.
        clients: One channel first, then several connections.
    """

    killed_at_seconds: float
    stopped_at_seconds: float
    duration_seconds: float
    clients: Sequence[OutageClient]


@dataclass(frozen=True, slots=True)
class IndexResult:
    """Indexes were built under load.

    Attributes:
        rows: Posts in the database.
        build_seconds: How long both migrations took.
        feed_before: The feed's query, one after the other, without an index.
        feed_after: The same with them.
        write_before: Writes, from when each was due.
        write_building: The same while the indexes were built.
        failed: Writes that failed, all in all.
    """

    rows: int
    build_seconds: float
    feed_before: LatencySummary
    feed_after: LatencySummary
    write_before: LatencySummary
    write_building: LatencySummary
    failed: int

    @property
    def faster(self) -> float:
        """How many times faster half of the feeds are."""
        return (self.feed_before.p50_seconds or 0.0) / (self.feed_after.p50_seconds or float("inf"))


@dataclass(frozen=True, slots=True)
class Projector:
    """What a projector counted.

    Attributes:
        title: Whether deduplication was on.
        counted: Likes, of all posts together.
        wrong_posts: Posts with another number of likes than there are in truth.
        seconds: How long it took, being killed and started again included.
    """

    title: str
    counted: int
    wrong_posts: int
    seconds: float


@dataclass(frozen=True, slots=True)
class DuplicatesResult:
    """Change events were counted, of which the source had sent some more than once.

    Attributes:
        records: What came from Kafka.
        duplicates: How many of these had come before.
        truth: How many likes there are.
        kills: How often each projector was killed.
        projectors: Deduplication off first, then on.
    """

    records: int
    duplicates: int
    truth: int
    kills: int
    projectors: Sequence[Projector]


@dataclass(frozen=True, slots=True)
class CacheResult:
    """A fixed mix of queries and mutations, without and with the query cache.

    Attributes:
        requests: How many there were each time.
        mutations: How many of these changed something.
        policies: The part of each policy's answers that was not executed.
        queries_without: Statements that resolvers sent to the database without the cache.
        queries_with: The same with it.
        outdated: Answers that were not what the database had at that moment.
    """

    requests: int
    mutations: int
    policies: Mapping[str, float]
    queries_without: int
    queries_with: int
    outdated: int

    @property
    def saved(self) -> float:
        """The part of the statements that the cache saved."""
        return 1.0 - self.queries_with / max(1, self.queries_without)


@dataclass(frozen=True, slots=True)
class Check:
    """A target, and whether the run met it.

    Attributes:
        name: What is asked for.
        value: What the run achieved.
        target: The bound, in words.
        met: Whether the value is within it.
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
        timeout_seconds: When clients give up.
        overload_factor: The offered rate, as a multiple of capacity.
        cpu_seconds_per_request: What a request cost in the trial.
        pool_size: Connections per backend, chosen by that cost.
        service_seconds: How long a query holds its connection on top of its own work, chosen by that cost.
        settling_seconds: How much of the beginning of each phase is kept apart.
        versions: Of what took part, by name.
        core_count: Cores the demo could use.
    """

    rows: int
    users: int
    seed: int
    command: str
    timeout_seconds: float
    overload_factor: float
    cpu_seconds_per_request: float
    pool_size: int
    service_seconds: float
    settling_seconds: float
    versions: Mapping[str, str]
    core_count: int


@dataclass(frozen=True, slots=True)
class DemoResult:
    """A run.

    Attributes:
        setting: What it was made with.
        capacity_per_second: What the bare pools reached together, with one closed-loop worker per connection.
        capacity_by_backend: Each pool's part of it.
        phases: In order; the first is the baseline.
        flips: The flags flipped during the burst.
        outage: What happened when backends failed, after the burst.
        indexes: What indexes did for the feed's query, and building them to writes.
        duplicates: What deduplication did for counters, at the end.
        cache: What the query cache saved, and whether it was ever wrong, at the end.
        checks: The targets.
        generator_lateness_p99_seconds: How late the load generator sent requests: 99 of 100 no later than this.
        generator_was_bottleneck: Whether it was so late that the figures say more about it than about the service.
        wall_seconds: How long the whole run took, from start to clean-up.
        timeline: The burst in slices, for plots.
        samples: The backends' metrics, for plots.
    """

    setting: Setting
    capacity_per_second: float
    capacity_by_backend: Mapping[str, float]
    phases: Sequence[PhaseResult]
    flips: Sequence[FlipResult]
    outage: OutageResult
    indexes: IndexResult
    duplicates: DuplicatesResult
    cache: CacheResult
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
        """The whole result as plain dicts, lists, numbers and strings, ready for JSON."""
        plain: dict[str, Any] = _plain({**_fields(self), "met": self.met})
        return plain


def _fields(instance: Any) -> dict[str, Any]:
    return {each.name: getattr(instance, each.name) for each in dataclasses.fields(instance)}


def _plain(value: Any) -> Any:
    """`value` in the types that JSON has."""
    if dataclasses.is_dataclass(value):
        return _plain(_fields(value))
    if isinstance(value, dict):
        return {_plain(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no infinity
    return value.value if isinstance(value, Enum) else value
