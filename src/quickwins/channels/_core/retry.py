"""Whether a call that failed is tried again on another member, and when.

The rule, first match wins:

1. the caller has left, or has seen something of the answer             -> no: it is theirs
2. the method is not declared idempotent                               -> no: the server may have run it
3. the server said when (`grpc-retry-pushback-ms`, gRFC A6)             -> then, if it can be read and is bearable, else no
4. a code that is not retried; RESOURCE_EXHAUSTED without 3             -> no
5. all attempts are used, or the deadline would pass meanwhile          -> no
6. no token is left in the budget                                      -> no, and that is counted
7. else                                                                -> yes, after an exponential backoff with full jitter

CANCELLED is retried like UNAVAILABLE when it is not the caller's: a server that stops answers so to calls that it never ran.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from quickwins.core.clock import backoff_seconds

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from quickwins.channels._core.budget import RetryBudget
    from quickwins.core.clock import Chance

CANCELLED = "CANCELLED"
DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
UNAVAILABLE = "UNAVAILABLE"

_MOST_DIGITS = 12


class Stop(Enum):
    """Why there is no further attempt."""

    NOT_RETRIED = auto()
    """The code, the method or the server says so."""
    ATTEMPTS = auto()
    DEADLINE = auto()
    BUDGET = auto()


@dataclass(frozen=True, slots=True)
class RetryRule:
    """What holds for every call of a pool; see `PoolConfig`."""

    max_attempts: int
    backoff_base_seconds: float
    backoff_max_seconds: float
    max_pushback_seconds: float


def pushback_seconds(trailers: Sequence[str | bytes]) -> float | None:
    """What the server's trailers say: seconds to wait; `None` for never, which is also what cannot be read.

    Args:
        trailers: The values of `grpc-retry-pushback-ms`, at least one.
    """
    value = trailers[0] if len(trailers) == 1 else ""
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS:
        return int(text) / 1000
    return None


def next_attempt(
    *,
    code: str,
    trailers: Sequence[str | bytes],
    codes: Collection[str],
    made: int,
    rule: RetryRule,
    left_seconds: float | None,
    budget: RetryBudget,
    now: float,
    rng: Chance,
) -> float | Stop:
    """How long to wait before the next attempt of an idempotent call of which nobody has seen anything, or why there is none.

    Args:
        code: The status that the last attempt ended with.
        trailers: The values of `grpc-retry-pushback-ms`; empty: the server said nothing.
        codes: Which are retried.
        made: Attempts so far.
        rule: The pool's.
        left_seconds: Until the call's deadline; `None`: it has none.
        budget: Pays.
        now: Monotonic seconds.
        rng: For the jitter.
    """
    if trailers:
        wait = pushback_seconds(trailers)
        if (
            wait is None
            or wait > rule.max_pushback_seconds
            or (code not in codes and code != RESOURCE_EXHAUSTED)
        ):
            return Stop.NOT_RETRIED
    elif code == CANCELLED or (code in codes and code != RESOURCE_EXHAUSTED):
        wait = backoff_seconds(
            made - 1, base_seconds=rule.backoff_base_seconds, cap_seconds=rule.backoff_max_seconds, rng=rng
        )
    else:
        return Stop.NOT_RETRIED
    if made >= rule.max_attempts:
        return Stop.ATTEMPTS
    if left_seconds is not None and wait >= left_seconds:
        return Stop.DEADLINE
    return wait if budget.withdraw(now) else Stop.BUDGET
