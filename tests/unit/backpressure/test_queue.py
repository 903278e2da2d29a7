"""The decision core as a queue gate, in virtual time: its transitions one by one, and then in any order."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from quickwins.backpressure import GateKind, RejectReason
from quickwins.backpressure._core.gate import GateCore
from quickwins.backpressure._core.line import Waiter
from quickwins.backpressure._core.verdict import ADMITTED, Ending, Verdict
from quickwins.backpressure.rule import Priority, Rule
from tests.unit.backpressure.asking import ask

TARGET = 0.05
INTERVAL = 0.5
CALM = Rule(GateKind.QUEUE, target_seconds=TARGET, interval_seconds=INTERVAL, queue_size=100)


def full(size: int = 2, rule: Rule = CALM) -> GateCore:
    """A gate whose permits are all in use."""
    core = GateCore(rule, size)
    assert [ask(core, 0.0) for _ in range(size)] == [ADMITTED] * size
    return core


def waiting(core: GateCore, now: float, deadline_at: float = math.inf) -> Waiter:
    waiter = ask(core, now, deadline_at)
    assert isinstance(waiter, Waiter)
    return waiter


def overloaded(size: int = 1) -> tuple[GateCore, float]:
    """A full gate whose line has just been found stale and has one fresh waiter in it, and the time."""
    core = full(size)
    waiting(core, 0.0)
    now = TARGET + INTERVAL
    waiting(core, now)
    core.tick(now)
    assert core.overloaded
    assert core.waiting == 1
    return core, now


def test_every_permit_is_used_before_anybody_waits() -> None:
    core = full(10)
    waiting(core, 0.0)
    assert (core.inflight, core.admitted, core.waiting) == (10, 10, 1)


def test_by_default_twice_the_pool_may_wait_and_the_next_is_told_that_the_line_is_full() -> None:
    core = full(3, Rule(GateKind.QUEUE))
    answers = [ask(core, 0.0) for _ in range(8)]
    assert [isinstance(answer, Waiter) for answer in answers] == [True] * 6 + [False] * 2
    assert answers[6:] == [RejectReason.QUEUE_FULL] * 2


def test_a_released_permit_is_handed_over_so_that_no_newcomer_overtakes() -> None:
    core = full(1)
    first, second = waiting(core, 0.0), waiting(core, 0.01)
    assert core.release(0.02) == [first]
    assert first.verdict is ADMITTED
    assert core.inflight == 1
    assert isinstance(ask(core, 0.02), Waiter), "the permit was not free for a moment"
    assert core.release(0.03) == [second]


def test_a_burst_shorter_than_an_interval_is_served_whole_and_in_order() -> None:
    core = full(1)
    burst = [waiting(core, 0.0) for _ in range(50)]
    now = 0.0
    served: list[Waiter] = []
    while core.waiting:
        now += 0.01
        assert core.next_tick() >= now
        served += core.release(now)
    assert served == burst
    assert now < TARGET + INTERVAL


def test_an_oldest_above_the_target_for_an_interval_is_overload() -> None:
    core = full(1)
    waiting(core, 0.0)
    assert core.next_tick() == TARGET + INTERVAL
    assert core.tick(TARGET + INTERVAL - 0.001) == []
    assert not core.overloaded
    waiting(core, 0.54)
    core.tick(TARGET + INTERVAL)
    assert core.overloaded


def test_an_oldest_that_is_young_again_for_a_moment_starts_the_interval_anew() -> None:
    core = full(1)
    waiting(core, 0.0)
    waiting(core, 0.5)
    core.release(0.52)  # the oldest is 20 ms old now
    core.tick(TARGET + INTERVAL)
    assert not core.overloaded
    assert core.next_tick() == 0.5 + TARGET + INTERVAL


def test_one_after_the_other_above_the_target_is_one_interval() -> None:
    core = full(1)
    for _ in range(20):
        waiting(core, 0.0)
    for now in (0.1, 0.2, 0.3, 0.4, 0.5):
        core.release(now)
    ended = core.tick(TARGET + INTERVAL)
    assert len(ended) == 15
    assert {waiter.verdict for waiter in ended} == {RejectReason.QUEUE_DELAY}


def test_a_frozen_database_releases_nothing_and_still_nobody_waits_for_ever() -> None:
    core = full(2)
    stuck = [waiting(core, 0.0) for _ in range(5)]
    now = core.next_tick()
    assert now == TARGET + INTERVAL
    assert core.tick(now) == stuck
    assert [waiter.verdict for waiter in stuck] == [RejectReason.QUEUE_DELAY] * 5
    assert core.next_tick() == math.inf, "with nobody in line there is nothing to wake up for"


def test_under_overload_the_newest_is_served_and_the_stale_are_refused_when_they_turn_stale() -> None:
    core, now = overloaded()
    old, new = next(iter(core._lines[Priority.NORMAL])), waiting(core, now + 0.04)
    assert core.release(now + 0.045) == [new]
    assert new.verdict is ADMITTED
    assert core.next_tick() == old.since + TARGET
    assert core.tick(core.next_tick()) == [old]
    assert old.verdict is RejectReason.QUEUE_DELAY


def test_serving_the_young_does_not_end_overload_as_long_as_there_is_a_line() -> None:
    core, now = overloaded()
    for _ in range(100):
        now += 0.01
        young = waiting(core, now)
        assert young in core.release(now)
        assert core.overloaded, "the delay of those who are served would have ended it"
        waiting(core, now)
        core.tick(now)


def test_an_empty_line_ends_overload_and_order_returns() -> None:
    core, now = overloaded()
    core.release(now)
    assert not core.overloaded
    first, second = waiting(core, now), waiting(core, now)
    assert core.release(now + 0.01) == [first]
    assert core.release(now + 0.01) == [second]


def test_a_line_that_its_callers_leave_ends_overload_too() -> None:
    core, now = overloaded()
    (last,) = core._lines[Priority.NORMAL]
    core.cancel(last, now)
    assert not core.overloaded


def test_nobody_is_refused_for_the_time_while_a_permit_is_free() -> None:
    core = full(2)
    stale = [waiting(core, 0.0) for _ in range(3)]
    late = 10.0  # the loop was busy: the timer has not run
    ended = core.release(late)
    assert [waiter.verdict for waiter in ended] == [
        ADMITTED,
        RejectReason.QUEUE_DELAY,
        RejectReason.QUEUE_DELAY,
    ]
    assert ended[0] is stale[-1]


def test_nothing_left_is_refused_without_queueing_but_takes_a_free_permit() -> None:
    core = GateCore(CALM, 1)
    assert ask(core, 5.0, 5.0) is ADMITTED
    assert ask(core, 5.0, 5.0) is RejectReason.DEADLINE
    assert core.waiting == 0


def test_before_anything_was_measured_nobody_is_refused_by_estimate() -> None:
    core = full(1)
    for _ in range(50):
        waiting(core, 0.0, 0.001)


@pytest.mark.parametrize(
    ("ahead", "left", "admitted"),
    [
        pytest.param(0, 0.051, True, id="the first place, in time"),
        pytest.param(0, 0.049, False, id="the first place, too late"),
        pytest.param(3, 0.201, True, id="the fourth place, in time"),
        pytest.param(3, 0.199, False, id="the fourth place, too late"),
    ],
)
def test_a_caller_that_cannot_be_served_in_time_is_refused_at_once(
    ahead: int, left: float, admitted: bool
) -> None:
    core = full(2)
    core.release(0.0, Ending.DONE, 0.1)
    ask(core, 0.0)
    for _ in range(ahead):
        waiting(core, 0.0)
    answer = ask(core, 0.0, left)
    assert isinstance(answer, Waiter) if admitted else answer is RejectReason.DEADLINE


def test_under_overload_a_newcomer_is_the_next_one_served() -> None:
    core, now = overloaded()
    core.mean_hold_seconds = 0.1
    waiting(core, now)
    assert core.drain_seconds() == 0.1


def test_the_mean_hold_follows_what_is_measured_and_ignores_what_says_nothing() -> None:
    core = full(3)
    seen = []
    for ending, held_seconds in ((Ending.IGNORED, 9.0), (Ending.DONE, 0.8), (Ending.FAILED, 1.6)):
        core.release(0.0, ending, held_seconds)
        seen.append(core.mean_hold_seconds)
    assert seen == [None, 0.8, pytest.approx(0.9)]


def test_a_deadline_that_passes_in_line_is_a_time_out_and_no_refusal() -> None:
    core = full(1)
    patient, hasty = waiting(core, 0.0), waiting(core, 0.0, 0.02)
    assert core.next_tick() == 0.02
    assert core.tick(0.02) == [hasty]
    assert hasty.verdict is Verdict.TIMED_OUT
    assert core.timed_out == 1
    assert core.release(0.03) == [patient]


def test_a_permit_is_not_handed_to_whose_time_is_up_when_the_timer_is_late() -> None:
    core = full(1)
    hasty, patient = waiting(core, 0.0, 0.02), waiting(core, 0.0)
    assert core.release(0.03) == [hasty, patient]
    assert (hasty.verdict, patient.verdict) == (Verdict.TIMED_OUT, ADMITTED)


def test_a_permit_on_its_way_to_a_waiter_that_has_gone_goes_to_the_next() -> None:
    core = full(1)
    first, second = waiting(core, 0.0), waiting(core, 0.0)
    core.release(0.01)
    assert core.cancel(first, 0.02) == [second]
    assert (second.verdict, core.inflight) == (ADMITTED, 1)


def test_a_waiter_that_was_refused_and_goes_leaves_nothing_behind() -> None:
    core = full(1)
    gone = waiting(core, 0.0)
    core.close(0.0)
    assert core.cancel(gone, 0.0) == ()
    assert core.inflight == 1


def test_closing_refuses_the_line_and_every_newcomer() -> None:
    core = full(1)
    line = [waiting(core, 0.0) for _ in range(3)]
    assert core.close(1.0) == line
    assert {waiter.verdict for waiter in line} == {RejectReason.CLOSED}
    assert core.release(1.0) == ()
    assert ask(core, 1.0) is RejectReason.CLOSED


def test_turned_into_a_threshold_gate_it_still_serves_its_line_and_lets_nobody_else_wait() -> None:
    core = full(4)
    line = [waiting(core, 0.0) for _ in range(2)]
    assert core.reconfigure(Rule(GateKind.THRESHOLD, 0.5), 0.01) == []
    assert (core.limit, core.inflight, core.waiting) == (2, 4, 2)
    assert ask(core, 0.01) is RejectReason.THRESHOLD
    assert [core.release(0.02), core.release(0.02)] == [[], []]
    assert [core.release(0.03), core.release(0.03)] == [[line[0]], [line[1]]]


def test_a_limit_that_grows_admits_from_the_line_at_once() -> None:
    core = full(4)
    core.reconfigure(Rule(GateKind.THRESHOLD, 0.5), 0.0)
    core.reconfigure(CALM, 0.0)
    line = [waiting(core, 0.0) for _ in range(3)]
    assert core.reconfigure(Rule(GateKind.THRESHOLD, 1.0), 0.01) == line
    assert {waiter.verdict for waiter in line} == {ADMITTED}


def test_a_new_target_holds_for_those_in_line() -> None:
    core = full(1)
    waiting(core, 0.0)
    slow = Rule(GateKind.QUEUE, target_seconds=1.0, interval_seconds=2.0)
    assert core.reconfigure(slow, 0.01) == []
    assert core.next_tick() == 3.0


def test_a_reservation_takes_what_is_free_and_nothing_else() -> None:
    core = GateCore(CALM, 2)
    assert [core.reserve(2), core.reserve(2), core.reserve(2)] == [True, True, False]
    assert (core.inflight, core.waiting) == (2, 0)


SECONDS = st.sampled_from([0.0, 0.001, 0.01, 0.03, TARGET, 0.1, 0.3, INTERVAL, 2.0])
RULES = st.one_of(
    st.builds(
        Rule,
        st.just(GateKind.QUEUE),
        target_seconds=st.sampled_from([0.01, TARGET]),
        interval_seconds=st.sampled_from([0.1, INTERVAL]),
        queue_size=st.integers(0, 6),
    ),
    st.builds(Rule, st.just(GateKind.THRESHOLD), st.sampled_from([0.3, 0.85, 1.0])),
)


class QueueMachine(RuleBasedStateMachine):
    """Any order of everything, the timer included or late, against a model of lists."""

    def __init__(self) -> None:
        super().__init__()
        self.core = GateCore(CALM, 1)
        self.now = 0.0
        self.line: list[Waiter] = []
        self.ended: list[Waiter] = []
        self.sent: list[Waiter] = []
        self.admitted = 0
        self.released = 0
        self.held = 0
        self.ungated = 0
        self.closed = False

    @initialize(size=st.integers(1, 4), rule=RULES)
    def begin(self, size: int, rule: Rule) -> None:
        self.core = GateCore(rule, size)

    def tell(self, ended: Sequence[Waiter], *, overloaded: bool) -> None:
        """Take note of who ended, checking the order in which permits were handed out."""
        for waiter in ended:
            assert waiter in self.line, "each waiter ends once, and waited before"
            assert waiter.ended_at == self.now
            if waiter.verdict is ADMITTED:
                assert waiter.deadline_at > self.now
                hopeful = [w for w in self.line if w.deadline_at > self.now]
                assert waiter is hopeful[-1 if overloaded else 0], "overtaken"
                self.admitted += 1
                self.held += 1
                self.sent.append(waiter)
            elif waiter.verdict is Verdict.TIMED_OUT:
                assert waiter.deadline_at <= self.now
            elif waiter.verdict is RejectReason.QUEUE_DELAY:
                assert overloaded
                assert self.now >= waiter.since + self.core.rule.target_seconds
                assert self.core.limit is not None
                assert self.core.inflight >= self.core.limit, "refused for the time while a permit was free"
            else:
                assert waiter.verdict is RejectReason.CLOSED
            self.line.remove(waiter)
            self.ended.append(waiter)

    def will_be_overloaded(self) -> bool:
        """Whether the state in which the next permit is handed out is overload, from the oldest alone."""
        return (
            self.core.overloaded
            or self.now >= self.core._lines[Priority.NORMAL].above_since + self.core.rule.interval_seconds
        )

    @rule(left=st.one_of(st.just(math.inf), SECONDS))
    def ask(self, left: float) -> None:
        free = self.core.limit is None or self.core.inflight < self.core.limit
        before = self.core.waiting
        answer = ask(self.core, self.now, self.now + left)
        if answer is ADMITTED:
            assert free
            assert not self.closed
            self.admitted += 1
            self.held += 1
        elif isinstance(answer, Waiter):
            assert not free
            assert not self.closed
            assert left > 0
            assert self.core.rule.kind is GateKind.QUEUE
            assert before < (self.core.rule.queue_size or 2 * self.core.max_size)
            self.line.append(answer)
        else:
            assert self.closed == (answer is RejectReason.CLOSED)
            assert self.closed or not free

    @rule()
    def come_ungated(self) -> None:
        assume(self.ungated < 3)
        self.core.count()
        self.ungated += 1

    @precondition(lambda self: self.held)
    @rule(ending=st.sampled_from(Ending), seconds=SECONDS)
    def give_back(self, ending: Ending, seconds: float) -> None:
        overloaded = self.will_be_overloaded_after_time_outs()
        self.held -= 1
        self.released += 1
        self.tell(self.core.release(self.now, ending, seconds), overloaded=overloaded)

    @precondition(lambda self: self.ungated)
    @rule()
    def leave_ungated(self) -> None:
        overloaded = self.will_be_overloaded_after_time_outs()
        self.ungated -= 1
        self.tell(self.core.release(self.now), overloaded=overloaded)

    @precondition(lambda self: self.line)
    @rule(data=st.data())
    def go_away(self, data: st.DataObject) -> None:
        waiter = data.draw(st.sampled_from(self.line))
        assert self.core.cancel(waiter, self.now) == ()
        self.line.remove(waiter)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def go_away_with_a_permit_on_its_way(self, data: st.DataObject) -> None:
        assume(self.held >= 1)
        waiter = data.draw(st.sampled_from(self.sent))
        overloaded = self.will_be_overloaded_after_time_outs()
        self.sent.remove(waiter)
        self.held -= 1
        self.released += 1
        self.tell(self.core.cancel(waiter, self.now), overloaded=overloaded)

    def will_be_overloaded_after_time_outs(self) -> bool:
        """As `will_be_overloaded`, when those whose deadline has passed have left first."""
        left = [w for w in self.line if w.deadline_at > self.now]
        if not left:
            return False
        above_at = left[0].since + self.core.rule.target_seconds
        if left[0] is not self.line[0] and above_at > self.now:
            return self.core.overloaded
        return self.will_be_overloaded()

    @rule(seconds=SECONDS)
    def time_passes_and_the_timer_rings(self, seconds: float) -> None:
        until = self.now + seconds
        while (due := self.core.next_tick()) <= until:
            self.now = max(self.now, due)
            self.tick()
            assert self.core.next_tick() > self.now, "the timer would spin"
        self.now = until
        self.tick()

    @rule(seconds=SECONDS)
    def time_passes_and_the_timer_is_late(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def tick(self) -> None:
        overloaded = self.will_be_overloaded_after_time_outs()
        self.tell(self.core.tick(self.now), overloaded=overloaded)
        if self.core.overloaded:
            assert all(self.now < w.since + self.core.rule.target_seconds for w in self.line)
        assert all(self.now < w.deadline_at for w in self.line)

    @rule(rule=RULES)
    def change(self, rule: Rule) -> None:
        overloaded = self.core.overloaded
        ended = self.core.reconfigure(rule, self.now)
        if not overloaded and self.line:
            left = [w for w in self.line if w.deadline_at > self.now] or self.line
            overloaded = self.now >= left[0].since + rule.target_seconds + rule.interval_seconds
        self.tell(ended, overloaded=overloaded)

    @rule()
    def drain(self) -> None:
        while self.held or self.ungated:
            if self.held:
                self.give_back(Ending.DONE, 0.01)
            else:
                self.leave_ungated()
        assert self.core.inflight == 0
        assert not self.line
        assert not self.core.overloaded
        assert self.core.next_tick() == math.inf
        self.sent.clear()

    @precondition(lambda self: len(self.ended) > 20)
    @rule()
    def close(self) -> None:
        self.closed = True
        self.tell(self.core.close(self.now), overloaded=False)
        assert not self.line

    @invariant()
    def a_free_permit_and_a_waiter_are_never_together(self) -> None:
        free = self.core.limit is None or self.core.inflight < self.core.limit
        assert not (free and self.core.waiting)

    @invariant()
    def the_books_balance(self) -> None:
        assert list(self.core._lines[Priority.NORMAL]) == self.line, (
            "those that wait are in line, in order of coming"
        )
        assert self.core.inflight == self.held + self.ungated
        assert self.core.admitted == self.admitted == self.released + self.held
        assert all(waiter.verdict is None for waiter in self.line)
        if not self.line:
            assert not self.core.overloaded


TestQueueMachine = QueueMachine.TestCase
