"""What is made of the headers that come in, and which go out."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.logs._context import EMPTY, MAX_FIELDS, Canonical, Context
from quickwins.logs._trace.request import NAMES, NAMES_IN_BYTES, begin, departing, pick
from quickwins.logs._trace.w3c import Trace, parse_traceparent

TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"
UUID = "0190a7b2-6c1e-7f00-8a3b-0123456789ab"

header_names = st.sampled_from([*NAMES_IN_BYTES, b"host", b"x-other"])
headers = st.lists(st.tuples(header_names, st.binary(max_size=60) | st.just(TRACEPARENT.encode())))


def arrived(*pairs: tuple[bytes, bytes], trusted: bool, outer: Context = EMPTY) -> Context:
    found = pick(pairs, NAMES_IN_BYTES)
    return begin(outer, found, trusted=trusted, rng=random.Random(1), canonical=Canonical())


def trace_of(context: Context) -> Trace:
    assert context.trace is not None
    return context.trace


def test_headers_are_found_among_others_and_other_headers_are_not() -> None:
    pairs = [(b"host", b"x"), (b"traceparent", b"1"), (b"tracestate", b"2"), (b"x-correlation-id", b"3")]
    assert pick(pairs, NAMES_IN_BYTES) == (b"1", b"2", b"3")
    assert pick(pairs[:1], NAMES_IN_BYTES) == (None, None, None)
    assert pick([("traceparent", "1"), ("TraceParent", "2")], NAMES) == ("1", None, None)


def test_several_tracestates_are_one_and_two_of_another_header_are_none_that_is_valid() -> None:
    pairs = [(b"traceparent", TRACEPARENT.encode()), (b"x-correlation-id", UUID.encode())] * 2
    context = arrived(*pairs, trusted=True)
    assert trace_of(context).trace_id != "a" * 32
    assert context.fields["correlation_id"] == trace_of(context).trace_id
    states = [(b"tracestate", b"foo=1,bar=2"), (b"tracestate", b"rojo=1"), (b"tracestate", b"")]
    context = arrived((b"traceparent", TRACEPARENT.encode()), *states, trusted=True)
    assert trace_of(context).tracestate == "foo=1,bar=2,rojo=1"


def test_many_tracestates_are_not_collected() -> None:
    found = pick([(b"tracestate", b"a=1" * 100)] * 1_000, NAMES_IN_BYTES)
    assert len(found[1] or "") < 2_000


def test_who_is_trusted_continues_the_trace_with_a_span_of_its_own() -> None:
    context = arrived(
        (b"traceparent", TRACEPARENT.encode()),
        (b"tracestate", b"foo=1"),
        (b"x-correlation-id", b"order-7"),
        trusted=True,
    )
    trace = trace_of(context)
    assert (trace.trace_id, trace.flags, trace.tracestate) == ("a" * 32, 1, "foo=1")
    assert trace.span_id != "b" * 16
    assert context.fields == {"correlation_id": "order-7"}
    assert context.canonical == {}


def test_everybody_else_begins_a_trace_that_is_linked_to_what_they_named() -> None:
    context = arrived(
        (b"traceparent", TRACEPARENT.encode()),
        (b"tracestate", b"foo=1"),
        (b"x-correlation-id", b"order-7"),
        trusted=False,
    )
    trace = trace_of(context)
    assert trace.trace_id != "a" * 32
    assert trace.tracestate == ""
    assert context.fields["correlation_id"] == trace.trace_id
    assert "link.trace_id" not in context.fields
    assert context.canonical == {"link.trace_id": "a" * 32, "link.span_id": "b" * 16}
    assert arrived((b"x-correlation-id", UUID.encode()), trusted=False).fields["correlation_id"] == UUID


def test_without_a_line_of_its_own_the_link_is_bound() -> None:
    found = (TRACEPARENT, None, None)
    context = begin(EMPTY, found, trusted=False, rng=random.Random(1), canonical=None)
    assert context.fields["link.trace_id"] == "a" * 32
    assert context.canonical is None


def test_a_tracestate_without_a_valid_traceparent_is_not_read() -> None:
    assert trace_of(arrived((b"tracestate", b"foo=1"), trusted=True)).tracestate == ""


def test_fields_of_the_process_are_inherited_and_those_of_another_request_are_not() -> None:
    process = Context({"region": "eu", "correlation_id": "wrong"})
    context = arrived(trusted=False, outer=process)
    assert context.fields == {"region": "eu", "correlation_id": trace_of(context).trace_id}
    other = Context({"tenant": "t1"}, canonical=Canonical())
    assert "tenant" not in arrived(trusted=False, outer=other).fields


def test_a_full_context_leaves_the_correlation_id_in() -> None:
    full = Context({f"field{number}": number for number in range(MAX_FIELDS)})
    fields = arrived(trusted=False, outer=full).fields
    assert len(fields) == MAX_FIELDS
    assert next(iter(fields)) == "correlation_id"


def test_what_departs_arrives() -> None:
    here = arrived((b"traceparent", TRACEPARENT.encode()), (b"tracestate", b"foo=1"), trusted=True)
    there = begin(EMPTY, pick(departing(here), NAMES), trusted=True, rng=random.Random(2), canonical=None)
    assert trace_of(there).trace_id == trace_of(here).trace_id
    assert trace_of(there).span_id != trace_of(here).span_id
    assert trace_of(there).tracestate == "foo=1"
    assert there.fields["correlation_id"] == here.fields["correlation_id"]


@pytest.mark.parametrize("bad", [None, 7, "a@example.com", "x\r\ny", "ü" * 16, ""], ids=repr)
def test_whatever_is_bound_as_correlation_id_only_a_valid_one_departs(bad: object) -> None:
    context = arrived(trusted=True).with_({"correlation_id": bad})
    assert [name for name, _ in departing(context)] == ["traceparent"]


def test_outside_a_trace_nothing_departs() -> None:
    assert departing(EMPTY) == []
    assert departing(Context({"correlation_id": UUID})) == []


@given(headers, st.booleans())
def test_any_headers_make_a_whole_context(pairs: list[tuple[bytes, bytes]], trusted: bool) -> None:
    context = arrived(*pairs, trusted=trusted)
    assert [*context.fields] == ["correlation_id"]
    assert parse_traceparent(trace_of(context).traceparent) is not None
    for name, value in departing(context):
        assert f"{name}{value}".isascii()
        assert f"{name}{value}".isprintable()
