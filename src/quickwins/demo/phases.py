"""The phases of the burst, as data: add one here and it is run, measured, tabulated and plotted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the burst under one state of the flags.

    Attributes:
        name: Its key in results.
        title: What people read.
        on: The features whose flags are on; every other feature's is off.
        description: One sentence: what is different in it.
        goodput_at_least: Target: the share of capacity that it must serve; `None` for none.
        goodput_at_most: Target: the share of capacity that it must not exceed, or the burst shows nothing.
    """

    name: str
    title: str
    on: frozenset[str]
    description: str
    goodput_at_least: float | None = None
    goodput_at_most: float | None = None


PHASES = (
    Phase(
        name="baseline",
        title="Baseline",
        on=frozenset(),
        description="All flags off: whoever finds no free connection waits for one, first come, first served.",
        goodput_at_most=0.5,
    ),
    Phase(
        name="backpressure",
        title="Backpressure on",
        on=frozenset({"backpressure"}),
        description="The pool refuses at once when 85 % of its connections are in use, so nobody waits in vain.",
        # Nine of ten connections serve; the tenth is the spare that the threshold leaves.
        goodput_at_least=0.8,
    ),
)
"""In the order of the burst. The first is the one that the others are compared with."""


def features(phases: Sequence[Phase]) -> frozenset[str]:
    """Every feature that some phase turns on."""
    return frozenset().union(*(phase.on for phase in phases))


def flips(before: Phase, after: Phase) -> Mapping[str, bool]:
    """Which flags change between two phases, and to what."""
    return {feature: feature in after.on for feature in sorted(before.on ^ after.on)}


def config_text(phases: Sequence[Phase]) -> str:
    """The `quickwins.toml` that the backends start with: the flags of the first phase."""
    sections = "".join(
        f"[{feature}]\nenabled = {str(feature in phases[0].on).lower()}\n\n"
        for feature in sorted(features(phases))
    )
    return f'# Read by the three backends, every half second.\nservice = "feed"\n\n{sections}# quickwins: complete\n'
