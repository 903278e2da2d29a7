"""How many retries there may be: a share of the calls, so that an outage of everything stays nearly as cheap as none.

The rule: each call deposits `ratio` tokens, each retry takes one, and there are never more tokens than the calls of the last
few seconds have deposited, or `RESERVE` if that is more. So after the first burst there are at most `1 + ratio` attempts for
each call, while a connection that breaks under many calls is paid for by the calls of before.

Source: Finagle's RetryBudget (deposits that expire); gRFC A6 has tokens too, but a fixed number of them.
"""

from __future__ import annotations

WINDOW_SECONDS = 5.0
"""Deposits count for one to two of these."""

RESERVE = 10.0
"""What a service has that has only just begun, or has few calls."""


class RetryBudget:
    """Tokens for retries. `now` is monotonic seconds and never goes back.

    Attributes:
        ratio: Tokens for each call; 0: there are none, and no reserve either.
        tokens: How many there are.
    """

    __slots__ = ("_before", "_earned", "_turns_at", "ratio", "tokens")

    def __init__(self, ratio: float) -> None:
        self.ratio = ratio
        self.tokens = self._reserve
        self._earned = 0.0
        self._before = 0.0
        self._turns_at = 0.0

    @property
    def _reserve(self) -> float:
        return RESERVE if self.ratio > 0 else 0.0

    def deposit(self, now: float) -> None:
        """There is one more call."""
        if now >= self._turns_at:
            self._turn(now)
        ratio = self.ratio
        earned = self._earned = self._earned + ratio
        tokens = self.tokens + ratio
        # Each call comes by here: no further call unless there are as many as there may be.
        self.tokens = tokens if tokens <= earned else min(tokens, self._most())

    def withdraw(self, now: float) -> bool:
        """Take a token for a retry; whether there was one."""
        if now >= self._turns_at:
            self._turn(now)
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True

    def reconfigure(self, ratio: float) -> None:
        """Go on with another ratio."""
        self.ratio = ratio
        self.tokens = min(max(self.tokens, self._reserve if ratio else 0.0), self._most())

    def _most(self) -> float:
        return max(self._reserve, self._before + self._earned)

    def _turn(self, now: float) -> None:
        """Begin another window."""
        missed = now - self._turns_at >= WINDOW_SECONDS
        self._before = 0.0 if missed else self._earned
        self._earned = 0.0
        self._turns_at = now + WINDOW_SECONDS
        self.tokens = min(self.tokens, self._most())
