"""Schedules of signals: their rule, their replay, and their performance on pretended processes."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.core.clock import FakeClock
from quickwins.core.errors import ConfigError
from quickwins.rig import Action, SignalSchedule, Step, perform

if TYPE_CHECKING:
    from collections.abc import Callable

schedules = st.builds(
    SignalSchedule.draw,
    st.integers(0, 2**32),
    duration_seconds=st.floats(0.1, 100),
    targets=st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=4, unique=True),
    actions=st.lists(
        st.sampled_from([action for action in Action if action is not Action.CONTINUE]), min_size=1
    ),
    count=st.integers(0, 40),
    pause_seconds=st.tuples(st.floats(0.01, 1), st.floats(1, 50)),
)


@given(schedules)
def test_every_stop_is_followed_by_a_continue_and_by_nothing_else_before(schedule: SignalSchedule) -> None:
    for target in {step.target for step in schedule.steps}:
        actions = [step.action for step in schedule.steps if step.target == target]
        for number, action in enumerate(actions):
            follows = actions[number + 1] if number + 1 < len(actions) else None
            assert (action is Action.STOP) == (follows is Action.CONTINUE)


@given(schedules)
def test_steps_are_sorted_and_within_the_duration(schedule: SignalSchedule) -> None:
    moments = [step.at_seconds for step in schedule.steps]
    assert moments == sorted(moments)
    assert all(0 <= moment <= schedule.duration_seconds for moment in moments)


@given(schedules)
def test_a_schedule_read_back_is_equal(schedule: SignalSchedule) -> None:
    assert SignalSchedule.from_json(schedule.to_json()) == schedule


def test_the_same_seed_draws_the_same_schedule_on_every_interpreter() -> None:
    schedule = SignalSchedule.draw(4, duration_seconds=10, targets=["a", "b"], count=4)
    assert schedule == SignalSchedule.draw(4, duration_seconds=10, targets=["a", "b"], count=4)
    assert schedule != SignalSchedule.draw(5, duration_seconds=10, targets=["a", "b"], count=4)
    assert str(schedule) == GOLDEN


GOLDEN = """\
seed 4, 10 s
    1.032 s  SIGKILL  a
    1.550 s  SIGKILL  b
    2.360 s  SIGSTOP  b
    3.151 s  SIGCONT  b
    3.961 s  SIGSTOP  a
    4.214 s  SIGCONT  a"""


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        pytest.param([(2, "a", Action.KILL), (1, "a", Action.KILL)], "sorted", id="unsorted"),
        pytest.param([(11, "a", Action.KILL)], "outside", id="late"),
        pytest.param([(-1, "a", Action.KILL)], "outside", id="early"),
        pytest.param([(1, "a", Action.STOP)], "nothing continues a", id="never continued"),
        pytest.param(
            [(1, "a", Action.STOP), (2, "a", Action.KILL), (3, "a", Action.CONTINUE)],
            "signals a stopped",
            id="killed while stopped",
        ),
        pytest.param([(1, "a", Action.CONTINUE)], "not stopped", id="continued for nothing"),
    ],
)
def test_a_schedule_that_breaks_the_rule_is_an_error(
    steps: list[tuple[float, str, Action]], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        SignalSchedule(1, 10.0, tuple(Step(*step) for step in steps))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"seed": 1, "duration_seconds": 1, "steps": [{}]}', "nul"])
def test_text_that_is_no_schedule_is_an_error(text: str) -> None:
    with pytest.raises(ConfigError, match="not a schedule"):
        SignalSchedule.from_json(text)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: SignalSchedule.draw(1, duration_seconds=0, targets=["a"]),
        lambda: SignalSchedule.draw(1, duration_seconds=1, targets=[]),
        lambda: SignalSchedule.draw(1, duration_seconds=1, targets=["a"], actions=[Action.CONTINUE]),
        lambda: SignalSchedule.draw(1, duration_seconds=1, targets=["a"], pause_seconds=(2, 1)),
        lambda: SignalSchedule.draw(1, duration_seconds=1, targets=["a"], count=-1),
    ],
    ids=["no duration", "no targets", "continue alone", "falling pauses", "negative count"],
)
def test_arguments_out_of_range_are_errors(draw: Callable[[], SignalSchedule]) -> None:
    with pytest.raises(ConfigError, match="a schedule needs"):
        draw()


class Process:
    """Notes the signals it gets and when."""

    def __init__(self, clock: FakeClock, *, gone: bool = False) -> None:
        self._clock = clock
        self._started = clock.monotonic()
        self._gone = gone
        self.got: list[tuple[float, signal.Signals]] = []

    def send_signal(self, number: signal.Signals) -> None:
        if self._gone:
            raise ProcessLookupError
        self.got.append((round(self._clock.monotonic() - self._started, 3), number))


STOP_AND_KILL = SignalSchedule(
    0,
    10.0,
    (
        Step(1.0, "a", Action.STOP),
        Step(1.5, "b", Action.KILL),
        Step(3.0, "a", Action.CONTINUE),
        Step(4.0, "a", Action.TERMINATE),
    ),
)


@pytest.mark.asyncio
async def test_each_signal_is_sent_when_it_is_due() -> None:
    clock = FakeClock()
    a, b = Process(clock), Process(clock)
    task = asyncio.create_task(perform(STOP_AND_KILL, {"a": a.send_signal, "b": b.send_signal}, clock=clock))
    await clock.advance(10)
    assert await task == []
    assert a.got == [(1.0, signal.SIGSTOP), (3.0, signal.SIGCONT), (4.0, signal.SIGTERM)]
    assert b.got == [(1.5, signal.SIGKILL)]


@pytest.mark.asyncio
@pytest.mark.parametrize("after_seconds", [0.5, 2.0, 3.5])
async def test_a_cancelled_performance_leaves_nothing_stopped(after_seconds: float) -> None:
    clock = FakeClock()
    a, b = Process(clock), Process(clock)
    task = asyncio.create_task(perform(STOP_AND_KILL, {"a": a.send_signal, "b": b.send_signal}, clock=clock))
    await clock.advance(after_seconds)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    signals = [number for _, number in a.got]
    assert signals.count(signal.SIGSTOP) == signals.count(signal.SIGCONT)


@pytest.mark.asyncio
async def test_a_target_that_fails_ends_the_performance_and_what_is_stopped_is_continued() -> None:
    clock = FakeClock()
    a = Process(clock)

    def broken(_number: signal.Signals) -> None:
        raise PermissionError

    task = asyncio.create_task(perform(STOP_AND_KILL, {"a": a.send_signal, "b": broken}, clock=clock))
    await clock.advance(10)
    with pytest.raises(PermissionError):
        await task
    assert [number for _, number in a.got] == [signal.SIGSTOP, signal.SIGCONT]


@pytest.mark.asyncio
async def test_steps_that_found_no_process_are_returned() -> None:
    clock = FakeClock()
    a, b = Process(clock), Process(clock, gone=True)
    task = asyncio.create_task(perform(STOP_AND_KILL, {"a": a.send_signal, "b": b.send_signal}, clock=clock))
    await clock.advance(10)
    assert await task == [Step(1.5, "b", Action.KILL)]


@pytest.mark.asyncio
async def test_an_unknown_target_is_an_error_and_nothing_is_sent() -> None:
    clock = FakeClock()
    a = Process(clock)
    with pytest.raises(ConfigError, match="not given: b"):
        await perform(STOP_AND_KILL, {"a": a.send_signal}, clock=clock)
    assert a.got == []


@pytest.mark.asyncio
async def test_a_process_id_is_a_target(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    schedule = SignalSchedule(0, 1.0, (Step(0.0, "a", Action.INTERRUPT),))
    assert await perform(schedule, {"a": 4_194_305}) == []
    assert sent == [(4_194_305, signal.SIGINT)]
