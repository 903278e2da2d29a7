"""Made-up traffic: what a service's two cohorts count between two looks, from a seed.

Latency is lognormal. Only its upper part is drawn request by request, and the rest falls into one low bucket: no gate looks
there, and 2,000 ramps of 60,000 requests would take an hour otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from quickwins.rollout._core.facts import Arm, Facts
from quickwins.rollout.metrics import SECONDS, STEP

if TYPE_CHECKING:
    from random import Random

BOUNDS = SECONDS.buckets or ()
NORMAL = NormalDist()
TAIL, SLOW_TAIL = 0.04, 0.25
"""The slowest part of the requests, each of which is drawn; more of those that are slower than usual."""
MEDIAN_SECONDS = 0.05
_LOW = 10
"""The bucket of all other requests; far below."""
_STEP = math.log(STEP)


@dataclass(frozen=True, slots=True)
class Service:
    """How requests go.

    Attributes:
        sigma: Of the logarithm of latency.
        slower: How many times as slow as usual.
        errors: The share of errors.
        slower_share: How many of the requests are; the others are as usual: one bad instance in ten.
    """

    sigma: float = 0.5
    slower: float = 1.0
    errors: float = 0.005
    slower_share: float = 1.0

    def arm(self, requests: int, rng: Random) -> Arm:
        """`requests` requests."""
        slow = [0] * (len(BOUNDS) + 1)
        bad = requests if self.slower_share >= 1 else binomial(requests, self.slower_share, rng)
        for count, factor in ((bad, self.slower), (requests - bad, 1.0)):
            tail = SLOW_TAIL if factor > 1 else TAIL
            drawn = binomial(count, tail, rng)
            slow[_LOW] += count - drawn
            for _ in range(drawn):
                z = NORMAL.inv_cdf(1 - tail * (1 - rng.random()))
                seconds = MEDIAN_SECONDS * factor * math.exp(self.sigma * z)
                at = math.ceil(math.log(seconds / BOUNDS[0]) / _STEP - 1e-3)
                slow[min(max(at, 0), len(BOUNDS))] += 1
        return Arm(requests, binomial(requests, self.errors, rng), 0, tuple(slow))


def binomial(n: int, p: float, rng: Random) -> int:
    """How many of `n` come true, by the distance from one to the next (Devroye, 1986, X.4.3)."""
    if p <= 0 or n <= 0:
        return 0
    if p >= 1:
        return n
    if p > 0.5:
        return n - binomial(n, 1 - p, rng)
    found, at, scale = 0, 0, math.log1p(-p)
    while True:
        at += 1 + int(math.log(1 - rng.random()) / scale)
        if at > n:
            return found
        found += 1


def look(on: Arm, off: Arm, percent: float, seconds: float) -> Facts:
    """The facts of one look."""
    return Facts(bounds=BOUNDS, on=on, off=off, seconds=seconds, percents=(percent,))
