"""What well-known controllers ask of a canary, on the same windows of traffic.

Thresholds: a window fails when its P99 is 10 % above the control's, or its errors are over 1 %. One failed window is enough
with Argo Rollouts' `failureLimit: 0`, its default; five in a row are what Flagger's examples have as `threshold`. Kayenta's
judge compares the series of both cohorts' values by Mann-Whitney: the interval of the Hodges-Lehmann shift at a confidence of
98 %, against a quarter of the estimate. Written after their documentation; this is none of their code.
"""

from __future__ import annotations

import math
from statistics import NormalDist, median
from typing import TYPE_CHECKING

from benchmarks.rollout.traffic import BOUNDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quickwins.rollout._core.facts import Arm

CONFIDENCE, TOLERANCE = 0.98, 0.25
KAYENTA_WINDOWS = 10


def p99(arm: Arm) -> float:
    """The bound below which 99 % are."""
    left = 0.99 * arm.timed
    for index, count in enumerate(arm.slow):
        left -= count
        if left <= 0:
            return BOUNDS[min(index, len(BOUNDS) - 1)]
    return BOUNDS[-1]


def is_over(on: Arm, off: Arm) -> bool:
    """Whether one window fails."""
    return p99(on) > 1.10 * p99(off) or on.errors > 0.01 * on.requests


def is_high(on: Sequence[float], off: Sequence[float]) -> bool:
    """Whether the canary's values are higher, as Kayenta's judge has it."""
    shifts = sorted(a - b for a in on for b in off)
    n, m = len(on), len(off)
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    at = max(0, round(n * m / 2 - z * math.sqrt(n * m * (n + m + 1) / 12)))
    estimate = abs(median(shifts))
    return shifts[at] > TOLERANCE * estimate and estimate > 0


class Rule:
    """One rule, window by window."""

    def __init__(self, in_a_row: int) -> None:
        """Fails after `in_a_row` windows that do; 0: Kayenta's judge, every ten windows."""
        self.in_a_row = in_a_row
        self.failed = 0
        self.windows: list[tuple[Arm, Arm]] = []

    def fails(self, on: Arm, off: Arm) -> bool:
        """Whether it takes the canary back after this window."""
        if self.in_a_row:
            self.failed = self.failed + 1 if is_over(on, off) else 0
            return self.failed >= self.in_a_row
        self.windows.append((on, off))
        if len(self.windows) % KAYENTA_WINDOWS:
            return False
        values = [
            (p99(one), p99(two), one.errors / one.requests, two.errors / two.requests)
            for one, two in self.windows
        ]
        slow, usual, errors, control = zip(*values, strict=True)
        return is_high(slow, usual) or is_high(errors, control)


PEERS = {"Argo Rollouts, thresholds": 1, "Flagger, 5 in a row": 5, "Kayenta, Mann-Whitney": 0}
