"""Who gets how much of a resource that many want: tenants, priorities and floors, in virtual time with seeded arrivals."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from quickwins.backpressure import GateKind, Priority, RejectReason
from quickwins.backpressure._core.gate import GateCore
from quickwins.backpressure._core.line import Waiter
from quickwins.backpressure._core.tenants import Tenant
from quickwins.backpressure._core.verdict import ADMITTED, Ending
from quickwins.backpressure.rule import Rule
from tests.unit.backpressure.asking import ask

pytestmark = pytest.mark.no_cover
"""Simulations: the core's other tests come by the same lines."""

SIZE = 10
HOLD_SECONDS = 0.02
CAPACITY = SIZE / HOLD_SECONDS
GATES: dict[str, dict[str, Any]] = {
    "threshold": {"kind": GateKind.THRESHOLD, "threshold": 0.9},
    "queue": {"kind": GateKind.QUEUE},
    "adaptive": {"kind": GateKind.ADAPTIVE},
}


@dataclass(frozen=True)
class Source:
    """Poisson arrivals of one tenant or priority, as a multiple of capacity."""

    name: str
    load: float
    priority: Priority = Priority.NORMAL
    tenant: str | None = None


def served(
    rule: Rule, sources: list[Source], *, seconds: float = 15.0, seed: int = 1
) -> tuple[Counter[str], Counter[str]]:
    """How many of each source came and were served, by a resource that takes exponential times."""
    rng, core = Random(seed), GateCore(rule, SIZE)
    came: Counter[str] = Counter()
    got: Counter[str] = Counter()
    names: dict[Waiter, str] = {}
    order = 0
    events: list[tuple[float, int, Source | None, Tenant | None, float]] = []

    def push(at: float, source: Source | None, tenant: Tenant | None, held: float) -> None:
        nonlocal order
        order += 1
        heapq.heappush(events, (at, order, source, tenant, held))

    def begin(now: float, name: str, tenant: Tenant | None) -> None:
        got[name] += 1
        held = rng.expovariate(1 / HOLD_SECONDS)
        push(now + held, None, tenant, held)

    def tell(ended: Any, now: float) -> None:
        for waiter in ended:
            name = names.pop(waiter)
            if waiter.verdict is ADMITTED:
                begin(now, name, waiter.tenant)

    for each in sources:
        push(rng.expovariate(each.load * CAPACITY), each, None, 0.0)
    while events:
        now, _, source, tenant, held = heapq.heappop(events)
        if now > seconds:
            break
        while core.next_tick() <= now:
            at = core.next_tick()
            tell(core.tick(at), at)
        if source is None:
            tell(core.release(now, Ending.DONE, held, tenant), now)
            continue
        push(now + rng.expovariate(source.load * CAPACITY), source, None, 0.0)
        came[source.name] += 1
        tenant = core.tenant(source.tenant, now)
        answer = ask(core, now, math.inf, source.priority, tenant)
        if answer is ADMITTED:
            begin(now, source.name, tenant)
        elif isinstance(answer, Waiter):
            names[answer] = source.name
            if answer.displaced is not None:
                tell([answer.displaced], now)
        else:
            assert isinstance(answer, RejectReason)
    return came, got


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("runs", "share"),
    # One run of 15 seconds says it to 3 %, eight of them to 1 %.
    [pytest.param(1, 0.85, id="once"), pytest.param(8, 0.9, id="eight times", marks=pytest.mark.volume)],
)
@pytest.mark.parametrize("gate", GATES)
def test_a_tenant_at_twenty_times_its_share_leaves_the_others_nine_tenths_of_theirs(
    gate: str, runs: int, share: float
) -> None:
    quiet = [Source(f"t{n}", 0.2, tenant=f"t{n}") for n in range(1, 5)]

    def theirs(rule: Rule, load: float) -> int:
        sources = [Source("loud", load, tenant="loud"), *quiet]
        outcomes = [served(rule, sources, seed=seed)[1] for seed in range(1, runs + 1)]
        return sum(got[source.name] for got in outcomes for source in quiet)

    rule = Rule(**GATES[gate], tenants=100)
    assert theirs(rule, 20 * 0.2) >= share * theirs(rule, 0.2)
    assert theirs(Rule(**GATES[gate]), 20 * 0.2) < 0.5 * theirs(rule, 0.2), "without tenants it takes it all"


@pytest.mark.no_cover
@pytest.mark.parametrize("gate", GATES)
def test_critical_work_is_served_in_a_surge_of_what_may_be_shed(gate: str) -> None:
    sources = [
        Source("critical", 0.05, Priority.CRITICAL),
        Source("surge", 12.0, Priority.SHEDDABLE),
    ]
    rule = Rule(**GATES[gate], reserved_critical=0.4)
    came, got = served(rule, sources, seconds=30.0)
    assert came["critical"] > 500
    assert got["critical"] >= 0.999 * came["critical"]
    assert got["surge"] > 0


@pytest.mark.no_cover
@pytest.mark.parametrize("gate", ["queue", "adaptive"])
@pytest.mark.parametrize("floor", [0.05, 0.2])
def test_work_that_may_be_shed_gets_its_floor_in_a_surge_of_critical_work(gate: str, floor: float) -> None:
    sources = [
        Source("critical", 12.0, Priority.CRITICAL),
        Source("sheddable", 1.0, Priority.SHEDDABLE),
    ]
    _, got = served(Rule(**GATES[gate], floor=floor, reserved_normal=0.0), sources)
    assert got["sheddable"] >= 0.9 * floor * sum(got.values())
    _, starved = served(Rule(**GATES[gate], floor=0.0, reserved_normal=0.0), sources)
    assert starved["sheddable"] < 0.01 * sum(starved.values())
