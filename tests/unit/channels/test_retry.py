"""Which failures are tried again, and when."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.channels._core.budget import RetryBudget
from quickwins.channels._core.retry import RetryRule, Stop, next_attempt, pushback_seconds

RULE = RetryRule(
    max_attempts=3, backoff_base_seconds=0.01, backoff_max_seconds=1.0, max_pushback_seconds=30.0
)


def after(code: str, *trailers: str | bytes, **more: Any) -> float | Stop:
    given: dict[str, Any] = {
        "codes": ("UNAVAILABLE",), "made": 1, "rule": RULE, "left_seconds": None, "budget": RetryBudget(0.2),
        "now": 0.0, "rng": Random(1), **more,
    }  # fmt: skip
    return next_attempt(code=code, trailers=trailers, **given)


@pytest.mark.parametrize("code", ["UNAVAILABLE", "CANCELLED"])
def test_a_connection_that_is_lost_and_a_server_that_stops_are_tried_again(code: str) -> None:
    wait = after(code)
    assert isinstance(wait, float)
    assert 0 < wait <= 0.01


@pytest.mark.parametrize("code", ["INTERNAL", "UNKNOWN", "DEADLINE_EXCEEDED", "NOT_FOUND", "ABORTED", "RESOURCE_EXHAUSTED"])  # fmt: skip
def test_other_codes_are_answers(code: str) -> None:
    assert after(code) is Stop.NOT_RETRIED


def test_a_code_that_the_method_names_is_tried_again() -> None:
    assert isinstance(after("ABORTED", codes=("UNAVAILABLE", "ABORTED")), float)


@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED"])
def test_a_pushback_says_when(code: str) -> None:
    assert after(code, "250") == 0.25


def test_resource_exhausted_needs_a_pushback_even_where_it_is_named() -> None:
    codes = ("UNAVAILABLE", "RESOURCE_EXHAUSTED")
    assert after("RESOURCE_EXHAUSTED", codes=codes) is Stop.NOT_RETRIED


@pytest.mark.parametrize("code", ["INTERNAL", "NOT_FOUND"])
def test_a_pushback_makes_no_other_code_retried(code: str) -> None:
    assert after(code, "1") is Stop.NOT_RETRIED


@pytest.mark.parametrize("trailers", [("-1",), ("soon",), ("",), ("1.5",), ("1", "2"), ("30001",), ("9" * 13,), ("\u0661",)])  # fmt: skip
def test_a_pushback_that_is_negative_unreadable_or_too_long_means_never(trailers: tuple[str, ...]) -> None:
    assert after("UNAVAILABLE", *trailers) is Stop.NOT_RETRIED


def test_a_pushback_in_bytes_is_read_too() -> None:
    assert pushback_seconds([b"40"]) == 0.04


def test_there_are_no_more_attempts_than_allowed() -> None:
    assert after("UNAVAILABLE", made=3) is Stop.ATTEMPTS


def test_nothing_is_tried_again_past_the_deadline() -> None:
    assert after("UNAVAILABLE", "100", left_seconds=0.1) is Stop.DEADLINE
    assert after("UNAVAILABLE", "100", left_seconds=0.2) == 0.1


def test_each_retry_and_each_refusal_with_a_pushback_takes_one_token() -> None:
    budget = RetryBudget(0.2)
    after("UNAVAILABLE", budget=budget)
    after("RESOURCE_EXHAUSTED", "5", budget=budget)
    assert budget.tokens == 8.0


def test_without_a_token_nothing_is_tried_again() -> None:
    assert after("UNAVAILABLE", budget=RetryBudget(0.0)) is Stop.BUDGET


@given(st.integers(1, 9), st.integers(0, 2**32))
def test_the_wait_grows_to_its_bound(made: int, seed: int) -> None:
    rule = RetryRule(10, 0.01, 1.0, 30.0)
    wait = after("UNAVAILABLE", made=made, rule=rule, rng=Random(seed))
    assert isinstance(wait, float)
    assert 0 < wait <= min(1.0, 0.01 * 2 ** (made - 1))


@given(st.text(max_size=20))
def test_whatever_a_server_sends_is_a_bearable_wait_or_never(text: str) -> None:
    seconds = pushback_seconds([text])
    assert seconds is None or seconds >= 0
