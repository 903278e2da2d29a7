"""Who is on: decided from the flag's fields and the time alone, stably, and the same for everybody who asks."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.core.flags import FlagSettings, FlagState, Why, decide
from quickwins.core.flags._state import next_expiry

NOW = 1_700_000_000.0
KEYS = [f"user-{number}" for number in range(100_000)]


def at(percent: float, feature: str = "backpressure", salt: str = "") -> FlagState:
    return decide(feature, FlagSettings(enabled=True, percent=percent, salt=salt), NOW)


def moment(offset_seconds: float) -> datetime:
    return datetime.fromtimestamp(NOW + offset_seconds, UTC)


@pytest.mark.parametrize(
    ("settings", "percent", "why"),
    [
        pytest.param(FlagSettings(), 0, Why.DISABLED, id="off unless enabled"),
        pytest.param(FlagSettings(enabled=True), 100, Why.ON, id="enabled is everybody"),
        pytest.param(FlagSettings(enabled=True, percent=10), 10, Why.PERCENT, id="a share"),
        pytest.param(FlagSettings(enabled=True, percent=0), 0, Why.PERCENT, id="a share of nothing"),
        pytest.param(FlagSettings(enabled=True, killed=True), 0, Why.KILLED, id="a kill beats enabled"),
        pytest.param(
            FlagSettings(enabled=True, killed=True, expires_at=moment(-1), fallback_percent=100),
            0,
            Why.KILLED,
            id="a kill beats an expiry",
        ),
        pytest.param(
            FlagSettings(enabled=False, expires_at=moment(-1), fallback_percent=100),
            0,
            Why.DISABLED,
            id="disabled beats an expiry",
        ),
        pytest.param(
            FlagSettings(enabled=True, expires_at=moment(1), fallback_percent=5),
            100,
            Why.ON,
            id="not expired yet",
        ),
        pytest.param(
            FlagSettings(enabled=True, expires_at=moment(0), fallback_percent=5),
            5,
            Why.EXPIRED,
            id="expired now",
        ),
        pytest.param(
            FlagSettings(enabled=True, percent=10, expires_at=moment(-1), fallback_percent=100),
            100,
            Why.EXPIRED,
            id="expired into everybody",
        ),
    ],
)
def test_the_first_rule_that_matches_decides(settings: FlagSettings, percent: float, why: Why) -> None:
    state = decide("backpressure", settings, NOW)
    assert (state.percent, state.why, state.on) == (percent, why, percent == 100)
    assert str(state) == f"{percent:g}% ({why})"


PERCENTAGES = st.integers(0, 10_000).map(lambda hundredths: hundredths / 100)


@given(st.text(max_size=30), PERCENTAGES, PERCENTAGES)
def test_a_key_that_is_on_stays_on_at_every_higher_percentage(key: str, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert at(high).admits(key) or not at(low).admits(key)


@pytest.mark.no_cover  # tracing every draw takes longer than drawing
def test_five_flags_are_pairwise_independent() -> None:
    features = ["backpressure", "logs", "query_cache", "dedup", "channels"]
    states = {name: at(30, name) for name in features}
    chosen = {name: {key for key in KEYS if state.admits(key)} for name, state in states.items()}
    for one, other in itertools.combinations(features, 2):
        # Independent halves of 30 % meet in 9 %; 0.5 points are more than five standard deviations.
        assert abs(100 * len(chosen[one] & chosen[other]) / len(KEYS) - 9) <= 0.5, (one, other)


def test_a_salt_of_its_own_redraws_the_keys_and_the_same_salt_draws_the_same() -> None:
    default = [at(30).admits(key) for key in KEYS[:1000]]
    assert default == [at(30, "logs", salt="backpressure").admits(key) for key in KEYS[:1000]]
    assert default != [at(30, salt="2026-11").admits(key) for key in KEYS[:1000]]


def test_the_smallest_step_is_one_bucket() -> None:
    assert [at(percent).limit for percent in (0.01, 0.1, 33.33, 99.99)] == [1, 10, 3333, 9999]


def test_the_next_expiry_is_the_first_that_is_still_to_come() -> None:
    settings = [FlagSettings(expires_at=moment(offset)) for offset in (-5, 20, 10)] + [FlagSettings()]
    assert next_expiry(settings, NOW) == NOW + 10
    assert next_expiry(settings, NOW + 20) is None
