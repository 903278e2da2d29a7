"""A gate's own flag: while it is off, permits are counted, and nobody is refused or waits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from quickwins import QuickWins
from quickwins.backpressure import BackpressureSettings, Gate, GateKind, PoolExhausted, RejectReason
from quickwins.backpressure.rule import Rule
from quickwins.core.clock import FakeClock
from quickwins.core.errors import ConfigError
from quickwins.core.flags import Flags, MemorySource, pinned
from quickwins.facade import SECTIONS
from tests.eventually import eventually

pytestmark = pytest.mark.asyncio

LONG: dict[str, Any] = {"target_seconds": 30.0, "interval_seconds": 300.0}


class Switch:
    """A flag and the hand on it."""

    def __init__(self, **fields: object) -> None:
        self._source = MemorySource({"backpressure": fields})
        registry = CollectorRegistry()
        self._flags = Flags({"backpressure": BackpressureSettings}, [self._source], registry=registry)
        self.flag = self._flags.flag("backpressure")

    def set(self, **fields: object) -> None:
        self._source.set("backpressure", **fields)
        assert self._flags.poll()


async def entered(gate: Gate, **options: Any) -> Any:
    """A permit of a task of its own: none of them is nested."""
    permit = gate.permit(**options)
    await asyncio.ensure_future(permit.__aenter__())
    return permit


async def test_while_the_flag_is_off_a_full_gate_counts_and_refuses_nobody() -> None:
    switch = Switch(enabled=False)
    gate = Gate.threshold(0.5, size=2, flag=switch.flag, registry=CollectorRegistry())
    permits = [await entered(gate) for _ in range(5)]
    stats = gate.stats()
    assert (stats.gated, stats.inflight, sum(stats.rejected.values())) == (False, 5, 0)
    switch.set(enabled=True)
    with pytest.raises(PoolExhausted) as caught:
        await entered(gate)
    assert (caught.value.reason, gate.stats().gated) == (RejectReason.THRESHOLD, True)
    for permit in permits:
        permit.done()
    assert gate.stats().inflight == 0


async def test_while_the_flag_is_off_nothing_waits_whatever_time_it_has() -> None:
    switch = Switch(enabled=True, killed=True)
    gate = Gate.queue(size=1, flag=switch.flag, registry=CollectorRegistry(), **LONG)
    first = await entered(gate)
    second = await entered(gate, timeout=0.0)
    assert (gate.stats().waiting, gate.stats().inflight) == (0, 2)
    first.done()
    second.done()
    assert gate.stats().inflight == 0


async def test_a_kill_lets_newcomers_in_and_those_in_line_are_still_served() -> None:
    switch = Switch(enabled=True)
    gate = Gate.queue(size=1, flag=switch.flag, registry=CollectorRegistry(), **LONG)
    first = await entered(gate)
    waiting = asyncio.ensure_future(entered(gate))
    await eventually(lambda: gate.stats().waiting == 1)
    switch.set(killed=True)
    newcomer = await entered(gate)
    assert (gate.stats().waiting, gate.stats().inflight) == (1, 2)
    first.done()
    newcomer.done()
    (await waiting).done()
    assert gate.stats().inflight == 0


@pytest.mark.parametrize("off", [{"killed": True}, {"enabled": False}, {"percent": 0}], ids=str)
@pytest.mark.parametrize("kind", ["queue", "adaptive"])
async def test_a_gate_that_is_turned_off_for_everybody_lets_all_in_line_in(
    kind: str, off: dict[str, object]
) -> None:
    source = MemorySource({"backpressure": {"enabled": True, "gate": kind, "queue_size": 5, **LONG}})
    qw = QuickWins(Flags(SECTIONS, [source], registry=CollectorRegistry()), registry=CollectorRegistry())
    gate = qw.gate(name="feed", size=1)
    async with qw:
        first = await entered(gate)
        waiting = [asyncio.ensure_future(entered(gate)) for _ in range(3)]
        await eventually(lambda: gate.stats().waiting == 3)
        source.set("backpressure", percent=50)
        qw.flags.poll()
        assert gate.stats().waiting == 3, "it is off for some"
        source.set("backpressure", **off)
        qw.flags.poll()
        permits = await asyncio.gather(*waiting)
        assert (gate.stats().waiting, gate.stats().inflight) == (0, 4)
        source.set("backpressure", enabled=True, killed=False, percent=100)
        qw.flags.poll()
        waiter = asyncio.ensure_future(entered(gate))
        await eventually(lambda: gate.stats().waiting == 1)
        for permit in (first, *permits):
            permit.done()
        (await waiter).done()
    assert gate.stats().inflight == 0


async def test_a_closed_gate_that_is_off_refuses_nobody() -> None:
    gate = Gate.queue(size=1, flag=Switch(enabled=False).flag, registry=CollectorRegistry())
    gate.close()
    (await entered(gate)).done()
    assert gate.stats().inflight == 0


async def test_a_request_sees_one_version_of_the_flag_from_start_to_end() -> None:
    switch = Switch(enabled=True)
    gate = Gate.threshold(0.5, size=2, flag=switch.flag, registry=CollectorRegistry())
    held = await entered(gate)
    with pinned("user"):
        with pytest.raises(PoolExhausted):
            await entered(gate)
        switch.set(enabled=False)
        with pytest.raises(PoolExhausted):  # this request began while it was on
            await entered(gate)
    (await entered(gate)).done()
    held.done()
    assert gate.stats().inflight == 0


@pytest.mark.parametrize("make", [Gate.threshold, Gate.queue, Gate.adaptive])
async def test_a_gate_made_with_a_size_takes_what_every_shell_takes(make: Any) -> None:
    registry, clock = CollectorRegistry(), FakeClock()
    gate = make(size=4, name="http", service="api", registry=registry, clock=clock)
    async with gate.permit():
        clock.now += 3.0
    labels = {"service": "api", "name": "http"}
    assert registry.get_sample_value("db_pool_held_seconds_sum", labels) == 3.0


async def test_what_goes_with_a_size_is_refused_without_one() -> None:
    with pytest.raises(ConfigError, match="name, service: only with a size"):
        Gate.queue(name="http", service="api")


async def test_a_gate_follows_another_rule_and_another_advice_to_the_refused() -> None:
    gate = Gate.queue(size=4, registry=CollectorRegistry())
    gate.reconfigure(Rule(GateKind.THRESHOLD, 0.25, retry_after_seconds=50.0))
    async with gate.permit():
        with pytest.raises(PoolExhausted) as caught:
            await entered(gate)
    assert (gate.stats().gate, gate.stats().limit) == (GateKind.THRESHOLD, 1)
    assert 25 <= (caught.value.retry_after_seconds or 0) < 75
