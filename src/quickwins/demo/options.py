"""The options of a run, and how long its steps take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from quickwins.core.errors import ConfigError

MAX_ROWS = 10_000_000


@dataclass(frozen=True, slots=True)
class Durations:
    """How long the measured steps last.

    Attributes:
        trial_seconds: The trial load, which shows the cost of a request.
        capacity_seconds: The measurement of capacity.
        phase_seconds: Each phase of the burst, settling included.
        outage_seconds: The load while backends fail.
        index_seconds: The load before and after indexes are built.
        index_rows: Posts that they are built on.
        change_events: Likes that projectors count.
        cached_requests: Queries and mutations, asked without the query cache and with it.
    """

    trial_seconds: float
    capacity_seconds: float
    phase_seconds: float
    outage_seconds: float
    index_seconds: float
    index_rows: int
    change_events: int
    cached_requests: int


FULL = Durations(
    trial_seconds=4.0,
    capacity_seconds=4.0,
    phase_seconds=12.0,
    outage_seconds=10.0,
    index_seconds=4.0,
    index_rows=100_000,
    change_events=10_000,
    cached_requests=1_000,
)
FAST = Durations(
    trial_seconds=1.5,
    capacity_seconds=1.2,
    phase_seconds=2.5,
    outage_seconds=4.0,
    index_seconds=1.0,
    index_rows=20_000,
    change_events=2_000,
    cached_requests=300,
)


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """The options of a run.

    Attributes:
        rows: Number of posts, 1 to 10 million, which sizes the other tables too. Nothing is indexed, so each feed query
            reads them all: more rows cost more CPU per request.
        output: Folder for the page and the JSON; created if missing.
        seed: For the arrivals and whose feeds are asked for. The same seed offers the same load.
        fast: A short run for tests: every step, but rough figures.

    Raises:
        ConfigError: `rows` is out of range.
    """

    rows: int = 2_000
    output: Path = Path("quickwins-demo")
    seed: int = 1
    fast: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.rows <= MAX_ROWS:
            raise ConfigError(f"rows must be 1 to {MAX_ROWS:,}, not {self.rows:,}")

    @property
    def durations(self) -> Durations:
        """How long each step takes."""
        return FAST if self.fast else FULL

    @property
    def command(self) -> str:
        """The command line that repeats this run."""
        words = ["quickwins", "demo", "--rows", str(self.rows), "--seed", str(self.seed)]
        return " ".join([*words, *(["--fast"] if self.fast else [])])
