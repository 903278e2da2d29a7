"""Invalidations that no store has confirmed yet."""

from __future__ import annotations

from quickwins.query_cache._core.fences import Invalidation, entity
from quickwins.query_cache.stores._owed import MAX_NAMES, Owed


def voiding(number: int) -> Invalidation:
    return Invalidation(frozenset({entity("User", str(number))}))


def test_each_stays_until_it_is_paid() -> None:
    owed = Owed()
    first, second = (owed.add(voiding(number))[0] for number in range(2))
    owed.paid(first)
    owed.paid(first)
    assert owed.all() == [(second, voiding(1))]


def test_past_the_bound_everything_is_owed() -> None:
    owed = Owed()
    numbers = [owed.add(voiding(number))[0] for number in range(MAX_NAMES)]
    ((last, invalidation),) = owed.all()[:1]
    assert invalidation == Invalidation(everything=True)
    for number in numbers:
        if number < last:
            owed.paid(number)
    assert (last, invalidation) in owed.all(), "what was paid before is less than everything"
    assert len(owed.all()) <= MAX_NAMES // 2 + 1


def test_what_is_owed_as_everything_is_said_to_whoever_pays() -> None:
    owed = Owed()
    names = frozenset(str(number) for number in range(MAX_NAMES))
    number, invalidation = owed.add(Invalidation(names))
    assert invalidation == Invalidation(everything=True)
    owed.paid(number)
    assert owed.all() == []
