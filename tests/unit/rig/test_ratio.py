"""Ratios: intervals against synthetic noise, measuring against a stopwatch that the contenders turn."""

from __future__ import annotations

import gc
import math
from random import Random
from timeit import Timer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.core.errors import ConfigError
from quickwins.rig import Ratio, Target, exit_code, paired_ratios, paired_ratios_async


class Machine:
    """A stopwatch that contenders advance by their cost, times the machine's mood of the moment."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self._rng = Random(seed)
        self._mood = 1.0

    def read(self) -> float:
        return self.now

    def spend(self, seconds: float) -> None:
        # Wanders from call to call, and now and then a neighbour takes the core.
        self._mood = min(3.0, max(0.5, self._mood * self._rng.uniform(0.99, 1.0102)))
        self.now += seconds * self._mood * (20.0 if self._rng.random() < 0.002 else 1.0)


def covered(rounds: int, cut: int) -> float:
    """The probability that the median lies between the cut-th smallest and the cut-th largest."""
    return 1 - 2 * sum(math.comb(rounds, k) for k in range(cut)) / (1 << rounds)


@given(rounds=st.integers(6, 400), confidence=st.sampled_from([0.5, 0.9, 0.95]))
def test_the_interval_is_the_narrowest_that_covers_the_median_with_the_confidence(
    rounds: int, confidence: float
) -> None:
    ratio = Ratio.of("x", [float(number) for number in range(1, rounds + 1)], confidence=confidence)
    cut = int(ratio.low)
    assert ratio.high == rounds + 1 - cut
    assert covered(rounds, cut) >= confidence - 1e-12
    assert ratio.low <= ratio.median <= ratio.high
    assert cut == (rounds + 1) // 2 or covered(rounds, cut + 1) < confidence


def test_the_interval_contains_the_true_ratio_as_often_as_it_says() -> None:
    rng = Random(7)
    trials = 400
    hits = 0
    for _ in range(trials):
        # Skewed and heavy-tailed noise around a median of 1.3.
        sample = [1.3 * rng.lognormvariate(0, 0.4) ** rng.choice((1, 3)) for _ in range(131)]
        ratio = Ratio.of("x", sample)
        hits += ratio.low <= 1.3 <= ratio.high
    assert hits >= 0.92 * trials


@pytest.mark.parametrize(("rounds", "confidence"), [(0, 0.95), (5, 0.95), (6, 0.99), (100, 1.0)])
def test_too_few_rounds_for_the_confidence_are_an_error(rounds: int, confidence: float) -> None:
    with pytest.raises(ConfigError, match="too few"):
        Ratio.of("x", [1.0] * rounds, confidence=confidence)


@given(seed=st.integers(0, 2**32))
def test_the_true_ratio_is_found_on_a_machine_whose_speed_wanders(seed: int) -> None:
    machine = Machine(seed)
    comparison = paired_ratios(
        {
            "bare": lambda: machine.spend(1e-4),
            "ours": lambda: machine.spend(1.5e-4),
            "same": lambda: machine.spend(1e-4),
        },
        reference="bare",
        rng=Random(seed),
        rounds=51,
        confidence=0.9999,
        stopwatch=machine.read,
    )
    assert comparison.ratios["ours"].low <= 1.5 * 1.02
    assert comparison.ratios["ours"].high >= 1.5 * 0.98
    assert comparison.ratios["same"].median == pytest.approx(1, rel=0.1)
    assert comparison.noise.median == pytest.approx(1, rel=0.1)
    assert set(comparison.ratios) == {"ours", "same"}


def test_a_block_lasts_about_as_long_as_asked_whatever_a_call_costs() -> None:
    machine = Machine(1)
    spent: dict[str, int] = {"cheap": 0, "dear": 0}

    def call(name: str, seconds: float) -> None:
        spent[name] += 1
        machine.now += seconds

    paired_ratios(
        {"cheap": lambda: call("cheap", 1e-5), "dear": lambda: call("dear", 5e-2)},
        reference="cheap",
        rng=Random(1),
        rounds=10,
        block_seconds=0.01,
        stopwatch=machine.read,
    )
    # Ten rounds, and the reference a second time in each; a call longer than a block is a block.
    assert 10 <= spent["dear"] <= 13
    assert 2 * 10 * 500 <= spent["cheap"] <= 2 * 10 * 1_000 + 6_000


@pytest.mark.asyncio
@pytest.mark.parametrize("slow", [{1}, {2}, {1, 5}], ids=str)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_blocks_are_as_long_whatever_a_single_first_call_took(
    slow: set[int], *, is_async: bool
) -> None:
    machine, calls = Machine(1), 0

    def call() -> None:
        nonlocal calls
        calls += 1
        machine.now += 0.5 if calls in slow else 1e-4

    async def awaited() -> None:
        call()

    if is_async:
        await paired_ratios_async(
            {"a": awaited},
            reference="a",
            rng=Random(1),
            rounds=50,
            block_seconds=0.01,
            stopwatch=machine.read,
        )
    else:
        paired_ratios(
            {"a": call}, reference="a", rng=Random(1), rounds=50, block_seconds=0.01, stopwatch=machine.read
        )
    assert calls >= 2 * 50 * 50  # of some hundred that fit into a block


def test_a_call_that_seems_to_take_no_time_ends_the_search_for_a_block() -> None:
    machine = Machine(1)
    calls = 0

    def free() -> None:
        nonlocal calls
        calls += 1
        if calls > 1_000:
            machine.now += 1.0

    comparison = paired_ratios(
        {"free": free}, reference="free", rng=Random(1), rounds=6, stopwatch=machine.read
    )
    assert comparison.noise.median == pytest.approx(1)


def test_every_round_runs_each_contender_once_and_the_reference_twice_in_a_shuffled_order() -> None:
    machine = Machine(1)
    ran: list[str] = []

    def call(name: str) -> None:
        ran.append(name)
        machine.now += 1.0

    paired_ratios(
        {"a": lambda: call("a"), "b": lambda: call("b")},
        reference="a",
        rng=Random(3),
        rounds=40,
        stopwatch=machine.read,
    )
    rounds = ["".join(ran[start : start + 3]) for start in range(len(ran) - 3 * 40, len(ran), 3)]
    assert len(rounds) == 40
    assert set(rounds) == {"aab", "aba", "baa"}


@pytest.mark.asyncio
async def test_async_callables_are_measured_alike() -> None:
    machine = Machine(5)

    async def spend(seconds: float) -> None:
        machine.spend(seconds)

    comparison = await paired_ratios_async(
        {"bare": lambda: spend(1e-4), "ours": lambda: spend(3e-4)},
        reference="bare",
        rng=Random(5),
        rounds=51,
        stopwatch=machine.read,
    )
    assert comparison.ratios["ours"].median == pytest.approx(3, rel=0.1)
    assert comparison.noise.median == pytest.approx(1, rel=0.1)


def test_a_timer_keeps_its_own_time_and_collection_comes_back_on() -> None:
    machine = Machine(5)
    comparison = paired_ratios(
        {
            "one": Timer(lambda: machine.spend(1e-5), timer=machine.read),
            "two": Timer(lambda: machine.spend(2e-5), timer=machine.read),
        },
        reference="one",
        rng=Random(5),
        rounds=31,
    )
    assert comparison.ratios["two"].median == pytest.approx(2, rel=0.1)
    assert gc.isenabled()


def test_an_unknown_reference_is_an_error_before_anything_runs() -> None:
    with pytest.raises(ConfigError, match="'c' is not among"):
        paired_ratios({"a": pytest.fail, "b": pytest.fail}, reference="c", rng=Random(1))


def test_the_table_names_every_contender_with_its_interval_and_the_noise_beside() -> None:
    machine = Machine(5)
    comparison = paired_ratios(
        {"bare": lambda: machine.spend(1e-4), "ours": lambda: machine.spend(3e-4)},
        reference="bare",
        rng=Random(5),
        rounds=21,
        stopwatch=machine.read,
    )
    head, ours, noise = comparison.table().splitlines()
    assert head.startswith("cost over bare (")
    assert head.endswith("21 rounds")
    assert ours.startswith("ours ")
    assert noise.startswith("(reference again)")
    assert "[" in noise


def test_the_inverse_is_the_ratio_of_speeds() -> None:
    speed = Ratio("x", median=0.5, low=0.25, high=0.8, rounds=9).inverse()
    assert (speed.median, speed.low, speed.high) == (2, 1.25, 4)


@pytest.mark.parametrize(
    ("target", "met", "doubtful"),
    [
        pytest.param(Ratio("x", 4, 3, 4.5, 9).at_most(5), True, False, id="below"),
        pytest.param(Ratio("x", 4, 3, 6, 9).at_most(5), True, True, id="below, perhaps"),
        pytest.param(Ratio("x", 6, 5.5, 7, 9).at_most(5), False, False, id="above"),
        pytest.param(Ratio("x", 6, 5.5, 7, 9).at_least(5), True, False, id="at least"),
        pytest.param(Ratio("x", 4, 3, 4.5, 9).at_least(5), False, False, id="not at least"),
    ],
)
def test_a_target_is_judged_by_the_median_and_says_when_the_interval_holds_the_bound(
    target: Target, met: bool, doubtful: bool
) -> None:
    assert target.met is met
    assert ("but the interval" in target.claim) is doubtful
    assert str(target).startswith("met" if met else "MISSED")


def test_a_missed_target_is_a_finding_for_the_shell() -> None:
    kept, missed = Target("a", met=True), Target("b", met=False)
    assert exit_code([kept, kept]) == 0
    assert exit_code([kept, missed]) == 3
