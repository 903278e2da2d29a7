"""When requests arrive and which key each asks for: plain numbers drawn from a given random source."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from typing import TYPE_CHECKING

from quickwins.core.errors import ConfigError

if TYPE_CHECKING:
    from random import Random


def poisson_arrivals(*, rate_per_second: float, duration_seconds: float, rng: Random) -> list[float]:
    """Arrivals of many independent clients: a Poisson process, with the bursts and gaps of real traffic.

    Args:
        rate_per_second: The mean rate; above 0.
        duration_seconds: Nothing arrives at or after this; above 0.
        rng: Draws the gaps; the same seed gives the same arrivals.

    Returns:
        Sorted offsets in seconds from the start of the load, each in [0, duration_seconds).

    Raises:
        ConfigError: The rate or the duration is not above 0.
    """
    _check(rate_per_second, duration_seconds)
    arrivals: list[float] = []
    at_seconds = rng.expovariate(rate_per_second)
    while at_seconds < duration_seconds:
        arrivals.append(at_seconds)
        at_seconds += rng.expovariate(rate_per_second)
    return arrivals


def uniform_arrivals(*, rate_per_second: float, duration_seconds: float) -> list[float]:
    """Evenly spaced arrivals, the first at 0: the gentlest load of that rate, for comparisons and tests.

    Args:
        rate_per_second: The rate; above 0.
        duration_seconds: Nothing arrives at or after this; above 0.

    Returns:
        Sorted offsets in seconds from the start of the load, each in [0, duration_seconds).

    Raises:
        ConfigError: The rate or the duration is not above 0.
    """
    _check(rate_per_second, duration_seconds)
    offsets = (number / rate_per_second for number in itertools.count())
    return list(itertools.takewhile(lambda at_seconds: at_seconds < duration_seconds, offsets))


class ZipfKeys:
    """Draws keys by popularity: key `k` (from 0) with weight `1 / (k + 1) ** exponent`.

    Takes one table of `count` floats, and one binary search for each draw.

    Args:
        count: How many keys there are; at least 1.
        exponent: How unequal they are: 0 makes all equal, about 1 is typical of social feeds.
        rng: Draws the keys; the same seed gives the same keys.

    Raises:
        ConfigError: `count` is below 1 or `exponent` below 0.
    """

    __slots__ = ("_cumulative", "_exponent", "_random", "_total")

    def __init__(self, count: int, exponent: float, rng: Random) -> None:
        if count < 1 or exponent < 0:
            raise ConfigError(f"count must be at least 1 and exponent at least 0, not {count} and {exponent}")
        self._cumulative = list(itertools.accumulate((rank + 1) ** -exponent for rank in range(count)))
        self._exponent = exponent
        self._total = self._cumulative[-1]
        self._random = rng.random

    def __repr__(self) -> str:
        return f"<ZipfKeys {len(self._cumulative)} keys, exponent {self._exponent:g}>"

    def draw(self) -> int:
        """The next key: a number in [0, count); 0 is the most popular."""
        # Never one past the last key: random() is below 1 by enough that the product stays below the total.
        return bisect_right(self._cumulative, self._random() * self._total)


def _check(rate_per_second: float, duration_seconds: float) -> None:
    if not rate_per_second > 0:
        raise ConfigError(f"rate_per_second must be above 0, not {rate_per_second}")
    if not duration_seconds > 0:
        raise ConfigError(f"duration_seconds must be above 0, not {duration_seconds}")
