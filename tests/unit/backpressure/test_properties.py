"""Every kind of gate with priorities and tenants, in any order of everything: what must hold whatever happens."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from quickwins.backpressure import GateKind, Priority, RejectReason
from quickwins.backpressure._core.gate import GateCore
from quickwins.backpressure._core.line import Waiter
from quickwins.backpressure._core.tenants import Tenant
from quickwins.backpressure._core.verdict import ADMITTED, Ending, Verdict
from quickwins.backpressure.rule import Rule
from tests.soak import times
from tests.unit.backpressure.asking import ask

SECONDS = [0.0, 0.001, 0.01, 0.05, 0.1, 0.5, 2.0]
SHARES = [0.0, 0.1, 0.5, 0.9]
KEYS = [None, "a", "b", "c", "d"]
SIZES = range(1, 13)
OF_A_RULE: dict[str, Sequence[Any]] = {
    "kind": [*GateKind],
    "threshold": [0.3, 0.85, 1.0],
    "target_seconds": [0.01, 0.05],
    "interval_seconds": [0.1, 0.5],
    "queue_size": range(13),
    "min_limit": range(1, 4),
    "reserved_critical": SHARES,
    "reserved_normal": SHARES,
    "floor": [0.0, 0.05, 0.25, 0.5],
    "tenants": [0, 0, 1, 2, 5],
}
RULES = st.builds(Rule, **{name: st.sampled_from(values) for name, values in OF_A_RULE.items()})
PLACES = st.integers(0, 99)


class AnyGate(RuleBasedStateMachine):
    """Asks, holds, leaves, lets time pass and changes the rule, and keeps books of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.core = GateCore(Rule(GateKind.QUEUE), 1)
        self.now = 0.0
        self.in_line: dict[Waiter, None] = {}  # in order of coming: a set would have a new one each time
        self.held: list[Tenant | None] = []
        self.ungated = self.admitted = self.released = self.timed_out = 0

    @initialize(size=st.sampled_from(SIZES), rule=RULES)
    def begin(self, size: int, rule: Rule) -> None:
        self.core = GateCore(rule, size)

    def limit_of(self, priority: Priority) -> float:
        return self.core._limits[priority]

    def tell(self, ended: Sequence[Waiter]) -> None:
        for waiter in ended:
            assert waiter in self.in_line, "each waiter ends once"
            del self.in_line[waiter]
            if waiter.verdict is ADMITTED:
                self.admitted += 1
                self.held.append(waiter.tenant)
                if self.core.rule.tenants == 0 and waiter.tenant is None:
                    self.check_order(waiter)
            elif waiter.verdict is Verdict.TIMED_OUT:
                assert waiter.deadline_at <= self.now
                self.timed_out += 1
            else:
                assert isinstance(waiter.verdict, RejectReason)

    def check_order(self, admitted: Waiter) -> None:
        line = self.core._lines[admitted.priority]
        if not line.overloaded:
            assert all(admitted.since <= waiter.since for waiter in line), "overtaken"

    @rule(
        left=st.sampled_from([math.inf, *SECONDS]),
        priority=st.sampled_from(Priority),
        key=st.sampled_from(KEYS),
    )
    def ask(self, left: float, priority: Priority, key: str | None) -> None:
        core = self.core
        free = core.inflight < self.limit_of(priority)
        tenant = core.tenant(key, self.now)
        was_closed, was_waiting = core.closed, core.waiting
        answer = ask(core, self.now, self.now + left, priority, tenant)
        if answer is ADMITTED:
            assert free, "never admitted at the limit"
            self.admitted += 1
            self.held.append(tenant)
        elif isinstance(answer, Waiter):
            assert not free
            assert core.rule.has_line
            assert left > 0
            if answer.displaced is not None:
                assert answer.displaced.verdict in {RejectReason.PRIORITY, RejectReason.TENANT}
                assert answer.displaced.priority >= priority
                self.tell([answer.displaced])
                assert core.waiting == was_waiting
            self.in_line[answer] = None
        else:
            assert isinstance(answer, RejectReason)
            assert was_closed == (answer is RejectReason.CLOSED)
            assert was_closed or not free or answer is RejectReason.TENANT

    @rule()
    def come_ungated(self) -> None:
        self.core.count()
        self.ungated += 1

    @precondition(lambda self: self.held)
    @rule(place=PLACES, ending=st.sampled_from(Ending), seconds=st.sampled_from(SECONDS))
    def give_back(self, place: int, ending: Ending, seconds: float) -> None:
        tenant = self.held.pop(place % len(self.held))
        self.released += 1
        self.tell(self.core.release(self.now, ending, seconds, tenant))

    @precondition(lambda self: self.ungated)
    @rule()
    def leave_ungated(self) -> None:
        self.ungated -= 1
        self.tell(self.core.release(self.now))

    @precondition(lambda self: self.in_line)
    @rule(place=PLACES)
    def go_away(self, place: int) -> None:
        waiter = list(self.in_line)[place % len(self.in_line)]
        del self.in_line[waiter]
        self.tell(self.core.cancel(waiter, self.now))

    @rule(seconds=st.sampled_from(SECONDS), rings=st.booleans())
    def time_passes(self, seconds: float, rings: bool) -> None:
        self.now += seconds
        if rings:
            self.tell(self.core.tick(self.now))
            assert self.core.next_tick() > self.now, "what was due was done"

    @rule(rule=RULES)
    def change(self, rule: Rule) -> None:
        self.tell(self.core.reconfigure(rule, self.now))

    @rule()
    def close(self) -> None:
        if self.now > 2:  # not at once: there would be nothing to see
            self.tell(self.core.close(self.now))
            assert not self.in_line

    @invariant()
    def permits_are_free_or_somebody_holds_them(self) -> None:
        core = self.core
        assert core.inflight == len(self.held) + self.ungated
        assert core.admitted == self.admitted == self.released + len(self.held)
        counts = Counter(tenant for tenant in self.held if tenant is not None)
        assert all(tenant.inflight == count for tenant, count in counts.items())

    @invariant()
    def nobody_waits_while_a_permit_is_free_for_them(self) -> None:
        for priority, line in zip(Priority, self.core._lines, strict=True):
            assert not len(line) or self.core.inflight >= self.limit_of(priority)

    @invariant()
    def who_waits_is_in_line_and_the_rest_are_counted(self) -> None:
        core = self.core
        assert core.waiting == len(self.in_line) == sum(len(line) for line in core._lines)
        assert set(self.in_line) == {waiter for line in core._lines for waiter in line}
        assert core.timed_out == self.timed_out

    @invariant()
    def the_limit_is_within_its_bounds(self) -> None:
        core = self.core
        if core.rule.kind is GateKind.ADAPTIVE:
            assert core.limit is not None
            assert min(core.rule.min_limit, core.max_size) <= core.limit <= core.max_size
        if core.limit is not None:
            assert core.limit <= core.max_size
            critical, normal, sheddable = core._limits
            assert core.closed or 1 <= sheddable <= normal <= critical <= core.max_size

    def teardown(self) -> None:
        """Let everybody go, wherever it stands."""
        while self.held or self.ungated:
            if self.held:
                self.released += 1
                self.tell(self.core.release(self.now, Ending.DONE, 0.01, self.held.pop()))
            else:
                self.leave_ungated()
        assert not self.in_line, "somebody waits while every permit is free"
        assert self.core.inflight == 0
        assert self.core.next_tick() == math.inf


TestAnyGate = AnyGate.TestCase


def any_rule(chance: Random) -> Rule:
    return Rule(**{name: chance.choice(values) for name, values in OF_A_RULE.items()})


STEPS: Sequence[Callable[[AnyGate, Random], None]] = [
    lambda gate, chance: gate.ask(
        chance.choice([math.inf, *SECONDS]), chance.choice([*Priority]), chance.choice(KEYS)
    ),
    lambda gate, _: gate.come_ungated(),
    lambda gate, chance: (
        gate.give_back(chance.randrange(100), chance.choice([*Ending]), chance.choice(SECONDS))
        if gate.held
        else None
    ),
    lambda gate, _: gate.leave_ungated() if gate.ungated else None,
    lambda gate, chance: gate.go_away(chance.randrange(100)) if gate.in_line else None,
    lambda gate, chance: gate.time_passes(chance.choice(SECONDS), chance.random() < 0.5),
    lambda gate, chance: gate.change(any_rule(chance)),
    lambda gate, chance: gate.close() if chance.random() < 0.1 else None,
]


@pytest.mark.volume
def test_so_it_is_in_a_hundred_thousand_steps() -> None:
    """By chance alone: of a step that Hypothesis chooses nine tenths are choosing it."""
    for seed in range(times(1_200, soak=60_000)):
        chance = Random(seed)
        weights = [
            chance.choice([0, 1, 1, 4]) for _ in STEPS
        ]  # what is rare in one history is frequent in another
        weights[0] = max(1, weights[0])
        gate = AnyGate()
        gate.begin(chance.choice(SIZES), any_rule(chance))
        for step in chance.choices(STEPS, weights, k=100):
            step(gate, chance)
            gate.permits_are_free_or_somebody_holds_them()
            gate.nobody_waits_while_a_permit_is_free_for_them()
            gate.who_waits_is_in_line_and_the_rest_are_counted()
            gate.the_limit_is_within_its_bounds()
        gate.teardown()
