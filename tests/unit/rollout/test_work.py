"""Work that is no request is counted in the cohort of its key, by how it ends."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from quickwins.core.clock import FakeClock
from quickwins.core.errors import ConfigError, Rejected
from quickwins.rollout.work import RolloutWork
from tests.unit.rollout.service import counted, flags_at, timed


@pytest.mark.parametrize(
    ("error", "outcomes"),
    [
        pytest.param(None, {("on", "ok"): 1}, id="done"),
        pytest.param(ValueError(), {("on", "error"): 1}, id="failed"),
        pytest.param(TimeoutError(), {("on", "timeout"): 1}, id="late"),
        pytest.param(Rejected("full"), {("on", "refused"): 1}, id="refused"),
        pytest.param(asyncio.CancelledError(), {}, id="cancelled"),
    ],
)
def test_it_counts_by_how_it_ends(
    error: BaseException | None, outcomes: dict[tuple[str, str], float]
) -> None:
    registry = CollectorRegistry()
    work = RolloutWork(flags_at(100, registry), features=["feed"], registry=registry)

    def do() -> None:
        with work.one("feed:0"):
            if error is not None:
                raise error

    if error is None:
        do()
    else:
        with pytest.raises(type(error)):
            do()
    assert counted(registry) == outcomes


def test_a_key_has_the_cohort_that_its_flag_gives_it() -> None:
    registry = CollectorRegistry()
    flags = flags_at(50, registry)
    work = RolloutWork(flags, features=["feed"], registry=registry)
    flag = flags.flag("feed")
    keys = [f"feed:{partition}" for partition in range(20)]
    for key in keys:
        with work.one(key):
            pass
    on = sum(map(flag.active_for, keys))
    assert 0 < on < len(keys)
    assert counted(registry) == {("on", "ok"): on, ("off", "ok"): len(keys) - on}


def test_its_time_is_that_of_the_block() -> None:
    registry, clock = CollectorRegistry(), FakeClock()
    work = RolloutWork(flags_at(0, registry), features=["feed"], registry=registry, clock=clock)
    with work.one("feed:0"):
        clock.now += 2
    assert timed(registry, "off") == 1
    labels = {"service": "api", "name": "", "feature": "feed", "cohort": "off"}
    assert registry.get_sample_value("quickwins_request_seconds_sum", labels) == pytest.approx(2)


def test_what_has_no_flag_is_refused() -> None:
    with pytest.raises(ConfigError, match="name the features"):
        RolloutWork(flags_at(0, CollectorRegistry()), features=[])
    assert "feed" in repr(
        RolloutWork(flags_at(0, CollectorRegistry()), features=["feed"], registry=CollectorRegistry())
    )
