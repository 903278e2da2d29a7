"""Which index does another one's work, and how large one will be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from quickwins.indexes._core.facts import Index, Key, Shape
from quickwins.indexes._core.shapes import covering, covers, estimated_bytes
from quickwins.indexes._statements import Name

KEY = st.builds(
    Key,
    text=st.sampled_from(["a", "b", "lower(c)"]),
    opclass=st.sampled_from(["pg_catalog.int8_ops", "pg_catalog.text_pattern_ops"]),
    collation=st.sampled_from(["", "pg_catalog.C"]),
    options=st.integers(0, 3),
)
SHAPE = st.builds(
    Shape,
    method=st.sampled_from(["btree", "gist"]),
    keys=st.lists(KEY, min_size=1, max_size=3).map(tuple),
    unique=st.booleans(),
    nulls_not_distinct=st.booleans(),
    include=st.lists(st.sampled_from(["d", "e"]), max_size=2, unique=True).map(tuple),
    predicate=st.sampled_from(["", "(d IS NULL)", "(d > 0)"]),
    options=st.sampled_from([(), ("fillfactor=70",)]),
)


@st.composite
def near(draw: st.DrawFn, of: Shape) -> Shape:
    """A shape like `of`, with less or a little else in it: of two drawn alone one hardly ever covers the other."""
    other = draw(SHAPE)
    changed = draw(
        st.sets(
            st.sampled_from(["unique", "nulls_not_distinct", "predicate", "options", "method"]), max_size=1
        )
    )
    return replace(
        of,
        keys=of.keys[: draw(st.integers(1, len(of.keys)))],
        include=draw(st.sampled_from([(), of.include])),
        unique=draw(st.booleans()),
        **{name: getattr(other, name) for name in changed - {"unique"}},
    )


CHAIN = SHAPE.flatmap(
    lambda one: near(one).flatmap(lambda two: st.tuples(st.just(one), st.just(two), near(two)))
)


def plain(*columns: str) -> Shape:
    return Shape("btree", tuple(Key(one, "pg_catalog.int8_ops", "", 0) for one in columns))


@given(SHAPE)
def test_each_does_its_own_work(shape: Shape) -> None:
    assert covers(shape, shape)


@given(CHAIN)
def test_whoever_does_the_work_of_one_does_that_of_those_it_replaces(
    chain: tuple[Shape, Shape, Shape],
) -> None:
    one, two, three = chain
    assert covers(one, three) or not (covers(one, two) and covers(two, three))


@given(SHAPE, st.integers(1, 3))
def test_a_longer_b_tree_does_the_work_of_its_beginning(shape: Shape, length: int) -> None:
    whole = replace(shape, method="btree")
    beginning = replace(whole, unique=False, keys=whole.keys[:length], include=())
    assert covers(whole, beginning)
    assert covers(beginning, whole) == (
        beginning.keys == whole.keys and not whole.unique and not whole.include
    )


@given(CHAIN)
def test_no_other_predicate_method_or_storage_will_do(chain: tuple[Shape, Shape, Shape]) -> None:
    one, two, _ = chain
    assume(covers(one, two))
    assert (one.method, one.predicate, one.options) == (two.method, two.predicate, two.options)
    assert set(two.include) <= {*one.include, *(key.text for key in one.keys)}
    assert one.unique or not two.unique


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(plain("a"), keys=(Key("a", "pg_catalog.int8_ops", "", 3),)), id="another order"),
        pytest.param(
            replace(plain("a"), keys=(Key("a", "pg_catalog.int8_ops", "pg_catalog.C", 0),)),
            id="another collation",
        ),
        pytest.param(replace(plain("a"), keys=(Key("a", "x.ops", "", 0),)), id="another operator class"),
        pytest.param(replace(plain("a"), predicate="(a > 0)"), id="partial"),
        pytest.param(plain("b", "a"), id="another first column"),
        pytest.param(replace(plain("a"), method="hash"), id="another method"),
    ],
)
def test_what_looks_alike_and_is_not(other: Shape) -> None:
    assert not covers(other, plain("a"))


def test_a_unique_index_is_there_to_forbid_something() -> None:
    unique = replace(plain("a"), unique=True)
    assert covers(unique, plain("a"))
    assert not covers(plain("a"), unique)
    assert not covers(replace(plain("a", "b"), unique=True), unique)


def test_the_best_that_covers_is_an_equal_one_and_never_an_invalid_one() -> None:
    longer = Index(1, Name("longer"), plain("a", "b"))
    equal = Index(2, Name("equal"), plain("a"))
    broken = Index(3, Name("broken"), plain("a"), valid=False)
    assert covering(plain("a"), [longer, equal, broken]) is equal
    assert covering(plain("a"), [longer, broken]) is longer
    assert covering(plain("a"), [broken]) is None


def test_the_estimate_is_that_of_the_page_layout() -> None:
    # 8 of header, 8 of bigint, 4 of line pointer, at nine tenths full.
    assert estimated_bytes(900_000, [(8, 8)], 900_000) == 8192 + 900_000 * 20 / 0.9
    assert estimated_bytes(0, [(8, 8)], 0) == 8192


@given(st.floats(1, 1e7), st.floats(1, 1e7), st.floats(1, 100))
def test_keys_that_come_many_times_take_no_more_room(rows: float, distinct: float, width: float) -> None:
    assert estimated_bytes(rows, [(width, 1)], min(rows, distinct)) <= estimated_bytes(
        rows, [(width, 1)], rows
    )
