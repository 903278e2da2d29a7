"""Evidence that a cohort is worse, which may be looked at after every request.

The question is always the same: of `trials` events, `hits` were the canary's. Were it as good as what it is compared with,
each would be its with probability `share` at most. Against the control: the trials are the slow requests of both cohorts
together, and the share is the canary's share of all requests. Against a stored baseline: the trials are all requests of the
canary, and the share is how many of them were slow then.

The rule: bet one coin on "it is R times as often", for several R. The coins are multiplied by R for each hit and divided by
1 + share * (R - 1) for each trial, so that on average nothing is won while the canary is as good: a supermartingale, which
ever reaches 1 / alpha with probability alpha at most, however often one looks (Ville's inequality; Wald's sequential
probability ratio test; Waudby-Smith & Ramdas, "Estimating means of bounded random variables by betting", 2024). Given how
many of both cohorts were slow, the canary's number is hypergeometric, for which the same bet wins even less (Hoeffding 1963).

The trap: a week of health is a debt that later harm has to pay off first. So there is a second purse, which starts over
every `EPOCH` requests, each time with a smaller part of alpha, so that all of them together risk no more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

EPOCH = 2000
"""Requests of the canary after which the second purse starts over."""
EXCLUDED = math.log(20)
"""Harm of `HARM` times is excluded at 5 %."""
HARM = 1.5
_MOST_SPARED = 2 * EXCLUDED
"""What health counts at most: harm that begins later must show within as many requests as it took to exclude it."""


@dataclass(frozen=True, slots=True)
class Purse:
    """What the bets have won, and on how much.

    Attributes:
        logs: The logarithm of each coin, by ratio.
        requests: Of the canary.
        hits: Of the canary.
    """

    logs: tuple[float, ...]
    requests: int = 0
    hits: int = 0

    def bet(self, ratios: tuple[float, ...], *, requests: int, hits: int, trials: int, share: float) -> Purse:
        """After these events."""
        won = (
            log + hits * math.log(ratio) - trials * math.log1p(share * (ratio - 1))
            for log, ratio in zip(self.logs, ratios, strict=True)
        )
        return Purse(tuple(won), self.requests + requests, self.hits + hits)

    @property
    def log(self) -> float:
        """The logarithm of what all coins together are worth."""
        top = max(self.logs)
        return top + math.log(sum(math.exp(log - top) for log in self.logs) / len(self.logs))

    @property
    def rate(self) -> float:
        """The canary's hits for each of its requests."""
        return self.hits / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """For and against harm, since the step began.

    Attributes:
        ratios: How many times as often; what is bet on.
        whole: Since the step began.
        recent: Of this epoch.
        epoch: Counts from 1.
        spared: The logarithm of how much better "no harm" explains what was seen than "harm of 1.5 times"; bounded.
    """

    ratios: tuple[float, ...]
    whole: Purse
    recent: Purse
    epoch: int = 1
    spared: float = 0.0

    @classmethod
    def none(cls, ratios: tuple[float, ...]) -> Evidence:
        """Nothing seen yet."""
        purse = Purse((0.0,) * len(ratios))
        return cls(ratios, purse, purse)

    def seen(self, *, requests: int, hits: int, trials: int, share: float) -> Evidence:
        """After these events of the canary and what it is compared with."""
        if not 0 < share < 1:
            return self
        recent, epoch = self.recent, self.epoch
        if recent.requests >= EPOCH:
            recent, epoch = Purse((0.0,) * len(self.ratios)), epoch + 1
        bet = partial(Purse.bet, ratios=self.ratios, requests=requests, hits=hits, trials=trials, share=share)
        spared = self.spared - hits * math.log(HARM) + trials * math.log1p(share * (HARM - 1))
        return replace(
            self,
            whole=bet(self.whole),
            recent=bet(recent),
            epoch=epoch,
            spared=min(_MOST_SPARED, max(-_MOST_SPARED, spared)),
        )

    def proof(self, alpha: float, *, rate_at_least: float = 0.0) -> float | None:
        """How strong the proof of harm is, as a logarithm; `None`: there is none at `alpha`.

        Args:
            alpha: The probability of a false alarm, ever.
            rate_at_least: The canary's own rate below which nothing counts as harm.
        """
        again = alpha * 0.1 * 6 / (math.pi * self.epoch) ** 2
        for purse, risk in ((self.whole, alpha * 0.9), (self.recent, again)):
            if purse.log >= -math.log(risk) and purse.rate >= rate_at_least:
                return purse.log
        return None

    @property
    def excluded(self) -> bool:
        """Whether harm is."""
        return self.spared >= EXCLUDED


def excluded_above(spared: float, *, requests: int, hits: int, most: float) -> float:
    """`spared` for a rate by itself: how much better `most / 2` explains it than `most`; bounded."""
    low = most / 2
    log = hits * math.log(low / most) + (requests - hits) * math.log((1 - low) / (1 - most))
    return min(_MOST_SPARED, max(-_MOST_SPARED, spared + log))
