"""A message takes its sender's trace along, whatever else is in its headers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.logs._context import CONTEXT, EMPTY, Context, bound
from quickwins.logs._trace.w3c import Trace
from quickwins.logs.kafka import extract, inject
from quickwins.logs.testing import recording

TRACE = Trace("a" * 32, "b" * 16, 1, "foo=1")
SENT = [
    ("traceparent", f"00-{'a' * 32}-{'b' * 16}-01".encode()),
    ("tracestate", b"foo=1"),
    ("x-correlation-id", b"c" * 32),
]


@pytest.fixture(autouse=True, scope="module")
def configured() -> Iterator[None]:
    with recording():
        yield


@pytest.fixture
def sending() -> Any:
    token = CONTEXT.set(Context({"correlation_id": "c" * 32}, trace=TRACE))
    yield
    CONTEXT.reset(token)


@pytest.mark.usefixtures("sending")
def test_a_message_takes_the_trace_along() -> None:
    assert inject() == inject(None) == inject([]) == SENT


@pytest.mark.usefixtures("sending")
def test_the_senders_other_headers_are_kept_and_old_ones_of_ours_replaced() -> None:
    given = [
        ("schema", b"7"),
        ("traceparent", b"old"),
        ("x-correlation-id", b"old"),
        ("traceparent", b"older"),
    ]
    before = list(given)
    assert inject(given) == [("schema", b"7"), *SENT]
    assert given == before


def test_outside_a_trace_nothing_is_changed() -> None:
    given = [("schema", b"7"), ("traceparent", b"old")]
    assert inject(given) == given
    assert inject() == []


def test_a_message_is_handled_in_its_senders_trace() -> None:
    with extract(SENT, topic="posts", rng=random.Random(1)):
        context = CONTEXT.get()
        assert context.trace is not None
        assert (context.trace.trace_id, context.trace.tracestate) == ("a" * 32, "foo=1")
        assert context.trace.span_id != "b" * 16
        assert context.fields == {"correlation_id": "c" * 32, "messaging.destination.name": "posts"}
        with bound(tenant="t1"):
            assert dict(inject())["traceparent"] == context.trace.traceparent.encode()
    assert CONTEXT.get() is EMPTY


def test_a_stranger_is_linked() -> None:
    with extract(SENT, trusted=False):
        context = CONTEXT.get()
        fields = context.fields
        assert context.trace is not None
        assert context.trace.trace_id != "a" * 32
        assert (fields["link.trace_id"], fields["link.span_id"]) == ("a" * 32, "b" * 16)
        assert "messaging.destination.name" not in fields


def test_the_context_is_put_back_when_the_handler_fails() -> None:
    with pytest.raises(ValueError, match="no"), extract(SENT):
        raise ValueError("no")
    assert CONTEXT.get() is EMPTY


names = st.sampled_from(["traceparent", "tracestate", "x-correlation-id", "\ud800"]) | st.text(max_size=5)
values = st.none() | st.binary(max_size=60) | st.text(max_size=60) | st.integers()
hostile = (
    st.lists(
        st.tuples(names, values)
        | st.tuples(st.binary(max_size=5), values)
        | st.tuples(names)
        | st.tuples(st.lists(names), values)
        | st.none()
        | st.text(max_size=2)
    )
    | st.none()
    | st.integers()
    | st.binary()
)


@given(hostile, st.booleans())
def test_hostile_headers_raise_nothing_and_still_there_is_a_trace(headers: Any, trusted: bool) -> None:
    with extract(headers, trusted=trusted):
        assert CONTEXT.get().trace is not None
        assert next(iter(inject()))[0] == "traceparent"
    assert CONTEXT.get() is EMPTY
