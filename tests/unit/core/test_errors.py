"""What callers can act on is on the error, and the edges' numbers are right."""

from __future__ import annotations

from enum import StrEnum
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.core.errors import (
    ConfigError,
    MissingExtraError,
    QuickWinsError,
    Rejected,
    needs_extra,
    retry_after_header,
    retry_pushback_ms,
)


class Reason(StrEnum):
    FULL = "full"


def test_a_rejection_carries_its_reason_and_when_to_come_back() -> None:
    error = Rejected("full", reason=Reason.FULL, retry_after_seconds=0.5)
    assert (error.reason, error.retry_after_seconds, str(error)) == (Reason.FULL, 0.5, "full")


@pytest.mark.parametrize(
    ("kind", "http", "grpc"),
    [
        pytest.param(Rejected, 503, "UNAVAILABLE", id="policy said no"),
        pytest.param(QuickWinsError, 500, "INTERNAL", id="anything else"),
        pytest.param(ConfigError, 500, "INTERNAL", id="our own configuration is not the client's fault"),
    ],
)
def test_each_kind_has_its_answer_at_the_edges(kind: type[QuickWinsError], http: int, grpc: str) -> None:
    assert (kind.http_status, kind.grpc_status) == (http, grpc)


@given(st.floats(min_value=0, max_value=1e6))
def test_waiting_times_are_rounded_up_and_never_zero(seconds: float) -> None:
    header, pushback = int(retry_after_header(seconds)), int(retry_pushback_ms(seconds))
    assert header >= 1
    assert pushback >= 1
    assert header >= seconds
    assert pushback >= seconds * 1000 * (1 - 1e-12)


def test_a_missing_module_is_reported_with_the_extra_that_brings_it() -> None:
    with (
        pytest.raises(MissingExtraError, match=r"pip install 'quickwins\[cli\]'") as caught,
        needs_extra("cli"),
    ):
        import_module("not_there_at_all")
    assert isinstance(caught.value, ImportError)


def test_a_missing_module_of_our_own_is_not_blamed_on_an_extra() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"quickwins\.nowhere") as caught, needs_extra("cli"):
        import_module("quickwins.nowhere")
    assert not isinstance(caught.value, MissingExtraError)
