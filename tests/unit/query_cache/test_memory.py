"""What one process keeps: times, bounds, fences, other names."""

from __future__ import annotations

import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.core.clock import FakeClock
from quickwins.query_cache._core.fences import Invalidation, Order, entity, of_type, tag
from quickwins.query_cache._core.key import key
from quickwins.query_cache._core.memory import Memory, size_of
from quickwins.query_cache.l1 import L1
from tests.unit.query_cache.entries import entry


def memory(clock: FakeClock | None = None, **bounds: int) -> Memory:
    return Memory(L1(**bounds), "epoch", (clock or FakeClock()).monotonic)


def test_an_entry_is_found_until_it_is_past_what_it_is_kept_for() -> None:
    clock = FakeClock()
    kept = memory(clock)
    kept.put(entry(fence=kept.fence, ttl=30, swr=5, sie=10))
    clock.now += 39.9
    assert kept.get(key(b"a"))
    clock.now += 0.1
    assert kept.get(key(b"a")) is None
    kept.expire()
    assert kept.evicted["expired"] == 1
    assert kept.size_bytes == 0


@pytest.mark.parametrize(
    ("marks", "prefixes", "is_void"),
    [
        ([entity("User", "1")], [], True),
        ([entity("User", "11")], [], False),
        ([of_type("User")], [], False),
        ([tag("user:42:cart")], [], True),
        ([], ["user:42:"], True),
        ([], ["user:4"], True),
        ([], ["user:421"], False),
        ([], ["User:"], False),
        ([], [], False),
    ],
)
def test_an_invalidation_voids_what_depends_on_it(
    marks: list[str], prefixes: list[str], is_void: bool
) -> None:
    kept = memory()
    kept.put(entry(fence=kept.fence, marks=(entity("User", "1"), tag("user:42:cart"))))
    kept.invalidate(Invalidation(frozenset(marks), tuple(prefixes)), "next")
    assert (kept.get(key(b"a")) is None) == is_void
    assert kept.evicted["void"] == is_void


def test_a_fill_that_began_before_an_invalidation_is_refused() -> None:
    kept = memory()
    before = kept.fence
    kept.invalidate(Invalidation(frozenset({"type:User"})), "next")
    assert kept.put(entry(fence=before, marks=("type:User",))) is None
    assert kept.put(entry(fence=before, marks=("type:Post",)))
    assert kept.put(entry(fence=kept.fence, marks=("type:User",)))


def test_a_new_epoch_voids_everything_and_refuses_every_fill_of_the_old_one() -> None:
    kept = memory()
    before = kept.fence
    kept.put(entry(fence=before))
    kept.invalidate(Invalidation(everything=True), "next")
    assert kept.get(key(b"a")) is None
    assert kept.put(entry(fence=before)) is None
    assert len(kept) == 0


def test_what_an_order_has_forgotten_counts_as_invalidated() -> None:
    order = Order("e", most_marks=2)
    before = order.fence
    for name in "abc":
        order.invalidate([name])
    assert order.voids(["z"], before)
    assert not order.voids(["z"], order.fence)
    assert not order.voids(["a"], order.fence)
    prefixed = Order("e", most_prefixes=1)
    prefixed.invalidate([], ["a", "b"])
    assert prefixed.voids(["z"], before)


def test_the_least_recently_used_goes_first_when_there_are_too_many_or_too_many_bytes() -> None:
    kept = memory(max_entries=2)
    for name in "ab":
        kept.put(entry(name, fence=kept.fence))
    assert kept.get(key(b"a"))
    kept.put(entry("c", fence=kept.fence))
    assert [bool(kept.get(key(name))) for name in (b"a", b"b", b"c")] == [True, False, True]
    assert kept.evicted["full"] == 1
    small = memory(max_bytes=1 << 16, max_entry_bytes=1 << 15)
    for number in range(100):
        small.put(entry(str(number), fence=small.fence, body=b"x" * 5_000))
    assert 9 <= len(small) <= 13
    assert small.size_bytes <= 1 << 16


def test_a_large_entry_is_not_kept() -> None:
    kept = memory(max_entry_bytes=4_000)
    assert kept.put(entry(fence=kept.fence, body=b"x" * 4_000)) is None
    assert kept.size_bytes == 0


def test_other_names_find_it_are_counted_and_go_with_it() -> None:
    clock = FakeClock()
    kept = memory(clock)
    slot = kept.put(entry(fence=kept.fence))
    assert slot
    before = kept.size_bytes
    kept.name(slot, b"raw" * 100, 300)
    assert kept.get_alias(b"raw" * 100, clock.now) is slot
    assert kept.size_bytes >= before + 300
    kept.invalidate(Invalidation(everything=True), "next")
    assert kept.aliases == {}
    slot = kept.put(entry(fence=kept.fence))
    assert slot
    for number in range(100):
        kept.name(slot, number, 8)
    assert len(kept.aliases) == 8
    clock.now += 100
    kept.expire()
    assert kept.aliases == {}
    assert kept.size_bytes == 0


def test_names_are_bounded_too() -> None:
    kept = memory(max_entry_bytes=2_000)
    slot = kept.put(entry(fence=kept.fence))
    assert slot
    kept.name(slot, b"x", 3_000)
    assert kept.aliases == {}
    kept.drop(slot, "void")
    kept.name(slot, b"x", 3)
    assert kept.aliases == {}


def test_accounted_bytes_are_within_a_tenth_of_those_that_are_measured() -> None:
    for body, marks in ((200, 2), (2_000, 10), (20_000, 60)):
        kept = memory(max_bytes=1 << 30, max_entry_bytes=1 << 20, max_entries=10_000)
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            for number in range(1_000):
                name = f"{number:>300}"
                some = tuple(entity("User", f"{number}:{one}") for one in range(marks))
                kept.put(entry(name, fence=kept.fence, marks=some, body=bytes(body)))
            taken = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert 0.9 < kept.size_bytes / taken < 1.1, (body, kept.size_bytes, taken)


MARKS = [entity("User", "1"), entity("User", "2"), of_type("User"), tag("a:1"), tag("a:2"), tag("b")]
marks_of = st.lists(st.sampled_from(MARKS), max_size=3, unique=True)


@given(st.integers(0, 2**32), st.integers(1, 5))
def test_never_finds_what_was_invalidated_after_its_fence(seed: int, most: int) -> None:
    """Against a model that remembers everything."""
    chance = random.Random(seed)
    clock = FakeClock()
    kept = Memory(L1(max_entries=4), "0", clock.monotonic)
    kept.order = Order("0", most_marks=most, most_prefixes=1)
    past: list[Invalidation] = []
    stored: dict[str, tuple[int, tuple[str, ...]]] = {}
    begun: list[tuple[str, int, tuple[str, ...], object]] = []
    for _ in range(60):
        name = chance.choice("abcdef")
        step = chance.randrange(5)
        if step == 0:
            marks = tuple(chance.sample(MARKS, chance.randrange(4)))
            begun.append((name, len(past), marks, kept.fence))
        elif step == 1 and begun:
            name, when, marks, fence = begun.pop(chance.randrange(len(begun)))
            if kept.put(entry(name, fence=fence, marks=marks, stored_at=clock.now)):  # type: ignore[arg-type]  # -- it is a fence; until=never
                stored[name] = (when, marks)
        elif step == 2:
            prefixes = ("a:",) if chance.random() < 0.3 else ()
            what = Invalidation(
                frozenset(chance.sample(MARKS, chance.randrange(3))), prefixes, chance.random() < 0.1
            )
            past.append(what)
            kept.invalidate(what, str(len(past)))
        elif step == 3:
            clock.now += chance.random() * 10
        elif kept.get(key(name.encode())):
            when, marks = stored[name]
            assert not any(one.everything or any(map(one.voids, marks)) for one in past[when:])


def test_size_grows_with_each_part() -> None:
    order = Order("e")
    small = entry(fence=order.fence)
    assert size_of(entry(fence=order.fence, body=bytes(5_000))) > size_of(small) + 4_000
    assert size_of(entry(fence=order.fence, marks=(tag("x" * 900),))) > size_of(small) + 900
