"""The bar of a build."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from quickwins.indexes._core.bar import PHASES, Bar, Look, remaining_seconds

NUMBER = st.integers(-10, 1000)
LOOK = st.builds(
    Look, st.sampled_from([*PHASES, "", "something new"]), NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER
)


@given(st.lists(LOOK, max_size=30))
def test_it_never_goes_back_and_never_leaves_its_range(looks: list[Look]) -> None:
    bar = Bar()
    ratios = [bar.moved(look) for look in looks]
    assert ratios == sorted(ratios)
    assert all(0 <= one <= 1 for one in ratios)


def test_the_phases_follow_each_other_without_gaps() -> None:
    bounds = [PHASES[name] for name in PHASES if name != "building index"]
    assert all(earlier[1] == later[0] for earlier, later in itertools.pairwise(bounds))
    assert bounds[0][0] == 0


def test_more_done_than_there_is_counts_as_all() -> None:
    bar = Bar()
    assert (
        bar.moved(Look("waiting for old snapshots", lockers_total=2, lockers_done=9))
        == PHASES["waiting for old snapshots"][1]
    )


def test_numbers_of_an_earlier_phase_do_not_count() -> None:
    bar = Bar()
    begins, ends = PHASES["building index: loading tuples in tree"]
    look = Look(
        "building index: loading tuples in tree",
        blocks_total=10,
        blocks_done=10,
        tuples_total=4,
        tuples_done=1,
    )
    assert bar.moved(look) == begins + (ends - begins) / 4


def test_what_is_left_is_told_when_there_is_something_to_go_by() -> None:
    assert remaining_seconds(0.01, 10) is None
    assert remaining_seconds(0.25, 10) == 30
