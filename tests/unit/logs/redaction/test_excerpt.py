"""Only parts of a text are searched for keys: each key is in one, and what is found there is where it is in the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.logs.redaction import RedactionRule
from quickwins.logs.redaction._names import Namer
from quickwins.logs.redaction._patterns.excerpt import Excerpt, key_parts, without
from quickwins.logs.redaction._patterns.issuers import ISSUERS
from quickwins.logs.redaction._patterns.spans import Work
from tests.unit.logs.redaction.quality import measure

KEYS = [prefix + issuer.example for issuer in ISSUERS for prefix in issuer.prefixes]
PARTS = st.lists(st.integers(0, 60), max_size=8, unique=True).map(
    lambda places: list(zip(sorted(places)[::2], sorted(places)[1::2], strict=False))
)
SPANS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 20)).map(lambda one: (one[0], sum(one), RedactionRule.JWT))
).map(sorted)


def covered(parts: list[tuple[int, int]]) -> set[int]:
    return {at for start, end in parts for at in range(start, end)}


@pytest.mark.parametrize("key", KEYS)
def test_each_issuers_key_is_a_part(key: str) -> None:
    text = f'no "{key}" here'
    assert key_parts(text.encode()) == [(4, 4 + len(key))]


@given(PARTS, SPANS, st.integers(0, 70))
def test_what_was_found_before_is_in_no_part(
    parts: list[tuple[int, int]], spans: list[tuple[int, int, RedactionRule]], length: int
) -> None:
    left = without(parts, spans, length)
    assert covered(left) - set(range(length, 99)) == (
        covered(parts) - covered([(start, end) for start, end, _ in spans]) - set(range(length, 99))
    )


@given(PARTS, st.integers(0, 80))
def test_what_is_found_in_an_excerpt_is_where_it_is_in_the_text(
    parts: list[tuple[int, int]], end: int
) -> None:
    text = "".join(chr(0x100 + at) for at in range(80))
    work = Work()
    work.end = end

    def look(excerpt: str, inner: Work) -> list[tuple[int, int, RedactionRule]]:
        assert all(ord(one) < 0x100 + end for one in excerpt[: inner.end] if one != "\n")
        inner.left -= 1
        return [(at, at + 1, RedactionRule.JWT) for at, one in enumerate(excerpt) if one != "\n"]

    found = Excerpt(text, parts).looked(look, work)
    assert {start for start, _, _ in found} == covered(parts)
    assert all(end == start + 1 for start, end, _ in found)
    assert (work.left, work.end) == (Work().left - 1, end if not parts else min(work.end, end))


def test_a_name_that_needs_not_be_asked_for_is_not_private() -> None:
    names = [name for row in measure.load("names") for name in row.values() if isinstance(name, str)]
    safe, extra = frozenset({"accesstoken"}), frozenset({"licenceplate"})
    names = [*dict.fromkeys([*names, "access_token", "licence_plate"])]
    one_by_one = Namer(extra, safe)
    together = Namer(extra, safe)
    asked = together.may_be_private(names)
    assert {name for name in names if one_by_one(name)} <= set(asked)
    assert together.may_be_private(names) == asked
    assert one_by_one.may_be_private(names) == asked
