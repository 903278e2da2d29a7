"""When each member is replaced because of its age, so that no two are at once and no two services in step.

The rule: a member lives between 0.8 and 1 of the greatest age. Those that are made together at the start get a share of that
each, so that the first round is spread over the whole age; later rounds keep that spread.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quickwins.core.clock import Chance

JITTER = 0.2


def lifetime_seconds(max_age_seconds: float, rng: Chance, *, place: int = 0, together: int = 1) -> float:
    """How long a member lives; infinity when members don't age.

    Args:
        max_age_seconds: The greatest age; 0: members don't age.
        rng: For the jitter.
        place: Which of those that are made at the same time it is.
        together: How many those are.
    """
    if not max_age_seconds:
        return math.inf
    return max_age_seconds * (place + 1) / together * (1.0 - JITTER * rng.random())


def next_due(ends: Sequence[float]) -> tuple[int, float]:
    """The place of the member whose life ends first, and when that is."""
    place = min(range(len(ends)), key=ends.__getitem__)
    return place, ends[place]
