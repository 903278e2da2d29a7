"""Decides who may use a pool: plain integers, no event loop, no clock.

The rule of the threshold gate: refuse when the permits in use are at or above the limit, which is the threshold
times the pool's size, rounded up. Deciding and reserving are one synchronous step. The trap it avoids: a gate that
looks at the pool, then awaits a connection, admits everybody who looks in between.

Users that are not gated (flag off, or not in the percentage) are counted while they hold a connection and never
refused, so that turning the gate on again finds the true number; they may lift `inflight` above the limit.
"""

from __future__ import annotations

import math
from enum import StrEnum
from fractions import Fraction

from quickwins.core.errors import ConfigError


class RejectReason(StrEnum):
    """Why a gate said no."""

    THRESHOLD = "threshold"
    CLOSED = "closed"


class Gate:
    """Admits or refuses. Belongs to one event loop and to one pool, which binds it to its size.

    Make one with `Gate.threshold(...)`.
    """

    __slots__ = ("_closed", "_max_size", "_threshold", "admitted", "inflight", "limit", "rejected")

    def __init__(self, threshold: float) -> None:
        """Use `Gate.threshold` instead."""
        self._threshold = _checked(threshold)
        self._max_size = 0
        self._closed = False
        self.limit: int | None = None
        self.inflight = 0
        self.admitted = 0
        self.rejected: dict[RejectReason, int] = dict.fromkeys(RejectReason, 0)

    @classmethod
    def threshold(cls, threshold: float = 0.85) -> Gate:
        """Refuse when `threshold` of the pool, rounded up to whole connections, is in use.

        Simple and blunt: bursts of ordinary traffic are refused well below capacity, and the spare connections serve
        nobody under overload.

        Args:
            threshold: Above 0, at most 1; 1.0 never refuses.

        Raises:
            ConfigError: `threshold` is out of range.
        """
        return cls(threshold)

    @property
    def max_size(self) -> int:
        """The size of the pool it is bound to; 0 before that."""
        return self._max_size

    def bind(self, max_size: int) -> None:
        """Tell the gate the size of its pool.

        Raises:
            ConfigError: It is bound already: two pools would share one count.
        """
        if self._max_size:
            raise ConfigError("this gate is bound to a pool already; make one gate for each pool")
        if max_size < 1:
            raise ConfigError(f"a pool of {max_size} connections cannot be gated")
        self._max_size = max_size
        self.reconfigure(self._threshold)

    def reconfigure(self, threshold: float) -> None:
        """Take a new threshold; permits in use stay in use."""
        self._threshold = _checked(threshold)
        self.limit = None if threshold >= 1 else limit_of(threshold, self._max_size)

    def try_admit(self) -> RejectReason | None:
        """Reserve a permit now, or say why not. Each permit is given back by one `release`.

        Raises:
            ConfigError: The gate is not bound to a pool.
        """
        if not self._max_size:
            raise ConfigError("this gate is not bound to a pool: give it to a GatedPool")
        if self._closed:
            reason = RejectReason.CLOSED
        elif self.limit is not None and self.inflight >= self.limit:
            reason = RejectReason.THRESHOLD
        else:
            self.inflight += 1
            self.admitted += 1
            return None
        self.rejected[reason] += 1
        return reason

    def count(self) -> None:
        """Count a user that was not asked; given back by one `release` like any other."""
        self.inflight += 1

    def release(self) -> None:
        """Give a permit back."""
        self.inflight -= 1

    def close(self) -> None:
        """Refuse everybody from now on."""
        self._closed = True


def limit_of(threshold: float, max_size: int) -> int:
    """The smallest whole number of connections that is at least `threshold` of `max_size`."""
    # As people wrote it: 0.07 * 100 is 7.000000000000001 in binary, and 0.07 of 100 is 7.
    return math.ceil(Fraction(str(threshold)) * max_size)


def _checked(threshold: float) -> float:
    if not 0 < threshold <= 1:
        raise ConfigError(f"threshold must be above 0 and at most 1, not {threshold!r}")
    return threshold
