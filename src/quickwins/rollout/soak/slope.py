"""Whether a process's memory grows: by the median of all slopes, which bursts and collections don't move.

P. K. Sen, "Estimates of the Regression Coefficient Based on Kendall's Tau", Journal of the American Statistical
Association 63 (1968).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

WARM_UP: Final = 0.25
"""The share at the beginning that is left out: caches fill, and pools open."""
FEWEST: Final = 12
"""Points without which nothing is said."""
DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Slope:
    """How memory moves.

    Attributes:
        a_day: Growth in a day by the median size; 0.1 is a tenth.
        rising: The share of pairs of points of which the later is the higher: 0.5 is noise, 1 goes up all the time.
    """

    a_day: float
    rising: float


def slope(points: Sequence[tuple[float, float]]) -> Slope | None:
    """The slope of `points`, seconds and bytes, after the warm-up; `None`: too few."""
    if not points:
        return None
    first, last = points[0][0], points[-1][0]
    kept = [(at, size) for at, size in points if at >= first + WARM_UP * (last - first)]
    if len(kept) < FEWEST:
        return None
    pairs = [(later, before) for before, later in combinations(kept, 2) if later[0] > before[0]]
    slopes = [(later[1] - before[1]) / (later[0] - before[0]) for later, before in pairs]
    middle = median(size for _, size in kept)
    if not slopes or middle <= 0:
        return None
    rising = sum(later[1] > before[1] for later, before in pairs) / len(pairs)
    return Slope(median(slopes) * DAY / middle, rising)
