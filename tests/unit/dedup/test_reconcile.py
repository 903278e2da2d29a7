"""What was sent against what was applied, by positions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quickwins.dedup._core.reconcile import Range, reconcile

COUNTS = st.dictionaries(st.integers(0, 1 << 40), st.integers(1, 5), max_size=40)


def test_says_where_events_are_lost_and_where_effects_are_too_many() -> None:
    found = reconcile({0x10: 2, 0x20: 1, 0x30: 1, 0x40: 1}, {0x10: 1, 0x20: 1, 0x30: 3, 0x40: 1}, ranges=2)
    assert found == [Range("0/10", "0/20", 3, 2, 1, 0), Range("0/30", "0/40", 2, 4, 0, 2)]


def test_what_is_lost_at_one_position_is_not_made_good_by_what_is_doubled_at_another() -> None:
    (found,) = reconcile({1: 1, 2: 1}, {2: 2}, ranges=1)
    assert (found.sent, found.applied, found.lost, found.doubled) == (2, 2, 1, 1)


def test_effects_of_a_time_that_the_topic_says_nothing_of_are_left_out() -> None:
    assert reconcile({5: 1}, {4: 9, 5: 1, 6: 9}, ranges=3) == [Range("0/5", "0/5", 1, 1, 0, 0)]
    assert reconcile({}, {4: 1}, ranges=3) == []


@given(COUNTS, COUNTS, st.integers(1, 50))
def test_adds_up_however_it_is_divided(sent: dict[int, int], applied: dict[int, int], ranges: int) -> None:
    found, whole = reconcile(sent, applied, ranges=ranges), reconcile(sent, applied, ranges=1)
    assert len(found) <= ranges
    for name in ("sent", "applied", "lost", "doubled"):
        assert sum(getattr(one, name) for one in found) == sum(getattr(one, name) for one in whole)
    assert sum(one.sent - one.applied - one.lost + one.doubled for one in found) == 0
