"""Arrivals and keys: pure numbers from a seed."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.core.errors import ConfigError
from quickwins.rig import ZipfKeys, poisson_arrivals, uniform_arrivals

rates = st.floats(min_value=0.5, max_value=500)
durations = st.floats(min_value=0.1, max_value=5)
seeds = st.integers(min_value=0, max_value=2**32)


@given(rate=rates, duration=durations, seed=seeds)
def test_poisson_arrivals_are_sorted_within_the_duration_and_the_same_for_the_same_seed(
    rate: float, duration: float, seed: int
) -> None:
    arrivals = poisson_arrivals(rate_per_second=rate, duration_seconds=duration, rng=Random(seed))
    assert arrivals == sorted(arrivals)
    assert all(0 <= due < duration for due in arrivals)
    assert arrivals == poisson_arrivals(rate_per_second=rate, duration_seconds=duration, rng=Random(seed))


@given(seed=seeds)
def test_poisson_arrivals_keep_the_mean_rate_and_are_as_irregular_as_poisson(seed: int) -> None:
    arrivals = poisson_arrivals(rate_per_second=200, duration_seconds=50, rng=Random(seed))
    # Six standard deviations of a Poisson count: practically never by chance.
    assert abs(len(arrivals) - 10_000) < 6 * math.sqrt(10_000)
    gaps = [later - due for due, later in itertools.pairwise(arrivals)]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert 0.9 < deviation / mean < 1.1


@given(rate=rates, duration=durations)
def test_uniform_arrivals_start_at_zero_and_keep_their_distance(rate: float, duration: float) -> None:
    arrivals = uniform_arrivals(rate_per_second=rate, duration_seconds=duration)
    assert arrivals[0] == 0
    assert all(due < duration for due in arrivals)
    assert all(later - due == pytest.approx(1 / rate) for due, later in itertools.pairwise(arrivals))
    assert len(arrivals) == pytest.approx(rate * duration, abs=1)


@pytest.mark.parametrize(("rate", "duration"), [(0, 1), (-1, 1), (1, 0), (math.nan, 1)])
def test_a_rate_or_duration_that_is_not_above_zero_is_an_error(rate: float, duration: float) -> None:
    with pytest.raises(ConfigError, match="must be above 0"):
        poisson_arrivals(rate_per_second=rate, duration_seconds=duration, rng=Random(1))
    with pytest.raises(ConfigError, match="must be above 0"):
        uniform_arrivals(rate_per_second=rate, duration_seconds=duration)


@given(
    count=st.integers(min_value=1, max_value=1_000), exponent=st.floats(min_value=0, max_value=5), seed=seeds
)
def test_keys_are_in_range_and_the_same_for_the_same_seed(count: int, exponent: float, seed: int) -> None:
    one, other = ZipfKeys(count, exponent, Random(seed)), ZipfKeys(count, exponent, Random(seed))
    drawn = [one.draw() for _ in range(50)]
    assert all(0 <= key < count for key in drawn)
    assert drawn == [other.draw() for _ in range(50)]


@given(exponent=st.floats(min_value=0, max_value=2), seed=seeds)
def test_each_key_is_drawn_in_proportion_to_its_weight(exponent: float, seed: int) -> None:
    draws, count = 5_000, 10
    keys = ZipfKeys(count, exponent, Random(seed))
    seen = Counter(keys.draw() for _ in range(draws))
    weights = [(rank + 1) ** -exponent for rank in range(count)]
    for key, weight in enumerate(weights):
        share = weight / sum(weights)
        assert abs(seen[key] - draws * share) < 6 * math.sqrt(draws * share * (1 - share))


class TopOfTheRange(Random):
    def random(self) -> float:
        return math.nextafter(1.0, 0.0)


@given(count=st.integers(min_value=1, max_value=500), exponent=st.floats(min_value=0, max_value=5))
def test_the_largest_random_number_draws_an_existing_key(count: int, exponent: float) -> None:
    assert 0 <= ZipfKeys(count, exponent, TopOfTheRange()).draw() < count


@pytest.mark.parametrize(("count", "exponent"), [(0, 1.0), (1, -0.1)])
def test_no_keys_or_a_negative_exponent_are_an_error(count: int, exponent: float) -> None:
    with pytest.raises(ConfigError, match="count must be"):
        ZipfKeys(count, exponent, Random(1))
