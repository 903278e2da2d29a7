"""What goes to a shared store comes back, and what is odd is told from it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.query_cache._core.fences import Fence, Invalidation
from quickwins.query_cache._store import Entry
from quickwins.query_cache.stores._packed import (
    OddError,
    pack_body,
    pack_invalidation,
    pack_texts,
    unpack_entry,
    unpack_invalidation,
)

texts = st.text(st.characters())
seconds = st.floats(0, 1e8, allow_nan=False)
entries = st.builds(
    Entry,
    key=st.binary(min_size=16, max_size=16),
    material=st.binary(),
    body=st.binary(),
    content_type=texts,
    etag=texts,
    policy=texts,
    scope=st.sampled_from(["PUBLIC", "PRIVATE"]),
    vary=st.lists(texts, max_size=3).map(tuple),
    marks=st.lists(texts, max_size=5).map(tuple),
    fence=st.builds(Fence, texts, st.integers(0, 1 << 50)),
    stored_at=seconds,
    ttl_seconds=seconds,
    stale_while_revalidate_seconds=seconds,
    stale_if_error_seconds=seconds,
)


@given(entries)
def test_an_entry_comes_back(entry: Entry) -> None:
    marks, body = pack_texts(entry.marks), pack_body(entry)
    assert unpack_entry(entry.key, entry.fence, marks, entry.stored_at, body) == entry


@given(entries, st.data())
def test_of_a_damaged_entry_nothing_else_is_said(entry: Entry, data: st.DataObject) -> None:
    body = bytearray(pack_body(entry))
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(OddError):
        unpack_entry(entry.key, entry.fence, b"", 0.0, bytes(body))
    with pytest.raises(OddError):
        unpack_entry(entry.key, entry.fence, b"", 0.0, bytes(body[: len(body) // 2]))


@given(st.sets(texts, max_size=4), st.lists(texts, max_size=3))
def test_an_invalidation_comes_back(marks: set[str], prefixes: list[str]) -> None:
    invalidation = Invalidation(frozenset(marks), tuple(prefixes))
    found = unpack_invalidation(pack_invalidation(invalidation))
    assert found == (invalidation or Invalidation(everything=True))


@given(st.binary())
def test_any_message_is_an_invalidation(message: bytes) -> None:
    assert unpack_invalidation(message)
