"""What one tick of a controller came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quickwins.rollout._core.decide import Decision
    from quickwins.rollout._core.state import Phase, Reason, State, Verdict


@dataclass(frozen=True, slots=True)
class Look:
    """What one `tick` came to.

    Attributes:
        leads: Whether this controller decides; another one does otherwise.
        verdict: What the look said; `None`: there was nothing to decide.
        reason: Why.
        detail: For people.
        phase: Where the ramp stands; `None`: there is none.
        percent: What is written.
    """

    leads: bool
    verdict: Verdict | None = None
    reason: Reason | None = None
    detail: str = ""
    phase: Phase | None = None
    percent: float = 0.0


def look_of(state: State, decision: Decision | None) -> Look:
    """What a tick came to that found `state`, or left it; `None`: there was nothing to decide."""
    if decision is None:
        return Look(True, phase=state.phase, percent=state.percent)
    return Look(
        True, decision.verdict, decision.reason, decision.detail, phase=state.phase, percent=state.percent
    )
