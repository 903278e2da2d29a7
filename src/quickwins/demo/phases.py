"""The phases of the burst, as data: one added here is run, measured, tabulated and plotted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the burst under one state of the flags.

    Attributes:
        name: Its key in the results.
        title: What people read.
        on: The features whose flags are on; all other flags are off.
        description: What is different about it, in a sentence.
        goodput_at_least: Target: the share of capacity it must serve; `None`: no target.
        goodput_at_most: Target: the share of capacity it must not exceed, or the burst proves nothing; `None`: no target.
    """

    name: str
    title: str
    on: frozenset[str]
    description: str
    goodput_at_least: float | None = None
    goodput_at_most: float | None = None


@dataclass(frozen=True, slots=True)
class Flip:
    """A flag that was changed in the file.

    Attributes:
        feature: Whose flag.
        on: Its new state.
        at_seconds: When the write began, from the start of the burst.
    """

    feature: str
    on: bool
    at_seconds: float


PHASES = (
    Phase(
        name="baseline",
        title="Baseline",
        on=frozenset(),
        description="All flags off: a request that finds no free connection waits for one, first come, first served.",
        goodput_at_most=0.5,
    ),
    Phase(
        name="backpressure",
        title="Backpressure on",
        on=frozenset({"backpressure"}),
        description="The pool refuses at once when 85 % of its connections are in use, so that nothing waits in vain.",
        # Nine of ten connections serve; the threshold keeps the tenth as a spare.
        goodput_at_least=0.8,
    ),
)
"""In the order of the burst. The others are compared with the first."""


def features(phases: Sequence[Phase]) -> frozenset[str]:
    """Every feature that some phase turns on."""
    return frozenset().union(*(phase.on for phase in phases))


def flips(before: Phase, after: Phase) -> Mapping[str, bool]:
    """Which flags change between two phases, and to what."""
    return {feature: feature in after.on for feature in sorted(before.on ^ after.on)}


def config_text(phases: Sequence[Phase]) -> str:
    """The `quickwins.toml` the backends start with: the flags of the first phase."""
    sections = "".join(
        f"[{feature}]\nenabled = {str(feature in phases[0].on).lower()}\n\n"
        for feature in sorted(features(phases))
    )
    return f'# Read by the three backends, every half second.\nservice = "feed"\n\n{sections}# quickwins: complete\n'
