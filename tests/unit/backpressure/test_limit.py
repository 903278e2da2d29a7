"""The learner of the limit: its rules one by one on samples by hand, and what it is worth, against a simulated database."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from math import sin
from random import Random
from statistics import mean, median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.backpressure._core.learner import BLOCK, LimitLearner
from quickwins.core.errors import ConfigError
from tests.unit.backpressure.simulation import (
    Database,
    Fixed,
    Speed,
    Work,
    bimodal,
    capacity,
    constant,
    contended,
    exponential,
    heavy,
    independent,
    run,
    shared,
)


def learner(max_limit: int, min_limit: int = 2) -> LimitLearner:
    return LimitLearner(min_limit=min_limit, max_limit=max_limit)


def overload(database: Database, times: float) -> Callable[[float], float]:
    """Arrivals as a multiple of what the database can do at its best, at the service time it starts with."""
    _, throughput = capacity(database.speed, database.pool)
    rate = times * throughput / database.service_seconds(0.0)
    return lambda _now: rate


def lowered(max_limit: int) -> LimitLearner:
    """One that failures have brought down to its minimum."""
    low = learner(max_limit)
    for step in range(20 * max_limit):
        low.failed(float(step), low.limit)
    assert low.limit == 2
    return low


@pytest.mark.parametrize(("low", "high"), [(0, 5), (-1, 5), (6, 5), (1, 0)])
def test_bounds_that_are_none_are_refused_with_both_of_them(low: int, high: int) -> None:
    with pytest.raises(ConfigError, match=f"not {low} and {high}"):
        LimitLearner(min_limit=low, max_limit=high)
    with pytest.raises(ConfigError, match=f"not {low} and {high}"):
        learner(5).resize(low, high)


def test_it_starts_with_every_permit_and_nothing_to_explain() -> None:
    assert (learner(10).limit, learner(10).why) == (10, "")


def test_one_failure_among_many_says_nothing() -> None:
    core = learner(10)
    assert not core.failed(0.0, 10)
    assert not any(core.done(0.01 * n, 0.05, 10) for n in range(30))
    assert core.limit == 10


def test_failures_shrink_the_limit_at_once_and_say_so() -> None:
    core = learner(10)
    assert [core.failed(0.0, 10), core.failed(0.0, 9)] == [False, True]
    assert (core.limit, core.why) == (7, "2 of 2 failed: 10 -> 7")


def test_a_round_that_fails_together_shrinks_the_limit_once() -> None:
    core = learner(40)
    assert sum(core.failed(0.0, 40 - n) for n in range(40)) == 1
    assert core.limit == 28


@pytest.mark.parametrize("good", [0, 1, 4], ids=["all fail", "every other one", "one in five"])
def test_constant_failures_bring_it_to_the_minimum_and_never_grow_it(good: int) -> None:
    core, limits = learner(40), [40]
    for n in range(5000):
        if n % (good + 1):
            core.done(n * 0.01, 0.05, core.limit)
        else:
            core.failed(n * 0.01, core.limit)
        limits.append(core.limit)
    bases = limits[2000:]
    assert max(bases) <= 4
    assert all(after <= before for before, after in itertools.pairwise(limits)) or good


def test_an_hour_with_nothing_or_little_to_do_moves_nothing() -> None:
    core = learner(20)
    assert not any(core.done(float(second), 0.05, 1 + second % 3) for second in range(3600))
    low = lowered(20)
    assert not any(low.done(4000.0 + second, 0.05, 1) for second in range(3600) if low.limit > 2)
    assert core.limit == 20


@pytest.mark.parametrize("outlier", [50.0, 0.00001], ids=["slow", "fast"])
@pytest.mark.parametrize("at", [3, 50, 130, 190, 260])
def test_one_outlier_changes_nothing_that_lasts(outlier: float, at: int) -> None:
    core, calm, limits = learner(10), learner(10), []
    for n in range(1500):
        core.done(n * 0.005, outlier if n == at else 0.05, core.limit)
        calm.done(n * 0.005, 0.05, calm.limit)
        limits.append(core.limit)
    assert min(limits) >= 6, "twice a quarter lower is how it probes at the top"
    assert core.limit == calm.limit == 10


def test_it_grows_back_from_a_learned_low_when_there_is_use_for_it() -> None:
    core, now, limits = lowered(20), 1e3, []
    for _ in range(3000):
        now += 0.05 / core.limit
        core.done(now, 0.05, core.limit)
        limits.append(core.limit)
    assert mean(limits[1200:]) >= 18, "probes apart it has them all again"
    assert "->" in core.why


def test_it_stays_low_while_there_is_no_use_for_more() -> None:
    core = learner(20)
    for step in range(30):
        core.failed(step * 0.01, 10)
    low = core.limit
    assert low < 20
    assert not any(core.done(1e3 + n, 0.05, 1) for n in range(2000) if low > 2)


def test_new_bounds_hold_at_once_and_an_unlearned_limit_goes_to_the_top() -> None:
    core = learner(10)
    core.resize(2, 20)
    assert core.limit == 20
    core.resize(2, 5)
    assert core.limit == 5
    low = lowered(10)
    low.resize(3, 20)
    assert low.limit == 3


ENDS = st.lists(
    st.tuples(st.booleans(), st.floats(0.0, 30.0), st.floats(0.0, 1.5), st.integers(1, 60)), max_size=40
)


@given(low=st.integers(1, 6), span=st.integers(0, 40), ends=ENDS)
def test_whatever_happens_the_limit_stays_in_bounds_and_grows_only_where_it_is_used(
    low: int, span: int, ends: list[tuple[bool, float, float, int]]
) -> None:
    core, now = LimitLearner(min_limit=low, max_limit=low + span), 0.0
    for failed, held_seconds, crowd, times in ends:
        for _ in range(times):
            before, inflight = core.limit, max(1, round(crowd * core.limit))
            now += held_seconds / before
            changed = core.failed(now, inflight) if failed else core.done(now, held_seconds, inflight)
            assert low <= core.limit <= low + span
            assert changed == (core.limit != before)
            if core.limit > before:
                assert not failed
                assert 2 * inflight >= before


# A window, below, is one probe: four blocks and three times waiting for those in flight, at a hold of one round each.
WINDOW_ROUNDS = 4 * BLOCK + 3


def best_fixed(
    database: Database, rate: Callable[[float], float], seconds: float, seed: int, since: float
) -> int:
    """The limit that answers the most in time, found by trying."""
    tried = range(1, database.pool + 1) if database.pool <= 10 else range(4, database.pool + 1, 4)
    return max(
        (run(database, Fixed(limit), rate=rate, seconds=seconds, seed=seed, count_from=since).good, limit)
        for limit in tried
    )[1]


@pytest.mark.no_cover
@pytest.mark.parametrize("speed", [independent, contended(5)], ids=["independent", "5 cpus, then contention"])
@pytest.mark.parametrize("work", [constant, exponential])
def test_a_database_that_gets_slower_and_recovers_is_followed_within_ten_windows(
    speed: Speed, work: Work
) -> None:
    slower, faster, end = 20.0, 40.0, 60.0
    database = Database(10, speed, work, lambda now: 0.05 if slower <= now < faster else 0.01, 2.0)
    rate = overload(database, 1.2)
    core = learner(10)
    outcome = run(database, core, rate=rate, seconds=end, seed=1)
    for since, until, service_seconds in ((2.0, 20.0, 0.01), (20.0, 40.0, 0.05), (40.0, 60.0, 0.01)):
        steady = Database(10, speed, work, lambda _now, s=service_seconds: s, 2.0)  # type: ignore[misc]  # -- a bound default; until=never
        best = best_fixed(steady, rate, 8.0, 1, 0.0)
        settled = since + 10 * WINDOW_ROUNDS * service_seconds
        assert 0.8 * best <= outcome.mean_limit(settled, until) <= 1.2 * best


@pytest.mark.no_cover
def test_hold_times_that_creep_up_and_down_by_a_fifth_for_an_hour_ratchet_nothing() -> None:
    core, rng, now, limits = learner(10), Random(1), 0.0, []
    while now < 3600:
        held_seconds = 0.2 * (1 + 0.2 * sin(now / 100)) * rng.lognormvariate(0.0, 0.5)
        now += held_seconds / core.limit
        core.done(now, held_seconds, core.limit)
        limits.append(core.limit)
    quarter = len(limits) // 4
    assert min(mean(limits[n * quarter : (n + 1) * quarter]) for n in range(4)) >= 9


def unshared(_cpus: int) -> Speed:
    return independent


SCENES: dict[str, tuple[Callable[[int], Speed], Work]] = {
    "constant, independent": (unshared, constant),
    "constant, shared": (shared, constant),
    "exponential, independent": (unshared, exponential),
    "exponential, shared": (shared, exponential),
    "heavy tail, independent": (unshared, heavy),
    "heavy tail, shared": (shared, heavy),
    "exponential, lock storm": (contended, exponential),
    "bimodal, shared": (shared, bimodal),
    "bimodal, lock storm": (contended, bimodal),
    "heavy tail, lock storm": (contended, heavy),
}


def scene(name: str, pool: int) -> tuple[Database, float, float]:
    """The database, how long to run, and from when on to count."""
    shape, work = SCENES[name]
    if shape is unshared:
        return Database(pool, independent, work), 9.0, 3.0
    return Database(pool, shape(pool // 2 if pool <= 10 else pool // 4), work), 30.0, 10.0


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("pool", "runs"),
    [
        pytest.param(10, 3, id="10"),
        pytest.param(10, 9, id="10, nine times", marks=pytest.mark.volume),
        pytest.param(40, 9, id="40, nine times", marks=pytest.mark.volume),
    ],
)
@pytest.mark.parametrize("name", SCENES)
def test_under_three_times_the_load_it_answers_most_of_what_the_best_limit_would(
    name: str, pool: int, runs: int
) -> None:
    database, seconds, since = scene(name, pool)
    rate = overload(database, 3.0)
    ratios = []
    best, _ = capacity(database.speed, pool)
    for seed in range(1, runs + 1):
        learned = run(database, learner(pool), rate=rate, seconds=seconds, seed=seed, count_from=since)
        fixed = max(
            run(database, Fixed(limit), rate=rate, seconds=seconds, seed=seed, count_from=since).good
            for limit in {best, pool}
        )
        ratios.append(learned.good / fixed)
    assert median(ratios) >= 0.9


@pytest.mark.no_cover
@pytest.mark.parametrize("pool", [10, pytest.param(40, marks=pytest.mark.volume)])
@pytest.mark.parametrize("name", SCENES)
def test_under_seven_tenths_of_the_load_it_is_not_in_the_way(name: str, pool: int) -> None:
    database, seconds, _ = scene(name, pool)
    rate = overload(database, 0.7)
    learned = [run(database, learner(pool), rate=rate, seconds=seconds, seed=seed) for seed in (1, 2)]
    without = [run(database, Fixed(pool), rate=rate, seconds=seconds, seed=seed) for seed in (1, 2)]
    assert sum(o.good for o in learned) >= 0.99 * sum(o.good for o in without)
