"""A ramp's decisions as lines of an audit file, each with all its numbers, and the same decisions once more from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quickwins.rollout._core.decide import Decision, decide
from quickwins.rollout._core.facts import FACTS, Facts
from quickwins.rollout._core.state import STATE, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

LOOKED = "rollout.looked"
ASKED = "rollout.asked"
QUIET_SECONDS = 60.0
"""A look that says the same as the one before has a line this often."""


def line_of(before: State, facts: Facts, now: float, decision: Decision, *, holder: str) -> dict[str, object]:
    """The line of one decision."""
    after = decision.state
    return {
        "at": now,
        "event": LOOKED,
        "feature": before.feature,
        "holder": holder,
        "verdict": str(decision.verdict),
        "reason": str(decision.reason),
        "detail": decision.detail,
        "phase": str(after.phase),
        "percent": before.percent,
        "write": None if after.intent is None else after.intent.percent,
        "state": STATE.dump_python(before, mode="json"),
        "facts": FACTS.dump_python(facts, mode="json"),
    }


@dataclass(frozen=True, slots=True)
class Replayed:
    """One decision of an audit file, and the one that its numbers lead to now.

    Attributes:
        at: When it was made, in wall seconds.
        feature: Whose ramp.
        then: Its verdict and reason then.
        now: And now.
    """

    at: float
    feature: str
    then: str
    now: str

    @property
    def same(self) -> bool:
        """Whether they are."""
        return self.then == self.now


def replayed(records: Iterable[Mapping[str, Any]], feature: str) -> Iterator[Replayed]:
    """Every decision about `feature` once more. Lines that are none, or that can't be read, are left out."""
    for record in records:
        if record.get("event") != LOOKED or record.get("feature") != feature:
            continue
        try:
            state = STATE.validate_python(record["state"])
            facts = FACTS.validate_python(record["facts"])
            at = float(record["at"])
            then = _said(record["verdict"], record["reason"], record["write"])
        except (ValueError, KeyError, TypeError):
            continue
        decision = decide(state, facts, at)
        intent = decision.state.intent
        now = _said(str(decision.verdict), str(decision.reason), None if intent is None else intent.percent)
        yield Replayed(at, feature, then, now)


def _said(verdict: str, reason: str, write: float | None) -> str:
    wrote = "" if write is None else f", write {write:g} %"
    return f"{verdict} ({reason}){wrote}"
