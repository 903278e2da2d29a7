"""The decision core as a threshold gate: what it admits, whatever comes in whatever order."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from quickwins.backpressure import Gate, GateKind, RejectReason
from quickwins.backpressure._core.gate import GateCore
from quickwins.backpressure._core.verdict import ADMITTED
from quickwins.backpressure.rule import Rule, limit_of
from quickwins.core.errors import ConfigError
from tests.unit.backpressure.asking import ask

DECIMALS = st.integers(1, 6).flatmap(
    lambda digits: st.integers(1, 10**digits).map(lambda number: f"{number / 10**digits:.{digits}f}")
)
SIZES = st.integers(1, 1_000)


NOW = 0.0


def rule_of(threshold: float) -> Rule:
    return Rule(GateKind.THRESHOLD, threshold)


def bound(threshold: float, max_size: int) -> GateCore:
    return GateCore(rule_of(threshold), max_size)


@given(written=DECIMALS, size=SIZES)
def test_the_limit_is_the_exact_share_of_the_written_decimal_rounded_up(written: str, size: int) -> None:
    assert limit_of(float(written), size) == math.ceil(Fraction(written) * size)


@pytest.mark.parametrize(
    ("threshold", "size", "limit"),
    [
        pytest.param(0.85, 10, 9, id="the default on ten"),
        pytest.param(0.07, 100, 7, id="a product that binary fractions lift over a whole number"),
        pytest.param(0.1, 30, 3, id="a product that binary fractions round to a whole number"),
        pytest.param(0.5000000001, 10, 6, id="just above a whole number"),
        pytest.param(1e-12, 5, 1, id="never zero: a pool that serves nobody is not a setting"),
        pytest.param(0.999, 10, 10, id="rounded up to the whole pool"),
    ],
)
def test_known_limits(threshold: float, size: int, limit: int) -> None:
    assert bound(threshold, size).limit == limit


def test_nine_of_ten_are_admitted_and_the_tenth_is_told_why() -> None:
    gate = bound(0.85, 10)
    answers = [ask(gate, NOW) for _ in range(12)]
    assert answers == [ADMITTED] * 9 + [RejectReason.THRESHOLD] * 3
    assert (gate.inflight, gate.admitted) == (9, 9)


def test_a_permit_given_back_is_admitted_again() -> None:
    gate = bound(0.5, 2)
    assert ask(gate, NOW) is ADMITTED
    assert ask(gate, NOW) is RejectReason.THRESHOLD
    gate.release(NOW)
    assert ask(gate, NOW) is ADMITTED


@given(size=SIZES, users=st.integers(0, 50))
def test_a_threshold_of_one_never_refuses(size: int, users: int) -> None:
    gate = bound(1.0, size)
    assert gate.limit is None
    assert {ask(gate, NOW) for _ in range(size + users)} == {ADMITTED}


def test_a_closed_gate_refuses_everybody_even_when_it_would_never_refuse() -> None:
    gate = bound(1.0, 10)
    gate.close(NOW)
    assert ask(gate, NOW) is RejectReason.CLOSED


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.0000001, math.nan, math.inf, -math.inf])
def test_a_threshold_out_of_range_is_refused_when_made_and_when_changed(threshold: float) -> None:
    with pytest.raises(ConfigError, match="above 0 and at most 1"):
        Gate.threshold(threshold)
    gate = bound(0.5, 10)
    with pytest.raises(ConfigError, match="above 0 and at most 1"):
        gate.reconfigure(rule_of(threshold), NOW)
    assert gate.limit == 5


@pytest.mark.parametrize("size", [0, -1, 2.5, True, "5", None])
def test_only_a_whole_number_of_permits_can_be_gated(size: Any) -> None:
    with pytest.raises(ConfigError, match=r"size=.* is not allowed: a whole number of permits, at least 1"):
        bound(0.5, size)


class GateMachine(RuleBasedStateMachine):
    """Any order of admissions, releases, ungated users and live changes against a model of sets."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = bound(0.85, 10)
        self.size = 0
        self.admitted = 0
        self.released = 0
        self.gated_held = 0
        self.ungated_held = 0
        self.closed = False

    @initialize(size=st.integers(1, 20), written=DECIMALS)
    def begin(self, size: int, written: str) -> None:
        self.gate = bound(float(written), size)
        self.size = size
        self.written = Fraction(written)

    @property
    def inflight(self) -> int:
        return self.gated_held + self.ungated_held

    @property
    def limit(self) -> float:
        return math.inf if self.written == 1 else math.ceil(self.written * self.size)

    @rule()
    def ask(self) -> None:
        answer = ask(self.gate, NOW)
        if self.closed:
            assert answer is RejectReason.CLOSED
        elif self.inflight >= self.limit:
            assert answer is RejectReason.THRESHOLD
        else:
            assert answer is ADMITTED
            self.admitted += 1
            self.gated_held += 1

    @rule()
    def come_ungated(self) -> None:
        self.gate.count()
        self.ungated_held += 1

    @precondition(lambda self: self.gated_held)
    @rule()
    def give_back(self) -> None:
        self.gate.release(NOW)
        self.gated_held -= 1
        self.released += 1

    @precondition(lambda self: self.ungated_held)
    @rule()
    def leave_ungated(self) -> None:
        self.gate.release(NOW)
        self.ungated_held -= 1

    @rule(written=DECIMALS)
    def change(self, written: str) -> None:
        self.gate.reconfigure(rule_of(float(written)), NOW)
        self.written = Fraction(written)

    @rule()
    def drain(self) -> None:
        for _ in range(self.inflight):
            self.gate.release(NOW)
        self.released += self.gated_held
        self.gated_held = self.ungated_held = 0
        if not self.closed:
            assert ask(self.gate, NOW) is ADMITTED, (
                "an idle gate admits, whatever was changed while it was busy"
            )
            self.gate.release(NOW)
            self.admitted += 1
            self.released += 1

    @precondition(lambda self: self.inflight > 3)
    @rule()
    def close(self) -> None:
        self.gate.close(NOW)
        self.closed = True

    @invariant()
    def the_books_balance(self) -> None:
        assert self.gate.inflight == self.inflight
        assert self.gate.admitted == self.admitted == self.released + self.gated_held
        assert self.gate.limit == (None if self.limit == math.inf else self.limit)


TestGateMachine = GateMachine.TestCase
