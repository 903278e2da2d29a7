"""What a run of the demo may be told, and how long its steps take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from quickwins.core.errors import ConfigError

MAX_ROWS = 10_000_000


@dataclass(frozen=True, slots=True)
class Durations:
    """How long the measured steps last.

    Attributes:
        trial_seconds: The trial load, which shows what a request costs.
        capacity_seconds: The measurement of capacity.
        phase_seconds: Each phase of the burst, its settling included.
    """

    trial_seconds: float
    capacity_seconds: float
    phase_seconds: float


FULL = Durations(trial_seconds=4.0, capacity_seconds=4.0, phase_seconds=12.0)
FAST = Durations(trial_seconds=1.5, capacity_seconds=1.2, phase_seconds=2.5)


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """The options of a run.

    Attributes:
        rows: Number of posts, 1 to 10 million; the other tables follow from it. Each feed query reads all of them,
            since nothing is indexed: more rows cost more processor time per request.
        output: Folder for the page and the JSON; made if missing.
        seed: Of the arrivals and of who asks for which feed. The same seed offers the same load.
        fast: A short run for tests: it goes through every step, but its figures are rough.

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
