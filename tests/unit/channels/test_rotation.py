"""When members are too old."""

from __future__ import annotations

import math
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from quickwins.channels._core.rotation import lifetime_seconds, next_due


@given(st.floats(0.001, 1e6), st.integers(0, 2**32))
def test_a_member_lives_between_four_fifths_and_the_whole_of_the_greatest_age(age: float, seed: int) -> None:
    assert 0.8 * age * 0.999 <= lifetime_seconds(age, Random(seed)) <= age


def test_members_that_are_made_together_are_spread_over_the_whole_age() -> None:
    rng = Random(1)
    ends = [lifetime_seconds(900.0, rng, place=place, together=3) for place in range(3)]
    assert ends == sorted(ends)
    assert all(240 * (place + 1) <= end <= 300 * (place + 1) for place, end in enumerate(ends))


def test_at_zero_members_do_not_age() -> None:
    assert lifetime_seconds(0.0, Random(1)) == math.inf


def test_the_next_one_is_the_one_whose_life_ends_first() -> None:
    assert next_due([5.0, 3.0, 4.0]) == (1, 3.0)
