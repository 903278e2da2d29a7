"""What a channel counts, in plain numbers; Prometheus and `stats()` read them when somebody asks."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING

from quickwins.channels import metrics
from quickwins.channels.config import CODES, Mode
from quickwins.channels.stats import MemberState, SwitchReason
from quickwins.core.metrics import Reading, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class RetryOutcome(StrEnum):
    """How a further attempt ended."""

    RECOVERED = "recovered"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Counts:
    """The numbers of one channel.

    Attributes:
        requests: Ended calls by code.
        switched: Replaced connections by reason.
        retries: Further attempts by outcome.
        budget_denied: Failures without a token.
        ejections: Ejected members.
        rotated: Members replaced for their age or on request.
        not_rotated: Those that stayed, since no new connection could be made.
        drains: How long replaced connections stayed open.
        states: Tells each connection's state.
        inflight: Tells how many calls are under way.
        mode: Tells the one in effect; `None` before the first use.
    """

    __slots__ = (
        "__weakref__", "budget_denied", "drains", "ejections", "inflight", "mode", "not_rotated", "requests", "retries",
        "rotated", "states", "switched",
    )  # fmt: skip

    def __init__(
        self,
        states: Callable[[], Iterable[MemberState]],
        inflight: Callable[[], int],
        mode: Callable[[], Mode | None],
    ) -> None:
        self.requests: dict[str, int] = dict.fromkeys(("OK", *sorted(CODES)), 0)
        self.switched: dict[SwitchReason, int] = dict.fromkeys(SwitchReason, 0)
        self.retries: dict[RetryOutcome, int] = dict.fromkeys(RetryOutcome, 0)
        self.budget_denied = 0
        self.ejections = 0
        self.rotated = 0
        self.not_rotated = 0
        self.drains = Tally(metrics.DRAIN)
        self.states = states
        self.inflight = inflight
        self.mode = mode


def _members(counts: Counts) -> dict[tuple[str, ...], int]:
    found = Counter(counts.states())
    return {(state,): found[state] for state in MemberState}


READINGS = (
    Reading(metrics.REQUESTS, lambda counts: {(code,): n for code, n in counts.requests.items()}),
    Reading(metrics.SWITCHED, lambda counts: {(reason,): n for reason, n in counts.switched.items()}),
    Reading(metrics.RETRIES, lambda counts: {(outcome,): n for outcome, n in counts.retries.items()}),
    Reading(metrics.BUDGET_DENIED, lambda counts: {(): counts.budget_denied}),
    Reading(metrics.EJECTIONS, lambda counts: {(): counts.ejections}),
    Reading(
        metrics.ROTATIONS,
        lambda counts: {("replaced",): counts.rotated, ("kept",): counts.not_rotated},
    ),
    Reading(metrics.MEMBERS, _members),
    Reading(metrics.INFLIGHT, lambda counts: {(): counts.inflight()}),
    Reading(metrics.DRAIN, lambda counts: {(): counts.drains}),
    Reading(
        metrics.MODE,
        lambda counts: {(mode,): int(mode is counts.mode()) for mode in Mode if mode is not Mode.AUTO},
    ),
)
"""How the series are read."""
