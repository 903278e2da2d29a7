"""What an answer is found by: equal for what is the same request, and for nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.query_cache._core.key import canonical, head, key, material, variables
from quickwins.query_cache._core.plan import NO_DEFAULT

DEFAULTS = {"a": 3, "b": NO_DEFAULT}


@pytest.mark.parametrize(
    ("given", "same"),
    [
        ({"a": 3, "b": 1}, {"b": 1, "a": 3}),
        ({"b": 1}, {"a": 3, "b": 1}),
        ({"b": 1, "unknown": 2}, {"b": 1}),
        (None, {}),
        ({"b": {"x": 1, "y": 2}}, {"b": {"y": 2, "x": 1}}),
    ],
)
def test_what_means_the_same_is_the_same(given: dict[str, Any], same: dict[str, Any]) -> None:
    assert variables(given, DEFAULTS) == variables(same, DEFAULTS)


@pytest.mark.parametrize(
    ("given", "other"),
    [
        ({"b": None}, {}),
        ({"b": 1}, {"b": "1"}),
        ({"b": 1}, {"b": True}),
        ({"b": 0}, {"b": False}),
        ({"b": []}, {"b": None}),
        ({"a": None}, {}),
        ({"b": ["x", "y"]}, {"b": ["y", "x"]}),
        ({"b": "\u00e9"}, {"b": "e\u0301"}),
    ],
)
def test_what_differs_is_not(given: dict[str, Any], other: dict[str, Any]) -> None:
    assert variables(given, DEFAULTS) != variables(other, DEFAULTS)


def test_what_is_no_json_has_no_form() -> None:
    assert variables({"b": object()}, DEFAULTS) is None
    assert canonical({1: "a", "b": 2}) is None
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert canonical(deep) is None


texts = st.text(max_size=5)
asked = st.tuples(
    st.binary(max_size=4),
    texts,
    texts,
    st.none() | texts,
    st.binary(max_size=5),
    st.binary(max_size=5),
    texts,
    st.lists(st.tuples(texts, st.none() | texts), max_size=3),
)


def made(one: Any) -> bytes:
    schema, variant, document, operation, values, extensions, owner, vary = one
    return material(head(schema, variant, document, operation), values, extensions, owner, vary)


@given(asked, asked)
def test_no_two_requests_have_the_same_material(one: Any, other: Any) -> None:
    assert (made(one) == made(other)) == (one == other)
    assert (key(made(one)) == key(made(other))) == (one == other)
    assert len(key(made(one))) == 16
