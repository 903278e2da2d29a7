"""Priorities in the core: who may take what is free, who is served first, who gives way, and that nobody starves."""

from __future__ import annotations

from typing import Any

import pytest

from quickwins.backpressure import GateKind, Priority, RejectReason
from quickwins.backpressure._core.gate import GateCore
from quickwins.backpressure._core.line import Waiter
from quickwins.backpressure._core.verdict import ADMITTED, Ending
from quickwins.backpressure.rule import Rule
from tests.unit.backpressure.asking import ask

CRITICAL, NORMAL, SHEDDABLE = Priority
CALM: dict[str, Any] = {"target_seconds": 30.0, "interval_seconds": 300.0}


def queue(size: int = 1, **options: Any) -> GateCore:
    return GateCore(Rule(GateKind.QUEUE, **{**CALM, "queue_size": 100, **options}), size)


def waiting(core: GateCore, *priorities: Priority) -> list[Waiter]:
    """One in line for each."""
    found = []
    for priority in priorities:
        waiter = ask(core, 0.0, priority=priority)
        assert isinstance(waiter, Waiter)
        found.append(waiter)
    return found


def admitted(core: GateCore, priority: Priority) -> int:
    """How many of `priority` an idle gate admits."""
    count = 0
    while count < 50 and ask(core, 0.0, priority=priority) is ADMITTED:
        count += 1
    return count


@pytest.mark.parametrize(
    ("rule", "limits"),
    [
        (Rule(GateKind.QUEUE), (10, 10, 9)),
        (Rule(GateKind.QUEUE, reserved_critical=0.2), (10, 8, 7)),
        (Rule(GateKind.QUEUE, reserved_critical=0.2, reserved_normal=0.0), (10, 8, 8)),
        (Rule(GateKind.QUEUE, reserved_critical=0.99, reserved_normal=0.99), (10, 1, 1)),
        (Rule(GateKind.THRESHOLD, 0.85), (10, 9, 8)),
        (Rule(GateKind.THRESHOLD, 0.85, reserved_critical=0.3), (10, 7, 6)),
        (Rule(GateKind.THRESHOLD, 0.5, reserved_normal=0.0), (10, 5, 5)),
    ],
)
def test_what_is_reserved_is_for_the_more_important_alone(rule: Rule, limits: tuple[int, int, int]) -> None:
    assert tuple(admitted(GateCore(rule, 10), priority) for priority in Priority) == limits


def test_a_threshold_refuses_less_important_work_by_its_name_while_others_may_pass() -> None:
    core = GateCore(Rule(GateKind.THRESHOLD, 0.8), 10)
    assert admitted(core, SHEDDABLE) == 7
    assert ask(core, 0.0, priority=SHEDDABLE) is RejectReason.PRIORITY
    assert ask(core, 0.0) is ADMITTED
    assert ask(core, 0.0) is RejectReason.THRESHOLD
    assert ask(core, 0.0, priority=SHEDDABLE) is RejectReason.THRESHOLD
    assert [ask(core, 0.0, priority=CRITICAL) for _ in range(3)] == [
        ADMITTED,
        ADMITTED,
        RejectReason.THRESHOLD,
    ]


def test_the_more_important_are_served_first_and_within_one_priority_the_first() -> None:
    core = queue(floor=0.0, reserved_normal=0.0)
    ask(core, 0.0)
    coming = [SHEDDABLE, NORMAL, CRITICAL, NORMAL, SHEDDABLE, CRITICAL]
    waiters = waiting(core, *coming)
    order = [waiters.index(core.release(1.0)[0]) for _ in coming]
    assert order == [2, 5, 1, 3, 0, 4]


def test_where_no_more_may_wait_the_newest_of_the_cheapest_gives_way_to_the_more_important() -> None:
    core = queue(queue_size=3, floor=0.0)
    ask(core, 0.0)
    normal, first, second = waiting(core, NORMAL, SHEDDABLE, SHEDDABLE)
    newcomer = ask(core, 0.0)
    assert isinstance(newcomer, Waiter)
    assert newcomer.displaced is second
    assert second.verdict is RejectReason.PRIORITY
    assert [normal.verdict, first.verdict] == [None, None]
    assert ask(core, 0.0, priority=SHEDDABLE) is RejectReason.QUEUE_FULL
    assert core.waiting == 3


def test_nobody_gives_way_to_equally_or_less_important_work() -> None:
    core = queue(queue_size=2, floor=0.0)
    ask(core, 0.0)
    waiting(core, CRITICAL, NORMAL)
    assert ask(core, 0.0, priority=SHEDDABLE) is RejectReason.QUEUE_FULL
    assert ask(core, 0.0, priority=NORMAL) is RejectReason.QUEUE_FULL
    assert isinstance(ask(core, 0.0, priority=CRITICAL), Waiter)
    assert ask(core, 0.0, priority=CRITICAL) is RejectReason.QUEUE_FULL


@pytest.mark.parametrize(("floor", "one_of"), [(0.5, 2), (0.25, 4), (0.05, 20)])
def test_waiting_work_gets_its_share_of_permits_whatever_is_more_important(floor: float, one_of: int) -> None:
    core = queue(floor=floor, reserved_normal=0.0)
    ask(core, 0.0)
    waiting(core, SHEDDABLE)
    got = 0
    for _ in range(10 * one_of):  # critical work never ends
        waiting(core, CRITICAL)
        (served,) = core.release(1.0)
        if served.priority is SHEDDABLE:
            got += 1
            waiting(core, SHEDDABLE)
    assert got == 10


def test_without_a_floor_it_starves() -> None:
    core = queue(floor=0.0, reserved_normal=0.0)
    ask(core, 0.0)
    (lost,) = waiting(core, SHEDDABLE)
    for _ in range(1_000):
        waiting(core, CRITICAL)
        core.release(1.0)
    assert lost.verdict is None


def test_places_in_a_full_line_are_kept_for_the_less_important_where_a_floor_is_set() -> None:
    core = queue(queue_size=20, floor=0.05)
    ask(core, 0.0)
    waiting(core, *[NORMAL] * 20)
    waiting(core, SHEDDABLE)  # beyond the bound, by the one protected place
    assert ask(core, 0.0, priority=SHEDDABLE) is RejectReason.QUEUE_FULL
    assert ask(core, 0.0) is RejectReason.QUEUE_FULL


def test_overload_of_what_may_be_shed_leaves_the_order_of_the_rest_alone() -> None:
    core = GateCore(
        Rule(GateKind.QUEUE, target_seconds=0.05, interval_seconds=0.5, queue_size=100, floor=0.0), 1
    )
    ask(core, 0.0)
    stale = ask(core, 0.0, priority=SHEDDABLE)
    first, second = ask(core, 0.54), ask(core, 0.545)
    assert core.tick(0.56) == [stale]
    assert core.overloaded is False, "nobody is left in that line"
    assert core.release(0.57) == [first]
    assert core.release(0.58) == [second]


def test_turning_the_rule_keeps_everybody_in_line() -> None:
    core = queue(reserved_normal=0.5, size=2)
    ask(core, 0.0)
    (waiter,) = waiting(core, SHEDDABLE)
    rule = Rule(GateKind.QUEUE, **CALM, reserved_normal=0.0)
    assert core.reconfigure(rule, 1.0) == [waiter]
    assert waiter.verdict is ADMITTED


def test_an_adaptive_gate_learns_from_failures_and_says_why() -> None:
    core = GateCore(Rule(GateKind.ADAPTIVE, min_limit=3, **CALM), 10)
    assert (core.limit, core.why) == (10, "nothing learned yet: the pool's size")
    for step in range(200):
        while ask(core, float(step)) is ADMITTED:
            pass
        core.release(float(step), Ending.FAILED, 0.05)
    assert core.limit == 3
    assert "failed" in core.why
    while core.inflight:
        core.release(201.0, Ending.DONE, 0.05)
    assert admitted(core, NORMAL) == 3


def test_a_line_that_is_full_because_of_what_was_learned_says_so() -> None:
    core = GateCore(Rule(GateKind.ADAPTIVE, min_limit=1, queue_size=1, **CALM), 4)
    for step in range(200):
        core.count()
        core.release(float(step), Ending.FAILED, 0.05)
    assert core.limit == 1
    assert ask(core, 300.0) is ADMITTED
    assert isinstance(ask(core, 300.0), Waiter)
    assert ask(core, 300.0) is RejectReason.LIMIT


def test_no_longer_adaptive_it_has_every_permit_again_and_hands_them_out() -> None:
    core = GateCore(Rule(GateKind.ADAPTIVE, min_limit=1, **CALM), 4)
    for step in range(200):
        core.count()
        core.release(float(step), Ending.FAILED, 0.05)
    ask(core, 300.0)
    waiters = waiting(core, NORMAL, NORMAL, NORMAL, NORMAL)
    assert core.reconfigure(Rule(GateKind.QUEUE, **CALM), 301.0) == waiters[:3]
    assert (core.limit, core.why) == (4, "the pool's size")
