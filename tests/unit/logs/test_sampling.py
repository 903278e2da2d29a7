"""Which records of a frequent event are kept."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins import ConfigError
from quickwins.logs._levels import DEBUG, ERROR, INFO, LEVELS, WARNING, Level
from quickwins.logs._sampling import MAX_EVENTS, Sampler, Sampling
from quickwins.logs.settings import LogsSettings


def rates(
    sampler: Sampler, count: int, *, event: str = "a", second: int = 0, level: Level = INFO
) -> list[int]:
    return [sampler.rate(level, event, {}, second) for _ in range(count)]


def test_the_first_are_kept_whole_and_then_one_of_so_many_with_its_rate() -> None:
    assert rates(Sampler(Sampling(first=3, every=4)), 12) == [1, 1, 1, 0, 0, 0, 4, 0, 0, 0, 4, 0]


def test_each_second_begins_anew() -> None:
    sampler = Sampler(Sampling(first=1, every=100))
    assert rates(sampler, 2) == [1, 0]
    assert rates(sampler, 2, second=1) == [1, 0]
    assert rates(sampler, 2, second=0) == [1, 0], "also when the clock went back"


def test_events_are_counted_apart() -> None:
    sampler = Sampler(Sampling(first=1, every=100))
    assert rates(sampler, 2, event="a") == [1, 0]
    assert rates(sampler, 2, event="b") == [1, 0]


@pytest.mark.parametrize("level", [WARNING, ERROR, LEVELS[-1]])
def test_warnings_and_errors_are_always_kept(level: Level) -> None:
    assert rates(Sampler(Sampling(first=0, every=100)), 50, level=level) == [1] * 50


@pytest.mark.parametrize(
    ("duration", "kept"),
    [
        pytest.param(500, 1, id="at the bound"),
        pytest.param(500.5, 1, id="above"),
        pytest.param(499.9, 0, id="below"),
        pytest.param("900", 0, id="no number"),
        pytest.param(True, 0, id="a boolean"),
        pytest.param(float("nan"), 0, id="not a number"),
    ],
)
def test_what_is_slow_is_always_kept(duration: Any, kept: int) -> None:
    sampler = Sampler(Sampling(first=0, every=100, slow_ms=500))
    assert sampler.rate(DEBUG, "a", {"duration_ms": duration}, 0) == kept


def test_the_events_of_a_second_are_bounded() -> None:
    sampler = Sampler(Sampling(first=1, every=1_000))
    assert all(sampler.rate(INFO, str(number), {}, 0) == 1 for number in range(MAX_EVENTS))
    late = [sampler.rate(INFO, f"late {number}", {}, 0) for number in range(50)]
    assert late == [1, *[0] * 49], "those that come late share one count"
    assert len(sampler._seen) <= MAX_EVENTS + 1


@given(first=st.integers(0, 20), every=st.integers(1, 20), count=st.integers(0, 300))
def test_rates_add_up_to_what_came_but_for_the_last_few(first: int, every: int, count: int) -> None:
    kept = sum(rates(Sampler(Sampling(first=first, every=every)), count))
    assert count - every < kept <= count


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        pytest.param({"first": -1}, "first=-1 is not allowed: a whole number at least 0", id="negative"),
        pytest.param({"every": 0}, "every=0 is not allowed: a whole number at least 1", id="none of nothing"),
        pytest.param({"every": True}, "every=True", id="a boolean"),
        pytest.param({"slow_ms": float("nan")}, "slow_ms=nan", id="not a number"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Sampling(**wrong)


def test_a_bare_sampling_keeps_everything_as_a_bare_section_does() -> None:
    settings = LogsSettings()
    assert Sampling() == Sampling(settings.sample_first, settings.sample_every, settings.slow_ms)
    assert rates(Sampler(Sampling()), 1_000) == [1] * 1_000
