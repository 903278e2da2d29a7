"""Which tenants are told apart: those of the last second and those that hold something, up to a bound."""

from __future__ import annotations

import math

import pytest

from quickwins.backpressure import GateKind, RejectReason, Rule
from quickwins.backpressure._core.gate import GateCore
from quickwins.backpressure._core.line import Waiter
from quickwins.backpressure._core.tenants import ACTIVE_SECONDS, Tenant, Tenants
from quickwins.backpressure._core.verdict import ADMITTED
from tests.unit.backpressure.asking import ask


def test_a_tenant_is_the_same_as_long_as_it_asks_within_the_second() -> None:
    tenants = Tenants(10)
    first = tenants.find("a", 0.0)
    for step in range(1, 10):
        now = step * 0.9 * ACTIVE_SECONDS
        assert tenants.find("a", now) is first
    assert len(tenants) == 1


def test_an_idle_tenant_is_forgotten_and_its_place_is_anothers() -> None:
    tenants = Tenants(1)
    first = tenants.find("a", 0.0)
    assert tenants.find("b", 0.5) is tenants.find(None, 0.5), "there is no place for it yet"
    other = tenants.find("b", ACTIVE_SECONDS)
    assert other is not tenants.find(None, ACTIVE_SECONDS)
    assert other is tenants.find("b", ACTIVE_SECONDS)
    assert tenants.find("a", 3 * ACTIVE_SECONDS) is not first
    assert len(tenants) == 1


def test_the_longest_unseen_is_forgotten_first_whoever_came_first() -> None:
    tenants = Tenants(10)
    tenants.find("came first", 0.0)
    tenants.find("idle", 0.1)
    tenants.find("came first", 0.9)
    tenants.find("new", 0.15 + ACTIVE_SECONDS)
    assert len(tenants) == 2


def test_one_that_holds_something_does_not_keep_the_idle_behind_it() -> None:
    tenants = Tenants(10)
    tenants.find("holder", 0.0).inflight = 1
    tenants.find("idle", 0.1)
    tenants.find("new", 2 * ACTIVE_SECONDS)
    assert len(tenants) == 2


def test_a_tenant_that_holds_something_is_kept_however_long_it_does_not_ask() -> None:
    tenants = Tenants(10)
    holder = tenants.find("a", 0.0)
    holder.inflight = 1
    for second in range(1, 100):
        tenants.find("b", float(second))
    assert len(tenants) == 2
    assert tenants.find("a", 100.0) is holder
    holder.inflight = 0
    for second in range(101, 105):
        tenants.find("b", float(second))
    assert len(tenants) == 1


def test_a_crowd_that_has_gone_is_forgotten_two_with_each_call() -> None:
    tenants = Tenants(100)
    for number in range(50):
        tenants.find(str(number), 0.0)
    assert len(tenants) == 50
    left = []
    while len(tenants) > 1:
        tenants.find("b", 2 * ACTIVE_SECONDS)
        left.append(len(tenants))
    assert left[:3] == [49, 47, 45], "the first call adds one"


@pytest.mark.parametrize("idle_seconds", [0.0, ACTIVE_SECONDS])
def test_a_share_is_kept_free_for_a_tenant_of_the_last_second_and_for_no_other(idle_seconds: float) -> None:
    core = GateCore(Rule(GateKind.THRESHOLD, 0.999, reserved_normal=0.0, tenants=10), 4)
    core.tenant("quiet", 0.0)
    answers = [ask(core, idle_seconds, math.inf, tenant=core.tenant("loud", idle_seconds)) for _ in range(4)]
    last = ADMITTED if idle_seconds else RejectReason.TENANT
    assert answers == [ADMITTED, ADMITTED, ADMITTED, last]


def two_held_and_one_waiting() -> tuple[GateCore, Tenant, Waiter]:
    """A full gate whose permits and line are all of one tenant."""
    core = GateCore(Rule(GateKind.QUEUE, tenants=2), 2)
    tenant = core.tenant("a", 0.0)
    assert tenant is not None
    assert [ask(core, 0.0, tenant=tenant) for _ in range(2)] == [ADMITTED] * 2
    waiter = ask(core, 0.0, tenant=tenant)
    assert isinstance(waiter, Waiter)
    return core, tenant, waiter


def test_when_tenants_are_told_apart_no_more_those_in_line_are_not_overtaken() -> None:
    core, tenant, waiter = two_held_and_one_waiting()
    core.reconfigure(Rule(GateKind.QUEUE), 0.01)
    newcomer = ask(core, 0.02, tenant=core.tenant("a", 0.02))
    assert core.release(0.03, tenant=tenant) == [waiter]
    assert core.release(0.04, tenant=tenant) == [newcomer]
    assert [core.release(0.05), core.release(0.05), core.inflight] == [(), (), 0]


def test_a_line_that_was_told_apart_may_be_left_when_it_is_no_more() -> None:
    core, _, waiter = two_held_and_one_waiting()
    core.reconfigure(Rule(GateKind.QUEUE), 0.01)
    assert core.cancel(waiter, 0.02) == ()
    assert (core.waiting, core.next_tick()) == (0, math.inf)


def test_a_new_number_of_tenants_forgets_none_that_is_known() -> None:
    core, tenant, _ = two_held_and_one_waiting()
    for number in (5, 1):
        core.reconfigure(Rule(GateKind.QUEUE, tenants=number), 0.01)
        assert core.tenant("a", 0.02) is tenant
    others = core.tenant("b", 0.02)
    assert others is core.tenant("c", 0.02), "there is one place, and it is taken"
