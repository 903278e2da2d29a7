"""Evidence may be looked at after every request, and proves no harm where there is none."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.rollout.simulate import KINDS, missed, run
from quickwins.rollout._core.evidence import EPOCH, Evidence
from quickwins.rollout._core.gates import bound_of, imbalanced, index_above
from tests.unit.rollout.ramps import BOUNDS, arm

pytestmark = pytest.mark.no_cover
"""Simulations: the other tests of a ramp come by the same lines."""

RATIOS = (3.0, 6.0)


def test_false_alarms_of_one_test_are_as_rare_as_it_says_although_each_request_is_looked_at() -> None:
    alarms = 0
    for seed in range(400):
        rng, evidence = Random(seed), Evidence.none(RATIOS)
        for _ in range(600):
            hit = rng.random() < 0.1
            evidence = evidence.seen(requests=1, hits=hit, trials=1, share=0.1)
            if evidence.proof(0.05) is not None:
                alarms += 1
                break
    assert alarms <= 0.05 * 400


@given(hits=st.integers(0, 20), others=st.integers(0, 200), share=st.floats(0.01, 0.99))
def test_no_single_bet_wins_on_average_while_the_canary_is_as_good(
    hits: int, others: int, share: float
) -> None:
    trials = hits + others
    mean = sum(
        math.comb(trials, k)
        * share**k
        * (1 - share) ** (trials - k)
        * math.exp(Evidence.none(RATIOS).seen(requests=1, hits=k, trials=trials, share=share).whole.log)
        for k in range(min(trials, 60) + 1)
    )
    assert mean <= 1 + 1e-6


def test_health_is_no_debt_for_longer_than_an_epoch() -> None:
    evidence = Evidence.none(RATIOS)
    for _ in range(50):
        evidence = evidence.seen(requests=EPOCH, hits=100, trials=2000, share=0.1)
    assert evidence.whole.log < -100
    looks = 0
    while evidence.proof(0.001) is None and looks < 100:
        evidence = evidence.seen(requests=100, hits=40, trials=130, share=0.1)
        looks += 1
    assert looks <= 1 + EPOCH / 100


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_without_one_of_the_cohorts_nothing_is_learned(share: float) -> None:
    none = Evidence.none(RATIOS)
    assert none.seen(requests=1, hits=1, trials=1, share=share) == none


def test_the_bound_is_the_first_that_one_percent_exceed() -> None:
    assert bound_of(arm(1000, late=10)) == 40
    assert bound_of(arm(1000, late=11)) == 60
    assert bound_of(arm(199)) is None


def test_ten_percent_more_is_the_next_bucket_and_a_coarse_one_is_none() -> None:
    assert index_above(BOUNDS, 40, 1.10) == 41
    assert index_above(BOUNDS, 40, 1.2) == 42
    assert index_above((0.1, 0.5, 1.0), 0, 1.1) is None
    assert index_above(BOUNDS, len(BOUNDS) - 1, 1.1) is None


@pytest.mark.parametrize(
    ("on", "off", "is_wrong"),
    [(1000, 9000, False), (1040, 8960, False), (1200, 8800, True), (10, 40, False), (0, 5000, True)],
)
def test_a_mismatch_of_the_cohorts_is_told_from_chance(on: int, off: int, is_wrong: bool) -> None:
    assert imbalanced(on, off, 0.1) is is_wrong


@pytest.mark.parametrize("name", ["2x slower", "+50 %", "errors 100 %", "errors 5 %", "errors 2 %"])
def test_harm_is_caught_in_time_by_simulation(name: str) -> None:
    kind = next(kind for kind in KINDS if kind.name == name)
    assert not missed(kind, run(kind, 100), 100)


def test_what_is_harmless_goes_through_by_simulation() -> None:
    kind = next(kind for kind in KINDS if kind.name == "A/A, 10,000 requests a look")
    outcome = run(kind, 60)
    assert (len(outcome.caught), outcome.ends["done"]) == (0, 60)
