"""A flag that ramps in processes that serve: a bug is off in all of them, and controllers die, race, and have no data."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from quickwins.rollout import Phase, Reason, Verdict, replayed
from tests.faults.rollout.house import House, running, until

pytestmark = [pytest.mark.asyncio, pytest.mark.no_cover]


LENIENT = {"p99_ratio_max": 2, "cpu_ratio_max": 100, "memory_ratio_max": 100, "cascade_p99_ratio_max": 20}


async def ramped(house: House) -> Reason | None:
    """Ramp until it is over, and off everywhere: what took it back."""
    controller = house.controller()
    await controller.start(house.plan())
    began = False
    while True:
        look = await controller.tick()
        began = began or look.percent > 0
        if began and look.phase is not Phase.RAMPING and not any(await house.seen()):
            return (await house.state()).why
        await asyncio.sleep(0.2)


async def test_a_bug_is_off_everywhere_and_other_flags_are_as_they_were(tmp_path: Path) -> None:
    house = House(tmp_path)
    others = house.others
    with house.serving("errors:1", rate=50):
        async with asyncio.timeout(55):
            why = await ramped(house)
    assert why in {Reason.BURST, Reason.ERRORS}
    assert house.others == others
    again = list(replayed(house.audit.records(), "backpressure"))
    assert again
    assert all(one.same for one in again)


@pytest.mark.volume
async def test_a_controller_that_is_killed_leaves_the_last_safe_percentage_and_the_next_goes_on(
    tmp_path: Path,
) -> None:
    house = House(tmp_path)
    steps = [{"percent": 20, "min_requests": 100}, {"percent": 50, "min_requests": 1_000_000}]

    def moves() -> list[object]:
        return [one["write"] for one in house.audit.records() if one.get("reason") in {"healthy", "ran_out"}]

    async def shown(percent: float, *written: float) -> None:
        async def is_shown() -> bool:
            return await house.seen() == [percent, percent] and moves() == [*written]

        await until(is_shown, seconds=100)

    async def outdated() -> bool:
        """Whether what the killed one may have been about to write is too old to be written."""
        return time.time() - ((await house.state()).looked_at or 0.0) >= ttl

    ttl = 8
    with house.serving(rate=400):
        await house.controller().start(house.plan(steps=steps, gates=LENIENT, ttl=ttl))
        with running(house.config):
            await shown(50, 20, 50)
        killed = time.monotonic()
        await shown(20, 20, 50)
        assert time.monotonic() - killed < ttl + 10
        await until(outdated, seconds=60)
        with running(house.config):
            await shown(50, 20, 50, 20, 50)


@pytest.mark.volume
async def test_without_data_nothing_goes_up_and_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    house = House(tmp_path)
    with house.serving(rate=200):
        await house.controller().start(house.plan())
    text = house.config.read_text()
    dry = house.controller()
    for _ in range(5):
        decision = await dry.preview()
        assert decision is not None
        assert decision.verdict is not Verdict.PASS
    assert house.config.read_text() == text
    controller = house.controller()
    for _ in range(20):
        look = await controller.tick()
        assert look.percent == 0
    assert look.verdict in {Verdict.NO_DATA, Verdict.FAIL}


@pytest.mark.volume
async def test_two_controllers_of_which_one_is_killed_take_each_step_once(tmp_path: Path) -> None:
    house = House(tmp_path)
    steps = [{"percent": percent, "min_requests": 100} for percent in (20, 50, 100)]

    def moves() -> list[object]:
        return [one["write"] for one in house.audit.records() if one.get("verdict") == "pass"]

    with house.serving(rate=400):
        await house.controller().start(house.plan(steps=steps, gates=LENIENT))
        with running(house.config) as first, running(house.config) as second:

            async def is_on() -> bool:
                return (await house.state()).percent >= 20 and bool(moves())

            async def is_over() -> bool:
                return not (await house.state()).active

            await until(is_on, seconds=40)
            first.kill()
            await until(is_over, seconds=100)
            assert second.poll() in {None, 0}
    assert (moves(), (await house.state()).phase) == ([20, 50, 100, 100], Phase.DONE)
