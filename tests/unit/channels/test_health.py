"""Ejection: who is kept out, how many at most, and how they come back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.channels._core.health import Health, Sign, Verdict, judge


def healths(*silent: int, out: int = 0) -> list[Health]:
    """Members with so many silent calls; of the last `out` it is known that they are ejected."""
    made = [Health() for _ in silent]
    for one, count in zip(made, silent, strict=True):
        one.silent = count
    for one in made[len(made) - out :]:
        one.out_until = 10.0
    return made


def test_a_member_is_ejected_by_so_many_silent_calls_in_a_row_and_not_before() -> None:
    one, other = Health(), Health()
    verdicts = []
    for _ in range(3):
        one.note(Sign.SILENT)
        verdicts.append(judge(one, [one, other], eject_after=3))
    assert verdicts == [Verdict.NOTHING, Verdict.NOTHING, Verdict.EJECT]


def test_a_response_in_between_begins_the_count_anew() -> None:
    one = Health()
    for sign in (Sign.SILENT, Sign.SILENT, Sign.ANSWERED, Sign.SILENT, Sign.SILENT):
        one.note(sign)
    assert one.silent == 2


def test_a_caller_who_leaves_says_nothing() -> None:
    one = Health()
    for sign in (Sign.SILENT, Sign.NOTHING, Sign.SILENT):
        one.note(sign)
    assert one.silent == 2


@pytest.mark.parametrize(
    ("size", "out", "verdict"),
    [
        pytest.param(1, 0, Verdict.RECONNECT_ALL, id="the only one"),
        pytest.param(2, 0, Verdict.EJECT, id="one of two"),
        pytest.param(2, 1, Verdict.RECONNECT_ALL, id="the last of two"),
        pytest.param(3, 0, Verdict.EJECT, id="one of three"),
        pytest.param(3, 1, Verdict.RECONNECT, id="a second of three, while the third answers"),
        pytest.param(4, 1, Verdict.EJECT, id="a second of four"),
        pytest.param(4, 2, Verdict.RECONNECT, id="a third of four"),
    ],
)
def test_at_most_half_are_out_and_never_the_last(size: int, out: int, verdict: Verdict) -> None:
    members = healths(3, *[0] * (size - 1), out=out)
    assert judge(members[0], members, eject_after=3) is verdict


def test_when_all_are_silent_all_are_connected_anew() -> None:
    members = healths(3, 3, 0, out=1)
    assert judge(members[0], members, eject_after=3) is Verdict.RECONNECT_ALL


def test_nobody_is_ejected_when_it_is_off() -> None:
    members = healths(100, 0)
    assert judge(members[0], members, eject_after=0) is Verdict.NOTHING


def test_an_ejected_member_gets_one_call_as_a_probe_when_its_time_has_come() -> None:
    one = Health(out_until=5.0)
    assert not one.admits(4.9)
    assert one.admits(5.0)
    one.begin()
    assert not one.admits(5.0)


def test_a_response_to_the_probe_brings_it_back() -> None:
    one = Health(out_until=5.0)
    one.begin()
    one.note(Sign.ANSWERED)
    assert one.out_until is None
    assert one.admits(0.0)


def test_a_silent_probe_ejects_it_again_at_once() -> None:
    members = healths(0, 0, 0, out=1)
    probed = members[-1]
    probed.begin()
    probed.note(Sign.SILENT)
    assert judge(probed, members, eject_after=3) is Verdict.EJECT


def test_a_probe_whose_caller_leaves_is_followed_by_another() -> None:
    one = Health(out_until=5.0)
    one.begin()
    one.note(Sign.NOTHING)
    assert one.admits(5.0)
    assert one.out_until == 5.0


@given(
    size=st.integers(1, 8),
    eject_after=st.integers(1, 4),
    ends=st.lists(st.tuples(st.integers(0, 7), st.sampled_from(Sign)), max_size=200),
)
def test_whatever_happens_half_of_the_members_stay_in(
    size: int, eject_after: int, ends: list[tuple[int, Sign]]
) -> None:
    members = [Health() for _ in range(size)]
    for now, (place, sign) in enumerate(ends):
        one = members[place % size]
        if not one.admits(now):
            continue
        one.begin()
        one.note(sign)
        verdict = judge(one, members, eject_after=eject_after) if sign is Sign.SILENT else Verdict.NOTHING
        if verdict is Verdict.EJECT:
            members[place % size] = Health(out_until=now + 3.0)
        elif verdict is Verdict.RECONNECT_ALL:
            members = [Health() for _ in range(size)]
        out = sum(one.out_until is not None for one in members)
        assert out <= size // 2
        assert out < size
