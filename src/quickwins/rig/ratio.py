"""Paired ratios: how much more one call costs than another, measured so that a noisy machine does not decide it.

A round runs one short block of every contender, in a new random order, and compares each with the reference *of that
round*: a machine that slows down slows both. The median of the rounds' ratios is given with a confidence
interval from order statistics (the sign test turned round), which assumes nothing about the noise's distribution.
The reference is also measured against itself: no difference smaller than that of this A/A ratio from 1 means anything.
"""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass
from itertools import repeat
from timeit import Timer
from typing import TYPE_CHECKING

from quickwins.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from random import Random

_AGAIN = "(reference again)"
_MOST_CALLS = 1 << 24
_TRIALS = 3
"""Of each number of calls; the shortest counts. A first call that connects, or waits for a processor, would else be taken for
what all of them cost, and leave its contender with blocks of one cold call beside blocks of many."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """One contender's cost per call over the reference's: below 1 is cheaper.

    Attributes:
        name: The contender.
        median: The median over the rounds.
        low: The lower end of the median's confidence interval.
        high: Its upper end.
        rounds: How many paired measurements there were.
    """

    name: str
    median: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, name: str, ratios: Sequence[float], *, confidence: float = 0.95) -> Ratio:
        """The median of paired ratios with its exact confidence interval, by order statistics.

        Args:
            name: The contender.
            ratios: One per round, in any order.
            confidence: The least probability that the interval contains the true median, in (0, 1).

        Raises:
            ConfigError: There are too few ratios for that confidence (six are needed for 0.95).
        """
        ordered, rounds = sorted(ratios), len(ratios)
        # The true median lies below the k-th smallest with probability P(Bin(rounds, 1/2) < k): cut off as many
        # from both ends as leave `confidence`. Integers, since 2 ** rounds is beyond a float's exactness.
        spare = (1.0 - confidence) / 2.0
        outside, cut = 1, 0
        while cut < rounds // 2 and outside / (1 << rounds) <= spare:
            cut += 1
            outside += math.comb(rounds, cut)
        if cut == 0:
            raise ConfigError(f"{rounds} rounds are too few for a confidence of {confidence}")
        return cls(name, statistics.median(ordered), ordered[cut - 1], ordered[rounds - cut], rounds)

    def inverse(self) -> Ratio:
        """The same ratio as speed: the reference's cost over the contender's, so above 1 is faster."""
        return Ratio(self.name, 1 / self.median, 1 / self.high, 1 / self.low, self.rounds)

    def at_most(self, bound: float) -> Target:
        """The claim that the ratio is no more than `bound`, judged by the median."""
        return self._target("≤", bound, met=self.median <= bound)

    def at_least(self, bound: float) -> Target:
        """The claim that the ratio is no less than `bound`, judged by the median."""
        return self._target("≥", bound, met=self.median >= bound)

    def _target(self, sign: str, bound: float, *, met: bool) -> Target:
        doubt = ", but the interval holds the bound" if self.low <= bound <= self.high else ""
        claim = f"{self.name} {sign} {bound:g}: {self.median:.3g} [{self.low:.3g}, {self.high:.3g}]{doubt}"
        return Target(claim, met=met)


@dataclass(frozen=True, slots=True)
class Target:
    """What a benchmark promises, and whether this run kept the promise.

    Attributes:
        claim: The promise and the figure, in words.
        met: Whether the figure keeps it.
    """

    claim: str
    met: bool

    def __str__(self) -> str:
        return f"{'met   ' if self.met else 'MISSED'}  {self.claim}"


def exit_code(targets: Iterable[Target]) -> int:
    """The exit code of a benchmark: 0 if every target is met, 3 (a finding) otherwise."""
    return 0 if all(target.met for target in targets) else 3


@dataclass(frozen=True, slots=True)
class Comparison:
    """The ratios of all contenders, and that of the reference against itself.

    Attributes:
        reference: The name of the contender that all others are compared with.
        reference_seconds: The median time of one call of it.
        ratios: The ratio of each other contender, by name.
        noise: The A/A ratio: a difference of this size means nothing.
    """

    reference: str
    reference_seconds: float
    ratios: dict[str, Ratio]
    noise: Ratio

    def table(self) -> str:
        """Plain text: one line for each contender, the A/A ratio last."""
        rows = [*self.ratios.values(), self.noise]
        width = max(len(row.name) for row in rows)
        head = (
            f"cost over {self.reference} ({self.reference_seconds * 1e6:.3g} µs), {self.noise.rounds} rounds"
        )
        lines = [f"{row.name:<{width}}  {row.median:9.3f}  [{row.low:.3f}, {row.high:.3f}]" for row in rows]
        return "\n".join([head, *lines])


def paired_ratios(
    contenders: Mapping[str, Callable[[], object] | Timer],
    *,
    reference: str,
    rng: Random,
    rounds: int = 150,
    block_seconds: float = 0.002,
    confidence: float = 0.95,
    stopwatch: Callable[[], float] = time.perf_counter,
) -> Comparison:
    """Measure what each contender's call costs relative to the reference's.

    A block repeats a callable, which adds the cost of an empty call (some 30 ns) to every contender. For anything below a
    microsecond use a `timeit.Timer` instead, which adds nothing; it turns off garbage collection unless its setup says
    otherwise, and uses its own clock.

    Args:
        contenders: What to compare, by name.
        reference: The one that the others are compared with.
        rng: Shuffles the order within each round.
        rounds: How many paired measurements to make. With long blocks some noise stays however many there are; more
            and shorter ones narrow the interval.
        block_seconds: About how long a block lasts; above 0. The number of calls in a block is found by trying first.
        confidence: The confidence of the intervals, in (0, 1).
        stopwatch: The clock that times the blocks, in seconds.

    Returns:
        The ratios and the A/A ratio.

    Raises:
        ConfigError: The reference isn't among the contenders, or there are too few rounds for the confidence.
    """

    def block(name: str, calls: int) -> float:
        contender = contenders[name]
        if isinstance(contender, Timer):
            return contender.timeit(calls)
        started = stopwatch()
        for _ in repeat(None, calls):
            contender()
        return stopwatch() - started

    plan = _Rounds(contenders, reference, rounds, confidence, rng)
    for name in contenders:
        while plan.needs_more_calls(
            name, min([block(name, plan.calls[name]) for _ in range(_TRIALS)]), block_seconds
        ):
            pass
    for _ in range(rounds):
        plan.record({name: block(plan.actual(name), plan.calls[plan.actual(name)]) for name in plan.order()})
    return plan.comparison()


async def paired_ratios_async(
    contenders: Mapping[str, Callable[[], Awaitable[object]]],
    *,
    reference: str,
    rng: Random,
    rounds: int = 150,
    block_seconds: float = 0.002,
    stopwatch: Callable[[], float] = time.perf_counter,
) -> Comparison:
    """`paired_ratios` for async callables: each block awaits its calls one after another in this task.

    The confidence of its intervals is 0.95.
    """

    async def block(name: str, calls: int) -> float:
        contender = contenders[name]
        started = stopwatch()
        for _ in repeat(None, calls):
            await contender()
        return stopwatch() - started

    plan = _Rounds(contenders, reference, rounds, 0.95, rng)
    for name in contenders:
        while plan.needs_more_calls(
            name, min([await block(name, plan.calls[name]) for _ in range(_TRIALS)]), block_seconds
        ):
            pass
    for _ in range(rounds):
        plan.record(
            {name: await block(plan.actual(name), plan.calls[plan.actual(name)]) for name in plan.order()}
        )
    return plan.comparison()


class _Rounds:
    """What the sync and the async form share: the number of calls in a block, the order, and the bookkeeping."""

    def __init__(
        self, names: Iterable[str], reference: str, rounds: int, confidence: float, rng: Random
    ) -> None:
        self.calls = dict.fromkeys(names, 1)
        if reference not in self.calls:
            raise ConfigError(f"the reference {reference!r} is not among {sorted(self.calls)}")
        # Fails before an hour of measuring, not after it.
        Ratio.of(reference, [1.0] * rounds, confidence=confidence)
        self._reference = reference
        self._confidence = confidence
        self._rng = rng
        self._reference_seconds: list[float] = []
        self._ratios: dict[str, list[float]] = {
            name: [] for name in (*self.calls, _AGAIN) if name != reference
        }

    def actual(self, name: str) -> str:
        """Which contender to run for this name."""
        return self._reference if name == _AGAIN else name

    def needs_more_calls(self, name: str, took_seconds: float, block_seconds: float) -> bool:
        """Whether another trial block is needed, given how long one took; adjusts the number of calls."""
        calls = self.calls[name]
        if took_seconds * 2 >= block_seconds or calls >= _MOST_CALLS:
            return False
        # At most tenfold at a time: the first calls are cold and say little.
        growth = min(10.0, block_seconds / took_seconds) if took_seconds > 0 else 10.0
        self.calls[name] = min(_MOST_CALLS, math.ceil(calls * growth))
        return True

    def order(self) -> list[str]:
        """The order of the next round's blocks."""
        names = [*self.calls, _AGAIN]
        self._rng.shuffle(names)
        return names

    def record(self, took_seconds: dict[str, float]) -> None:
        """Note the ratios of one round."""
        per_call = {name: took / self.calls[self.actual(name)] for name, took in took_seconds.items()}
        base = per_call[self._reference]
        self._reference_seconds.append(base)
        for name, ratios in self._ratios.items():
            ratios.append(per_call[name] / base)

    def comparison(self) -> Comparison:
        """The result of all rounds."""
        ratios = {
            name: Ratio.of(name, values, confidence=self._confidence) for name, values in self._ratios.items()
        }
        noise = ratios.pop(_AGAIN)
        return Comparison(self._reference, statistics.median(self._reference_seconds), ratios, noise)
