"""One bar for the phases of a build: it never goes back, whatever the server reports."""

from __future__ import annotations

from dataclasses import dataclass

WAIT = 0.01
PHASES: dict[str, tuple[float, float]] = {
    "initializing": (0.0, WAIT),
    "waiting for writers before build": (WAIT, 2 * WAIT),
    "building index: initializing": (2 * WAIT, 2 * WAIT),
    "building index": (2 * WAIT, 0.7),
    "building index: scanning table": (2 * WAIT, 0.4),
    "building index: sorting live tuples": (0.4, 0.45),
    "building index: loading tuples in tree": (0.45, 0.7),
    "waiting for writers before validation": (0.7, 0.71),
    "index validation: scanning index": (0.71, 0.75),
    "index validation: sorting tuples": (0.75, 0.78),
    "index validation: scanning table": (0.78, 0.98),
    "waiting for old snapshots": (0.98, 0.99),
    "waiting for readers before marking dead": (0.99, 0.995),
    "waiting for readers before dropping": (0.995, 0.999),
}
"""The phases of `pg_stat_progress_create_index`, in order, and where each begins and ends; their shares are those of a
build of 2.5 million rows."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the progress view said at one look; all zero when it said nothing."""

    phase: str = ""
    lockers_total: int = 0
    lockers_done: int = 0
    blocks_total: int = 0
    blocks_done: int = 0
    tuples_total: int = 0
    tuples_done: int = 0


class Bar:
    """The share of a build that is done: 0 to 1, never less than before."""

    def __init__(self) -> None:
        self.ratio = 0.0

    def moved(self, look: Look) -> float:
        """The share after `look`. Parts that exceed their total, as the server's may, count as the total."""
        begins, ends = PHASES.get(look.phase, (self.ratio, self.ratio))
        # Each phase counts one of the three; the others' numbers are left from phases before.
        if look.phase.startswith("waiting"):
            part = _part(look.lockers_done, look.lockers_total)
        elif look.phase == "building index: loading tuples in tree":
            part = _part(look.tuples_done, look.tuples_total)
        else:
            part = _part(look.blocks_done, look.blocks_total)
        self.ratio = max(self.ratio, begins + (ends - begins) * part)
        return self.ratio

    def done(self) -> float:
        """All of it."""
        self.ratio = 1.0
        return self.ratio


def _part(done: int, total: int) -> float:
    return min(1.0, max(0, done) / total) if total > 0 else 0.0


def remaining_seconds(ratio: float, elapsed_seconds: float) -> float | None:
    """How long the rest takes when it goes on as it went; `None` while nobody can tell."""
    if ratio < 0.05 or elapsed_seconds <= 0:  # noqa: PLR2004 -- a twentieth tells too little; until=never
        return None
    return elapsed_seconds * (1 - ratio) / ratio
