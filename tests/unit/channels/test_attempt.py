"""An attempt ends once, whoever says so first and however often gRPC does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from quickwins.channels._calls.attempt import Attempt
from quickwins.channels._core.health import Health
from quickwins.channels._counts import Counts
from quickwins.channels._native import OK, UNTOLD, Outcome


class Landed:
    """A pool that only counts."""

    def __init__(self) -> None:
        self.inflight = 0
        self.counts = Counts(list, int, lambda: None)
        self.outcomes: list[Outcome] = []

    def landed(self, attempt: Attempt, outcome: Outcome) -> None:
        assert attempt.ended
        self.outcomes.append(outcome)


class Call:
    """A native call that is fine, as gRPC's own object below it says."""

    def is_ok(self) -> bool:
        return True

    _cython_call = property(lambda self: self)


def attempt(pool: Landed) -> Attempt:
    member: Any = SimpleNamespace(inflight=0, health=Health())
    method: Any = None
    made = Attempt(pool, member, method, telling=True)
    assert (pool.inflight, member.inflight) == (1, 1)
    return made


def test_a_call_of_which_grpc_says_twice_that_it_has_ended_is_counted_once() -> None:
    pool = Landed()
    one = attempt(pool)
    one(Call())
    one(Call())
    assert pool.outcomes == [OK]
    assert pool.counts.requests["OK"] == 1


def test_what_its_caller_knew_first_stays() -> None:
    pool = Landed()
    one = attempt(pool)
    one.end(UNTOLD)
    one(Call())
    assert pool.outcomes == [UNTOLD]
    assert (pool.counts.requests["UNKNOWN"], pool.counts.requests["OK"]) == (1, 0)
