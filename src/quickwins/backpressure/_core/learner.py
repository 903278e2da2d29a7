"""Learns how many permits a resource can use at once, from how long they are held and from failures. Pure arithmetic.

Rule: move the limit a little to both sides, compare the hold times at both, and go where *power* is greater: throughput
squared over hold time (Kleinrock, "Power and deterministic rules of thumb for probabilistic problems in computer
communications", ICC 1979, generalised as X^a / R, here with a = 2). By Little's law X = L / R for a full resource, so
power is L^2 / R^3 and only one number has to be measured, the elasticity of hold time: e = d log R / d log L. It is 0
where permits don't disturb each other, 1 where they share a processor, more than 1 where throughput falls; power is
greatest where e = 2/3.

    RESTING  at `base`, for 24 to 64 blocks of releases, 2 after a failure
        | the resource is full, and rested long enough, or hold time has changed
        v
    PROBING  above `base` -> below (two blocks) -> above;  e above 2/3: base shrinks, below: grows, not sure: once more
        | moved: PROBING from there;  still not sure, or came back: RESTING;  not full: RESTING

    any     a tenth of the ends are time-outs or lost connections: base shrinks to 0.7 of the limit, RESTING;
            once a round, for what was in flight by then says nothing about the new limit (TCP's fast recovery)

The traps this avoids, and why no published algorithm was taken as it is:

- Gradients against an old or long-term hold time (Netflix concurrency-limits, Vegas; Envoy's minRTT; failsafe-go)
  take a slower database for a crowded one, and learn an old crowd as the baseline. The two sides of *one* probe are
  compared here, low in the middle of high, so that a steady drift cancels and a jump shows (both highs must agree).
- Their thresholds (log10 of the limit, 20 permits at least, +1 a step) are for hundreds of permits: here the sides of a
  probe are half the limit apart, the least that shows among 5..100 permits within some hundred releases.
- BBR drains to the minimum to see the base line, which costs a pool most of its throughput for as long.
- Means of hold times are ruled by their longest: those of the eighth roots of n holds are compared instead, nearly the
  geometric mean, which a hold of no time at all does not rule either. The variance of its logarithm is 2.3 / n for
  lognormal times of sigma 1.5 (that of the mean is 8.5 / n), 1.1 / n where one in ten is twenty times as long as the
  others (3.9), 1.4 / n for exponential ones (1). And long holds outlast a block: they carry the pace of the one before.
- A decision waits until it is out of the noise (Wald, "Sequential Tests of Statistical Hypotheses", 1945), as measured in
  the samples themselves, and a block is as long as it takes to be.
"""

from __future__ import annotations

from math import log, sqrt

from quickwins.core.errors import ConfigError

ELASTICITY = 2 / 3
"""Of hold time, where power is greatest. Throughput is greatest at 1, but flat there: the limit would drift."""

STEEP = 1.2
"""Elasticity from which on more permits mean less throughput: those are taken away in the largest steps."""

CERTAIN = 1.5
"""Standard errors between what was measured and `ELASTICITY` before the limit moves."""

BLOCK = 4
"""Releases measured at a time, for each permit; fewer are over before what was in flight is."""

HASTE = 3
"""The same while far from the best, where differences are large."""

FEWEST = 16
"""Releases measured at a time, at least."""

NOISE = 0.03
"""The variance of the logarithm of hold time that a block is long enough for; twice as much while far from the best."""

WILD = 4.0
"""The most that is believed of a single hold: times that differ more are measured no longer than these."""

CYCLES = 2
"""Probes after which "not sure" means "good as it is"."""

COARSE, FINE = 0.33, 0.125
"""How far the limit moves, as a share of it: at first, and after it rested or turned around; twice as far after each move."""

CHANGED = 1.6
"""A ratio of hold times at one limit that means another regime rather than noise."""

FAILED = 0.1
"""Share of ends that are failures from which on the limit shrinks; half of it keeps the limit from growing."""

FULL = 0.95
"""Mean inflight over limit from which on a block says something about the limit."""

FULL_BLOCKS = 2
"""How many of those in a row start a probe: a busy moment of a pool that has enough is shorter."""

_ROOT = 1 / 8
_FIRST_REST, _LONGEST_REST = 24, 64
_RESTING = -1
_LOW = 2


class LimitLearner:
    """The rule at the head of this file, for one resource. `done` costs some 0.1 microseconds between two blocks.

    Attributes:
        limit: Permits to give out, between `min_limit` and `max_limit`; starts at `max_limit`.
        why: The last change, in a sentence; empty before the first.
    """

    __slots__ = (
        "_base",
        "_crowd",
        "_cycles",
        "_failing",
        "_failures",
        "_holds",
        "_lean",
        "_left",
        "_max",
        "_min",
        "_noise",
        "_phase",
        "_reference",
        "_rest",
        "_rest_left",
        "_run",
        "_scatter",
        "_settling",
        "_sides",
        "_spread",
        "_started_at",
        "_stretch",
        "_stride",
        "limit",
        "why",
    )  # fmt: skip

    def __init__(self, *, min_limit: int, max_limit: int) -> None:
        """Raises `ConfigError` unless 1 <= `min_limit` <= `max_limit`."""
        _check(min_limit, max_limit)
        self._min, self._max = min_limit, max_limit
        self.limit = self._base = max_limit
        self.why = ""
        self._reference = 0.0  # hold time at rest
        self._lean = 0  # which way the base moved last: -1, 0, 1
        self._sides: list[
            tuple[float, float, float]
        ] = []  # log of hold time and of inflight, variance of the former
        self._scatter = 1.0  # variance of the logarithm of a hold, smoothed
        self._holds: list[float] = []
        self._left = self._failures = self._crowd = 0
        self._rest = self._rest_left = 1
        self._phase = _RESTING
        self._run = 0  # full blocks since one that was not
        self._stride = COARSE
        self._forget()
        self._start(0.0)

    def done(self, now: float, held_seconds: float, inflight: int) -> bool:
        """A permit came back after a hold that ended well.

        Args:
            now: The time, in seconds.
            held_seconds: How long it was held.
            inflight: Permits in use, this one included.

        Returns:
            Whether `limit` changed.
        """
        self._holds.append(held_seconds)
        self._crowd += inflight
        self._left -= 1
        if self._left > 0:
            return False
        before = self.limit
        if self._settling:
            self._start(now)
        else:
            self._end_block(now, inflight)
        return self.limit != before

    def failed(self, now: float, inflight: int) -> bool:
        """A permit came back by a time-out or a lost connection.

        Args:
            now: The time, in seconds.
            inflight: Permits in use, this one included.

        Returns:
            Whether `limit` changed.
        """
        self._left -= 1
        if self._settling:
            if self._left <= 0:
                self._start(now)
            return False
        self._failures += 1
        ends = len(self._holds) + self._failures
        # A lone failure says nothing, nor do a few at the head of a block: a tenth of a round at least.
        if self._failures < max(2.0, FAILED * ends, FAILED * self.limit):
            return False
        before = self.limit
        why = f"{self._failures} of {ends} failed"
        self._base = max(self._min, min(self._base, round(before * 0.7), before - 1))
        self._lean = -1
        self._stride = COARSE
        self._relax(2)
        self._go(min(self._base, before), now, inflight, why)
        return self.limit != before

    def resize(self, min_limit: int, max_limit: int) -> None:
        """Follow other bounds; what was at the old `max_limit` goes to the new one. Raises as the constructor does."""
        _check(min_limit, max_limit)
        top = max_limit if self._base == self._max else self._base
        self._min, self._max = min_limit, max_limit
        self._base = self.limit = min(max(top, min_limit), max_limit)
        self._relax(_FIRST_REST)
        self._start(self._started_at)

    def _end_block(self, now: float, inflight: int) -> None:
        """Draw the conclusion of a block, and begin the next one."""
        good = len(self._holds)
        if self._failures >= FAILED / 2 * (good + self._failures):
            self._failing = True
        roots = [seconds**_ROOT for seconds in self._holds]
        root = max(sum(roots) / good, 1e-3)
        hold = log(root) / _ROOT
        # The floor is for times that are all alike.
        scatter = max((sum(x * x for x in roots) / good / root**2 - 1) / _ROOT**2, 4e-3)
        spread = scatter / good
        self._scatter += (min(scatter, WILD) - self._scatter) / 4
        # Were they in use all the while? A permit that comes back from a burst has seen a crowd, and no idle hour before it.
        full = self._crowd >= FULL * self.limit * good and 4 * sum(self._holds) >= self.limit * (
            now - self._started_at
        )
        if self._phase == _RESTING:
            self._rest_left -= 1
            self._run = self._run + 1 if full else 0
            changed = abs(hold - self._reference) > log(CHANGED) + 2 * sqrt(spread)
            self._reference = hold if changed else 0.75 * self._reference + 0.25 * hold
            if self.limit != self._base:  # left low by a probe that lost its load
                self._go(self._base, now, inflight, "the probe is over")
            elif self._run >= FULL_BLOCKS and (changed or self._rest_left <= 0) and self._min < self._max:
                self._probe(now, inflight)
            else:
                self._start(now)
            return
        if not full:
            self._relax(2)
            self._go(self._base, now, inflight, "the probe is over")
            return
        self._sides.append((hold, log(self._crowd / good), spread))
        self._phase += 1
        if self._phase == 1:
            self._go(self._low(), now, inflight, "probing")
        elif self._phase == _LOW:
            self._go(self._high(), now, inflight, "probing")
        else:
            self._conclude(now, inflight)

    def _conclude(self, now: float, inflight: int) -> None:
        """All three blocks of a probe are in: move the base, probe once more, or rest."""
        (hold, crowd, spread), (low_hold, low_crowd, low_spread), (again, crowd_again, spread_again) = (
            self._sides
        )
        self._sides.clear()
        self._phase = 0
        self._cycles += 1
        if abs(hold - again) <= log(CHANGED) + 2 * sqrt(spread + spread_again):
            self._stretch += (hold + again) / 2 - low_hold
            self._spread += (crowd + crowd_again) / 2 - low_crowd
            self._noise += (spread + spread_again) / 4 + low_spread
        excess = self._stretch - ELASTICITY * self._spread
        sure = self._spread > 0 and abs(excess) >= CERTAIN * sqrt(self._noise)
        base, elasticity = self._base, self._stretch / (self._spread or 1.0)
        if not sure:
            # Where it has not moved yet it is far off, and probing costs no more than resting.
            if self._rest < _FIRST_REST and self._cycles < (CYCLES if self._lean else 2 * CYCLES):
                self._start(now)
                return
        else:
            lean = -1 if excess > 0 else 0 if self._failing else 1
            if lean == -self._lean:  # it was there: the best is in between
                self._stride = FINE
            gentle = 0.2 if lean < 0 and elasticity < STEEP else COARSE
            base += lean * max(1, int(base * min(self._stride, gentle)))
            self._stride = min(2 * self._stride, COARSE)
            base = max(self._min, min(self._max, base))
        lean = (base > self._base) - (base < self._base)
        self._base = base
        why = f"holds lengthen by the limit to the power of {elasticity:.1f}"
        if lean and lean != -self._lean:
            self._forget()
            self._rest = _FIRST_REST // 2
            self._go(self._high(), now, inflight, why)
        else:
            if sure or self._cycles >= 2 * CYCLES:
                self._forget()
            self._stride = FINE
            self._phase = _RESTING
            self._rest = self._rest_left = max(_FIRST_REST, min(self._rest * 2, _LONGEST_REST))
            self._go(base, now, inflight, why)
        self._lean = lean

    def _probe(self, now: float, inflight: int) -> None:
        self._failing = False
        self._phase = 0
        self._go(self._high(), now, inflight, "probing")

    def _relax(self, blocks: int) -> None:
        """Rest from the next block on."""
        self._phase = _RESTING
        self._rest = self._rest_left = blocks
        self._forget()

    def _forget(self) -> None:
        """Forget what the probes so far have shown."""
        self._sides.clear()
        self._cycles = 0
        self._stretch = self._spread = self._noise = 0.0
        self._failing = False

    def _high(self) -> int:
        return min(self._max, self._base + max(1, self._base // 4))

    def _low(self) -> int:
        quarter = max(1, self._base // 4)
        low = self._base - max(1, self._base // 2 - quarter)
        # Where there is no room above, twice as far below.
        return max(self._min, min(low, self._high() - 2 * quarter))

    def _go(self, limit: int, now: float, inflight: int, why: str) -> None:
        """Set the limit, if it may grow where it would, and let those in flight pass before anything is measured."""
        if limit == self.limit:
            self._start(now)
            return
        if limit > self.limit and 2 * inflight < self.limit:
            self._relax(self._rest)
            self._start(now)
            return
        self.why = f"{why}: {self.limit} -> {limit}"
        self.limit = limit
        self._start(now)
        self._settling = True
        self._left = max(inflight, limit)

    def _start(self, now: float) -> None:
        """Begin to measure a block."""
        self._settling = False
        self._started_at = now
        self._failures = self._crowd = 0
        self._holds.clear()
        far = self._stride == COARSE
        telling = self._scatter / (2 * NOISE if far else NOISE)
        self._left = int(max(FEWEST, (HASTE if far else BLOCK) * self.limit, telling))
        if self._phase == 1:  # the low side is one block for two
            self._left *= 2


def _check(min_limit: int, max_limit: int) -> None:
    if not 1 <= min_limit <= max_limit:
        raise ConfigError(f"limits must be 1 <= min_limit <= max_limit, not {min_limit!r} and {max_limit!r}")
