"""What a controller writes, whatever dies when, and however many there are."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from quickwins.core.errors import ConfigError
from quickwins.rollout import (
    Held,
    Phase,
    Reading,
    Reason,
    RolloutBlocked,
    RolloutController,
    RolloutReason,
    Store,
    Verdict,
    replayed,
)
from tests.eventually import eventually
from tests.unit.rollout.ramps import arm
from tests.unit.rollout.toys import Deaths, House, Killed, plan

pytestmark = pytest.mark.asyncio


async def test_a_healthy_ramp_is_written_step_by_step(tmp_path: Path) -> None:
    house = House(tmp_path)
    controller = house.controller()
    await controller.start(plan())
    look = await house.ticks(controller)
    assert (look.phase, house.moves) == (Phase.DONE, [0, 10, 50, 100])
    assert house.toy.fields["expires_at"] is None
    await house.clock.advance(3600)
    assert house.toy.percent == 100


async def test_harm_is_written_back_and_read_back(tmp_path: Path) -> None:
    house = House(tmp_path)
    controller = house.controller()
    await controller.start(plan())
    await house.ticks(controller, until=10)
    house.toy.canary = lambda requests: arm(requests, errors=requests)
    look = await house.ticks(controller)
    assert (look.phase, look.reason, house.toy.percent) == (Phase.ROLLED_BACK, Reason.BURST, 0)
    assert house.toy.fields["killed"] is True


async def test_a_dead_controllers_percentage_falls_back_to_the_last_safe_one(tmp_path: Path) -> None:
    house = House(tmp_path)
    controller = house.controller()
    await controller.start(plan())
    await house.ticks(controller, until=50)
    await house.clock.advance(29)
    assert house.toy.percent == 50
    await house.clock.advance(2)
    assert house.toy.percent == 10


@pytest.mark.parametrize(
    ("percent", "moves"),
    [
        pytest.param(50, [0, 10, 50, 10, 50, 100], id="the step before"),
        pytest.param(10, [0, 10, 0, 10, 50, 100], id="the baseline"),
    ],
)
async def test_after_a_dead_controller_the_next_one_goes_on_from_the_last_safe_percentage(
    percent: float, moves: list[float], tmp_path: Path
) -> None:
    house = House(tmp_path)
    controller = house.controller()
    await controller.start(plan())
    await house.ticks(controller, until=percent)
    await house.ticks(controller, 2)
    await house.clock.advance(300)
    look = await house.ticks(house.controller("another"))
    assert (look.phase, house.moves) == (Phase.DONE, moves)


async def test_what_a_person_set_while_no_controller_ran_is_no_percentage_that_ran_out(
    tmp_path: Path,
) -> None:
    house = House(tmp_path)
    controller = house.controller()
    await controller.start(plan())
    await house.ticks(controller, until=50)
    await house.ticks(controller, 2)
    house.toy.fields["percent"] = house.toy.fields["fallback_percent"] = 0
    await house.clock.advance(300)
    look = await house.ticks(house.controller("another"))
    assert (look.phase, look.reason) == (Phase.ROLLED_BACK, Reason.OVERRIDDEN)


async def ramped(house: House, controller: RolloutController) -> None:
    await controller.start(plan())
    await house.ticks(controller)


async def points(tmp_path: Path) -> int:
    house, deaths = House(tmp_path), Deaths()
    await ramped(house, house.controller(deaths=deaths))
    return deaths.passed


async def test_killed_at_every_transition_no_step_is_skipped_or_repeated(tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    total = await points(tmp_path / "all")
    assert total > 20
    for at in range(total):
        folder = tmp_path / str(at)
        folder.mkdir()
        house = House(folder)
        deaths = Deaths(at)
        controller = house.controller("first", deaths=deaths)
        with pytest.raises(Killed):
            await ramped(house, controller)
        await house.clock.advance(11)  # its lease is over
        second = house.controller("second")
        if await second.status() is None:
            await second.start(plan())
        look = await house.ticks(second)
        assert (at, look.phase, house.moves) == (at, Phase.DONE, [0, 10, 50, 100])


async def test_what_one_decided_that_was_killed_long_ago_puts_nothing_up_before_the_next_has_looked(
    tmp_path: Path,
) -> None:
    (tmp_path / "all").mkdir()
    for at in range(await points(tmp_path / "all")):
        folder = tmp_path / str(at)
        folder.mkdir()
        house = House(folder)
        with pytest.raises(Killed):
            await ramped(house, house.controller("first", deaths=Deaths(at)))
        await house.clock.advance(8 * 3600)
        second = house.controller("second")
        if await second.status() is None:
            await second.start(plan())
        shown = house.toy.percent
        await second.tick()
        assert (at, house.toy.percent) <= (at, shown)
        look = await house.ticks(second)
        assert (at, look.phase, house.toy.percent) == (at, Phase.DONE, 100)


async def test_one_that_stood_still_after_it_had_decided_does_not_write_it(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def look() -> None:
        state = await house.controller("a person").status()
        if (
            state is not None
            and state.intent is not None
            and state.intent.percent == 50
            and not stood.is_set()
        ):
            stood.set()
            await house.clock.advance(3600)

    stood = asyncio.Event()
    store = Watched(house.store, look)
    controller = RolloutController(house.toy, house.toy, store, clock=house.clock, feature="feed")
    await controller.start(plan())
    await house.ticks(controller)
    assert house.moves == [0, 10, 0, 10, 50, 100]


@pytest.mark.parametrize("rounds", [200, pytest.param(1000, marks=pytest.mark.volume)])
async def test_two_that_race_a_thousand_times_write_each_step_once(rounds: int, tmp_path: Path) -> None:
    house, rng = House(tmp_path), Random(1)
    first, second = house.controller("first"), house.controller("second")
    leads = {"first": 0, "second": 0}
    ramps = 0
    for _ in range(rounds):
        state = await first.status()
        if state is None or not state.active:
            house.toy.fields.clear()
            await first.start(plan())
            ramps += 1
        racing = rng.sample([("first", first), ("second", second)], 2)
        looks = await asyncio.gather(*(one.tick() for _, one in racing))
        decided = [look.leads and look.verdict is not None for look in looks]
        for (name, _), one in zip(racing, decided, strict=True):
            leads[name] += one
        assert sum(decided) <= 1
        await house.clock.advance(rng.choice([1, 1, 1, 1, 11]))  # now and then the lease is over
    whole = list(itertools.chain(*[[0.0, 10.0, 50.0, 100.0]] * ramps))
    assert ramps >= rounds / 125
    assert house.moves == whole[: len(house.moves)]
    assert len(house.moves) > len(whole) - 4
    assert min(leads.values()) > rounds / 20


async def test_one_that_was_away_is_fenced_off(tmp_path: Path) -> None:
    house = House(tmp_path)
    asked = asyncio.Event()
    answer = asyncio.Event()

    class Slow:
        async def read(self, feature: str, now: float) -> Reading:
            reading = await house.toy.read(feature, now)
            asked.set()
            await answer.wait()
            return reading

    away = house.controller("away", source=Slow())
    await away.start(plan())
    await away.tick()  # writes 0
    task = asyncio.create_task(away.tick())
    await asked.wait()
    house.clock.now += 11
    house.clock.wall_now += 11
    await house.ticks(house.controller("other"), until=50)
    answer.set()
    look = await task
    assert not look.leads
    assert house.moves == [0, 10, 50]


class Watched:
    """A store after each use of which somebody looks."""

    def __init__(self, store: Store, look: Callable[[], Awaitable[None]]) -> None:
        self._store = store
        self._look = look

    @asynccontextmanager
    async def exclusive(self, feature: str) -> AsyncIterator[Held]:
        async with self._store.exclusive(feature) as held:
            yield held
        await self._look()


async def test_what_was_decided_before_a_person_aborted_is_not_written_after_it(tmp_path: Path) -> None:
    house = House(tmp_path)
    person = house.controller("a person")

    async def look() -> None:
        state = await person.status()
        assert state is not None
        if state.intent is not None and state.intent.percent == 50:
            await person.abort()

    store = Watched(house.store, look)
    controller = RolloutController(house.toy, house.toy, store, clock=house.clock, feature="feed")
    await house.controller().start(plan())
    await house.ticks(controller)
    assert house.moves == [0, 10, 0]


async def test_aborted_it_is_off_without_any_metrics_and_without_a_controller(tmp_path: Path) -> None:
    house = House(tmp_path)
    await house.controller().start(plan())
    await house.ticks(house.controller(), until=50)
    state = await house.controller("a person").abort()
    assert (state.phase, house.toy.percent) == (Phase.ROLLING_BACK, 0)


async def test_a_source_that_hangs_or_raises_is_no_data_and_keeps_the_percentage(tmp_path: Path) -> None:
    house = House(tmp_path)

    class Broken:
        async def read(self, feature: str, now: float) -> Reading:
            raise ZeroDivisionError

    await house.controller().start(plan())
    await house.ticks(house.controller(), until=10)
    look = await house.ticks(house.controller(source=Broken()), 50)
    assert (look.verdict, look.percent) == (Verdict.NO_DATA, 10)
    assert house.toy.percent == 10


async def test_a_flag_that_cannot_be_set_is_killed(tmp_path: Path) -> None:
    house = House(tmp_path)
    controller = house.controller()
    await controller.start(plan())
    await house.ticks(controller, until=10)
    house.toy.canary = lambda requests: arm(requests, errors=requests)
    house.toy.breaks = True
    await house.ticks(controller, 20)
    assert (house.toy.killed > 0, house.toy.percent) == (True, 0)


class Full(Deaths):
    """Writes nothing more once it is full."""

    is_full = False

    def point(self) -> None:
        if self.is_full:
            raise OSError("no space left on device")


async def test_a_store_that_fails_does_not_keep_the_flag_on(tmp_path: Path) -> None:
    house, disk = House(tmp_path), Full()
    controller = house.controller(deaths=disk)
    await controller.start(plan())
    await house.ticks(controller, until=10)
    await house.clock.advance(1)
    await controller.tick()
    disk.is_full = True
    house.toy.canary = lambda requests: arm(requests, errors=requests)
    with pytest.raises(OSError, match="no space"):
        await controller.tick()
    assert house.toy.percent == 0


class Away:
    """A store that can't be reached now and then."""

    def __init__(self, store: Store, error: Exception | None = None) -> None:
        self._store = store
        self._error = error or OSError("connection refused")
        self.is_away = False

    @asynccontextmanager
    async def exclusive(self, feature: str) -> AsyncIterator[Held]:
        if self.is_away:
            raise self._error
        async with self._store.exclusive(feature) as held:
            yield held


async def test_while_the_store_is_away_nothing_goes_up_and_harm_still_turns_it_off(tmp_path: Path) -> None:
    house = House(tmp_path)
    store = Away(house.store)
    controller = RolloutController(
        house.toy, house.toy, store, clock=house.clock, feature="feed", registry=CollectorRegistry()
    )
    await controller.start(plan())
    await house.ticks(controller, until=50)
    await house.clock.advance(1)
    await controller.tick()

    async def looks(count: int) -> None:
        for _ in range(count):
            await house.clock.advance(1)
            with pytest.raises(OSError, match="connection refused"):
                await controller.tick()

    store.is_away = True
    await looks(25)
    assert (house.toy.percent, house.moves) == (50, [0, 10, 50])
    await looks(10)
    assert (house.toy.percent, house.moves) == (10, [0, 10, 50])
    house.toy.canary = lambda requests: arm(requests, errors=requests)
    await looks(3)
    assert (house.toy.percent, house.moves) == (0, [0, 10, 50, 0])
    await looks(3)
    store.is_away = False
    look = await house.ticks(controller)
    assert (look.phase, house.toy.percent) == (Phase.ROLLED_BACK, 0)


async def test_a_store_that_fails_keeps_nobody_from_turning_it_off(tmp_path: Path) -> None:
    house, disk = House(tmp_path), Full()
    controller = house.controller(deaths=disk)
    await controller.start(plan())
    await house.ticks(controller, until=10)
    disk.is_full = True
    with pytest.raises(OSError, match="no space"):
        await house.controller("a person", deaths=disk).abort()
    assert (house.toy.percent, house.toy.fields["killed"]) == (0, True)


async def test_whatever_a_store_of_the_services_own_raises_harm_and_a_person_turn_it_off(
    tmp_path: Path,
) -> None:
    house = House(tmp_path)
    store = Away(house.store, ValueError("not one of ours"))
    controller = RolloutController(
        house.toy, house.toy, store, clock=house.clock, feature="feed", registry=CollectorRegistry()
    )
    await controller.start(plan())
    await house.ticks(controller, until=50)
    store.is_away = True
    running = asyncio.create_task(controller.run())
    house.toy.canary = lambda requests: arm(requests, errors=requests)
    for _ in range(5):
        await eventually(lambda: house.clock.sleeping)  # a flag is written in a thread
        await house.clock.advance(1)
    await eventually(lambda: house.clock.sleeping)
    assert not running.done()
    assert house.toy.percent == 0
    running.cancel()
    await asyncio.wait({running})
    house.toy.fields["killed"] = False
    with pytest.raises(ValueError, match="not one of ours"):
        await controller.abort()
    assert house.toy.fields["killed"] is True


async def test_there_is_one_ramp_at_a_time_of_a_feature_and_of_a_group(tmp_path: Path) -> None:
    house = House(tmp_path)
    await house.controller().start(plan(group="gateway"))
    with pytest.raises(RolloutBlocked) as caught:
        await house.controller().start(plan())
    assert caught.value.reason is RolloutReason.RUNNING
    other = RolloutController(house.toy, house.toy, house.store, clock=house.clock, feature="logs")
    with pytest.raises(RolloutBlocked) as caught:
        await other.start(plan(group="gateway"))
    assert caught.value.reason is RolloutReason.GROUP
    await other.start(plan(group="elsewhere"))
    await house.controller().abort()
    await house.ticks(house.controller())
    await house.controller().start(plan(group="gateway"))


@pytest.mark.parametrize("what", ["approve", "pause", "resume", "abort"])
async def test_what_does_not_run_can_not_be_told_anything(what: str, tmp_path: Path) -> None:
    with pytest.raises(RolloutBlocked) as caught:
        await getattr(House(tmp_path).controller(), what)()
    assert caught.value.reason is RolloutReason.NOT_RUNNING


async def test_a_person_pauses_resumes_and_approves(tmp_path: Path) -> None:
    house = House(tmp_path)
    controller = house.controller()
    steps = [{"percent": 10, "min_requests": 1000}, {"percent": 100, "approval": True}]
    await controller.start(plan(steps=steps))
    await house.ticks(controller, until=10)
    await controller.pause()
    look = await house.ticks(controller, 40)
    assert look.reason is Reason.PAUSED
    await controller.resume()
    look = await house.ticks(controller, 40)
    assert (look.reason, house.moves) == (Reason.APPROVAL, [0, 10])
    await controller.approve()
    await house.ticks(controller)
    assert house.moves == [0, 10, 100]


async def test_paused_it_can_be_aborted(tmp_path: Path) -> None:
    house = House(tmp_path)
    controller = house.controller()
    await controller.start(plan())
    await house.ticks(controller, until=10)
    await controller.pause()
    await controller.abort()
    look = await house.ticks(controller)
    assert (look.phase, house.toy.percent) == (Phase.ROLLED_BACK, 0)


@pytest.mark.parametrize("text", ["[]", "{", '{"feed": {}}', '{"feed": {"state": 1}}'])
async def test_a_file_that_is_no_file_of_ramps_is_no_ramp_that_may_begin(text: str, tmp_path: Path) -> None:
    house = House(tmp_path)
    (tmp_path / "rollout.json").write_text(text)
    with pytest.raises(ConfigError, match="no file of ramps"):
        await house.controller().start(plan())
    assert house.toy.written == []


async def test_each_decision_is_reproduced_from_its_line(tmp_path: Path) -> None:
    house = House(tmp_path)
    controller = house.controller()
    await controller.start(plan())
    await house.ticks(controller, until=50)
    house.toy.canary = lambda requests: arm(requests, errors=requests // 20)
    await house.ticks(controller)
    records: list[dict[str, Any]] = list(house.audit.records())
    again = list(replayed(records, "feed"))
    assert len(again) > 5
    assert all(one.same for one in again)
    assert "fail (errors), write 0 %" in {one.now for one in again}
    for record in records:
        record["verdict"] = "pass"
    assert not all(one.same for one in replayed(records, "feed"))


async def test_it_runs_until_it_is_over(tmp_path: Path) -> None:
    house = House(tmp_path)
    controller = house.controller()
    await controller.start(plan())
    running = asyncio.create_task(controller.run())
    while not running.done():
        await house.clock.advance(1)
        await asyncio.sleep(0.001)  # a thread writes the flag
    assert running.result().phase is Phase.DONE
