"""Time moves when it is told to; deadlines are fixed at the door; retries spread out."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.core.clock import Clock, Deadline, FakeClock, SystemClock, backoff_seconds


@pytest.mark.asyncio
async def test_sleepers_wake_in_the_order_of_their_times_at_their_times() -> None:
    clock = FakeClock(now=0)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic()))

    tasks = [asyncio.create_task(sleeper(name, at)) for name, at in [("c", 3), ("a", 1), ("b", 2)]]
    await clock.advance(2)
    assert woken == [("a", 1), ("b", 2)]
    await clock.advance(1)
    assert woken[2:] == [("c", 3)]
    await asyncio.gather(*tasks)
    assert clock.sleeping == 0


@pytest.mark.asyncio
async def test_a_sleeper_that_was_cancelled_wakes_nobody() -> None:
    clock = FakeClock()
    task = asyncio.create_task(clock.sleep(1))
    await asyncio.sleep(0)
    task.cancel()
    await clock.advance(2)
    assert task.cancelled()
    assert clock.sleeping == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("clock", [FakeClock(), SystemClock()], ids=["fake", "system"])
async def test_sleeping_for_nothing_lets_the_others_run_once(clock: Clock) -> None:
    turns: list[str] = []

    async def turn(name: str) -> None:
        turns.append(name)
        await clock.sleep(0)
        turns.append(name)

    await asyncio.gather(turn("one"), turn("other"))
    assert turns == ["one", "other", "one", "other"]


def test_the_wall_can_jump_without_moving_the_monotonic_clock() -> None:
    clock = FakeClock(now=5, wall_now=100)
    clock.jump(-60)
    assert (clock.monotonic(), clock.wall()) == (5, 40)


@pytest.mark.asyncio
async def test_both_clocks_advance_together() -> None:
    clock = FakeClock(now=5, wall_now=100)
    await clock.advance(1.5)
    assert (clock.monotonic(), clock.wall()) == (6.5, 101.5)


def test_the_system_clock_is_the_machines() -> None:
    clock = SystemClock()
    assert clock.monotonic() <= clock.monotonic()
    assert clock.wall() > 1_700_000_000


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_deadline_counts_down_and_stops_at_zero(timeout: float, start: float, later: float) -> None:
    deadline = Deadline.after(timeout, start)
    remaining = deadline.remaining(start + later)
    assert remaining is not None
    assert 0 <= remaining <= timeout + 1e-6
    assert deadline.passed(start + later) == (remaining == 0)


def test_no_timeout_is_a_deadline_that_never_passes() -> None:
    deadline = Deadline.after(None, 0)
    assert deadline.remaining(1e12) is None
    assert not deadline.passed(1e12)


@given(st.integers(0, 10_000), st.floats(0.001, 10), st.floats(0.001, 100), st.integers())
def test_back_off_stays_within_its_ceiling_and_above_zero(
    attempt: int, base: float, cap: float, seed: int
) -> None:
    seconds = backoff_seconds(attempt, base_seconds=base, cap_seconds=cap, rng=Random(seed))
    assert 0 < seconds <= min(cap, base * 2.0 ** min(attempt, 62))


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (1.0, "1 s"),
        (0.07999594300008539, "0.08 s"),
        (12.345, "12.345 s"),
        (0.0004, "0.0004 s"),
        (0, "0 s"),
        (3600.0, "3600 s"),
    ],
)
def test_a_deadline_is_shown_as_what_was_asked_for(seconds: float, shown: str) -> None:
    assert str(Deadline.after(seconds, 5.0)) == shown


def test_no_deadline_is_shown_as_such() -> None:
    assert str(Deadline.after(None, 5.0)) == "no limit"
