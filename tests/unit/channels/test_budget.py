"""The budget: how many retries there may be for so many calls."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.channels._core.budget import RESERVE, WINDOW_SECONDS, RetryBudget


def test_a_service_that_has_just_begun_has_a_reserve() -> None:
    budget = RetryBudget(0.2)
    assert [budget.withdraw(0.0) for _ in range(int(RESERVE) + 1)] == [True] * int(RESERVE) + [False]


def test_five_calls_pay_for_one_retry() -> None:
    budget = RetryBudget(0.2)
    while budget.withdraw(0.0):
        pass
    for _ in range(5):
        budget.deposit(0.0)
    assert budget.withdraw(0.0)
    assert not budget.withdraw(0.0)


def test_without_a_ratio_there_are_no_retries_and_no_reserve() -> None:
    budget = RetryBudget(0.0)
    budget.deposit(0.0)
    assert not budget.withdraw(0.0)


def test_what_many_calls_have_deposited_pays_for_a_connection_that_breaks_under_many() -> None:
    budget = RetryBudget(0.2)
    for _ in range(1_000):
        budget.deposit(1.0)
    assert sum(budget.withdraw(1.5) for _ in range(1_000)) == pytest.approx(200, abs=1)


@pytest.mark.parametrize("later", [2 * WINDOW_SECONDS, 100 * WINDOW_SECONDS])
def test_deposits_expire_but_for_the_reserve(later: float) -> None:
    budget = RetryBudget(0.2)
    for _ in range(1_000):
        budget.deposit(1.0)
    assert sum(budget.withdraw(1.0 + later) for _ in range(1_000)) == RESERVE


def test_another_ratio_holds_at_once() -> None:
    budget = RetryBudget(0.2)
    budget.reconfigure(0.0)
    assert not budget.withdraw(0.0)
    budget.reconfigure(0.5)
    assert budget.withdraw(0.0)


@given(
    ratio=st.floats(0.0, 1.0),
    steps=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 100), st.floats(0.0, 12.0)), max_size=40),
)
def test_retries_never_exceed_the_reserve_and_the_share_of_all_calls(
    ratio: float, steps: list[tuple[int, int, float]]
) -> None:
    budget, now, calls, retries = RetryBudget(ratio), 0.0, 0, 0
    for deposits, wanted, seconds in steps:
        for _ in range(deposits):
            budget.deposit(now)
        calls += deposits
        retries += sum(budget.withdraw(now) for _ in range(wanted))
        now += seconds
        assert retries <= RESERVE + ratio * calls + 1e-6
        assert budget.tokens >= 0.0
