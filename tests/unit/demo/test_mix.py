"""The mix of requests is always the same, and as it says."""

from __future__ import annotations

from collections import Counter

import pytest

from quickwins.demo.mix import EXPONENT, SHARES, Kind, requests


def test_it_is_the_same_for_the_same_seed() -> None:
    first, again, other = (list(requests(200, users=50, posts=500, seed=seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_kinds_come_as_often_as_they_should_and_the_first_by_zipfs_law() -> None:
    made = list(requests(20_000, users=50, posts=500, seed=1))
    kinds = Counter(one.kind for one in made)
    assert {kind: count / len(made) for kind, count in kinds.items()} == pytest.approx(SHARES, abs=0.01)
    posts = Counter(one.thing for one in made if one.kind is Kind.POST)
    assert posts[1] / posts[2] == pytest.approx(2**EXPONENT, rel=0.2)
    assert {one.user for one in made} == set(range(1, 51))
