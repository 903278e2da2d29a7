"""What callers can act on is on the error and stays there, and every edge gives the same answer."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from enum import StrEnum
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.backpressure import NestedAcquire, PoolExhausted, RejectReason
from quickwins.core.errors import (
    ConfigError,
    DeadlineExceeded,
    MissingExtraError,
    QuickWinsError,
    Rejected,
    answer,
    needs_extra,
)
from quickwins.core.flags import SourceError, SourceReason


class Reason(StrEnum):
    FULL = "full"


def test_a_rejection_carries_its_reason_and_when_to_come_back() -> None:
    error = Rejected("full", reason=Reason.FULL, retry_after_seconds=0.5)
    assert (error.reason, error.retry_after_seconds, str(error)) == (Reason.FULL, 0.5, "full")


class Theirs(Rejected):
    """As a user may write one: another constructor, and attributes of its own."""

    def __init__(self, who: str, /, *, shares: list[int]) -> None:
        super().__init__(f"{who} has enough", reason=Reason.FULL, retry_after_seconds=1.5)
        self.shares = shares


class Careless(Rejected):
    def __init__(self, first: int, second: int) -> None:
        self.both = (first, second)


class Slotted(Rejected):
    __slots__ = ("limit",)

    def __init__(self, limit: int) -> None:
        super().__init__("slotted")
        self.limit = limit


def gates_own() -> PoolExhausted:
    """A refusal as a gate makes it: facts instead of a message."""
    error = PoolExhausted.__new__(PoolExhausted, ("feed", 9, 10, 9, 0, 0.05, None))
    error.reason, error.retry_after_seconds = RejectReason.THRESHOLD, 0.75
    return error


def noted() -> Rejected:
    error = Rejected("full")
    error.add_note("seen by the gateway")
    return error


def pickled(error: QuickWinsError, *, protocol: int | None = None) -> Any:
    return pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 -- our own bytes; until=never


ERRORS: list[Any] = [
    pytest.param(lambda: Rejected("full", reason=Reason.FULL, retry_after_seconds=0.5), id="rejected"),
    pytest.param(lambda: QuickWinsError("broken"), id="without a reason"),
    pytest.param(lambda: MissingExtraError("no tomlkit"), id="an ImportError too"),
    pytest.param(lambda: DeadlineExceeded("late"), id="an OSError too"),
    pytest.param(
        lambda: SourceError("cut", source="file", reason=SourceReason.TRUNCATED, kills=frozenset({"logs"})),
        id="another constructor",
    ),
    pytest.param(gates_own, id="a gate's own"),
    pytest.param(lambda: PoolExhausted("full", reason=RejectReason.TENANT), id="a refusal made by hand"),
    pytest.param(lambda: NestedAcquire("again", reason=RejectReason.NESTED), id="nested"),
    pytest.param(lambda: Theirs("we", shares=[1, 2]), id="a user's"),
    pytest.param(lambda: Careless(1, 2), id="a user's that calls no base"),
    pytest.param(lambda: Slotted(3), id="a user's with slots"),
    pytest.param(noted, id="with a note"),
]


@pytest.mark.parametrize("made", ERRORS)
@pytest.mark.parametrize(
    "through",
    [
        pytest.param(pickled, id="pickle"),
        pytest.param(lambda error: pickled(error, protocol=0), id="pickle's first protocol"),
        pytest.param(copy.copy, id="copy"),
        pytest.param(copy.deepcopy, id="deepcopy"),
    ],
)
def test_an_error_survives_pickle_and_copy_whole(
    made: Callable[[], QuickWinsError], through: Callable[[QuickWinsError], QuickWinsError]
) -> None:
    error = made()
    got = through(error)
    assert got is not error
    assert type(got) is type(error)
    assert (str(got), repr(got), got.args) == (str(error), repr(error), error.args)
    assert (got.reason, got.retry_after_seconds) == (error.reason, error.retry_after_seconds)
    assert vars(got) == vars(error)
    assert getattr(got, "limit", None) == getattr(error, "limit", None)
    assert answer(got) == answer(error)


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        pytest.param(ConfigError("no such file"), "ConfigError('no such file')", id="a message"),
        pytest.param(
            Rejected("full", reason=Reason.FULL, retry_after_seconds=0.123456),
            "Rejected('full', reason='full', retry_after_seconds=0.123)",
            id="with a reason",
        ),
        pytest.param(
            gates_own(),
            "PoolExhausted(\"pool 'feed' has 9 of 10 permits in use, its limit is 9\", reason='threshold', "
            "retry_after_seconds=0.75)",
            id="a gate's own",
        ),
    ],
)
def test_a_person_sees_the_class_the_message_and_the_reason(error: QuickWinsError, shown: str) -> None:
    assert repr(error) == shown


@pytest.mark.parametrize(
    ("error", "http", "grpc", "extensions"),
    [
        pytest.param(
            Rejected("full", reason=Reason.FULL, retry_after_seconds=1.2),
            (503, {"cache-control": "no-store", "retry-after": "2"}),
            ("UNAVAILABLE", {"grpc-retry-pushback-ms": "1200"}),
            {"code": "SERVICE_UNAVAILABLE", "reason": "full", "retryAfter": 2},
            id="policy said no",
        ),
        pytest.param(
            Rejected("closed"),
            (503, {"cache-control": "no-store"}),
            ("UNAVAILABLE", {}),
            {"code": "SERVICE_UNAVAILABLE"},
            id="nobody is told to come back",
        ),
        pytest.param(
            DeadlineExceeded("no connection within 1 s"),
            (503, {"cache-control": "no-store"}),
            ("UNAVAILABLE", {}),
            {"code": "SERVICE_UNAVAILABLE"},
            id="the request's own deadline",
        ),
        pytest.param(
            PoolExhausted("full", reason=RejectReason.TENANT, retry_after_seconds=0.1),
            (429, {"cache-control": "no-store", "retry-after": "1"}),
            ("UNAVAILABLE", {"grpc-retry-pushback-ms": "100"}),
            {"code": "SERVICE_UNAVAILABLE", "reason": "tenant", "retryAfter": 1},
            id="a reason with an answer of its own",
        ),
        pytest.param(
            ConfigError("no such pool"),
            (500, {"cache-control": "no-store"}),
            ("INTERNAL", {}),
            {"code": "INTERNAL"},
            id="our own configuration is not the client's fault",
        ),
    ],
)
def test_each_error_has_one_answer_for_every_edge(
    error: QuickWinsError,
    http: tuple[int, dict[str, str]],
    grpc: tuple[str, dict[str, str]],
    extensions: dict[str, object],
) -> None:
    got = answer(error)
    assert (got.http_status, dict(got.http_headers)) == http
    assert (got.grpc_status, dict(got.grpc_trailers)) == grpc
    assert got.extensions == extensions


def test_an_answer_tells_nothing_about_the_inside() -> None:
    told = repr(answer(gates_own()))
    assert "feed" not in told
    assert "9" not in told


def test_a_request_that_ran_out_of_time_is_a_time_out_to_who_waits_and_a_refusal_to_the_edge() -> None:
    assert issubclass(DeadlineExceeded, TimeoutError)
    assert issubclass(DeadlineExceeded, Rejected)


def advice(seconds: float) -> tuple[str, str]:
    told = answer(Rejected("full", retry_after_seconds=seconds))
    assert told.extensions["retryAfter"] == int(dict(told.http_headers)["retry-after"])
    return dict(told.http_headers)["retry-after"], dict(told.grpc_trailers)["grpc-retry-pushback-ms"]


@given(st.floats(min_value=0, max_value=1e6))
def test_waiting_times_are_rounded_up_and_never_zero(seconds: float) -> None:
    header, pushback = map(int, advice(seconds))
    assert header - 1 < seconds <= header or header == 1
    assert pushback - 1 < seconds * 1000 <= pushback or pushback == 1


@pytest.mark.parametrize(
    ("seconds", "header", "pushback"),
    [(0.0, "1", "1"), (0.0001, "1", "1"), (0.5, "1", "500"), (1.0, "1", "1000"), (1.0001, "2", "1001")],
)
def test_known_roundings(seconds: float, header: str, pushback: str) -> None:
    assert advice(seconds) == (header, pushback)


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
