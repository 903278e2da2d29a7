"""Which member a call goes to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.channels._core.health import Health
from quickwins.channels._core.picker import Picker, Readiness

READY, CONNECTING, FAILING = Readiness.READY, Readiness.CONNECTING, Readiness.FAILING


@dataclass(eq=False)
class Seat:
    """A member without a connection."""

    name: str
    ready: Readiness = READY
    health: Health = field(default_factory=Health)
    inflight: int = 0


def look(seat: Seat) -> Readiness:
    return seat.ready


def seats(**ready: Readiness) -> list[Seat]:
    return [Seat(name, one) for name, one in ready.items()]


def picked(picker: Picker, members: list[Seat], times: int, **more: object) -> str:
    return "".join(picker.pick(members, look, 0.0, **more)[0].name for _ in range(times))  # type: ignore[arg-type]  # -- the picker's own keywords; until=never


def test_connected_members_are_taken_in_turn() -> None:
    assert picked(Picker(), seats(a=READY, b=READY, c=READY), 7) == "abcabca"


def test_ten_thousand_calls_are_spread_evenly() -> None:
    found = Counter(picked(Picker(), seats(a=READY, b=READY, c=READY, d=READY), 10_000))
    assert set(found.values()) == {2_500}


def test_members_that_are_not_connected_are_skipped() -> None:
    assert picked(Picker(), seats(a=READY, b=CONNECTING, c=FAILING, d=READY), 5) == "adada"


def test_a_retry_goes_to_another_member() -> None:
    members = seats(a=READY, b=READY)
    assert picked(Picker(), members, 3, avoid=[members[0]]) == "bbb"


@pytest.mark.parametrize(
    ("ready", "avoid", "expected"),
    [
        pytest.param((CONNECTING, READY), "b", ("b", READY), id="the one that has failed before one that connects"),
        pytest.param((FAILING, CONNECTING), "", ("b", CONNECTING), id="one that connects before one that cannot"),
        pytest.param((FAILING, FAILING), "", ("a", FAILING), id="one that cannot connect rather than none"),
    ],
)  # fmt: skip
def test_when_none_is_good_the_best_is_taken(
    ready: tuple[Readiness, Readiness], avoid: str, expected: tuple[str, Readiness]
) -> None:
    members = seats(a=ready[0], b=ready[1])
    one, found = Picker().pick(members, look, 0.0, avoid=[each for each in members if each.name in avoid])
    assert (one.name, found) == expected


def test_an_ejected_member_is_taken_only_when_no_other_is_connected() -> None:
    members = seats(a=READY, b=READY)
    members[0].health.out_until = 5.0
    assert picked(Picker(), members, 3) == "bbb"
    members[1].ready = CONNECTING
    assert picked(Picker(), members, 1) == "a"
    members[0].ready = CONNECTING
    assert picked(Picker(), members, 1) == "b"


def test_an_ejected_member_gets_one_probe_when_its_time_has_come() -> None:
    members, picker = seats(a=READY, b=READY), Picker()
    members[0].health.out_until = 5.0
    names = []
    for _ in range(4):
        one, _ready = picker.pick(members, look, 5.0)
        one.health.begin()
        names.append(one.name)
    assert "".join(names) == "abbb"


def test_of_two_in_turn_the_one_with_fewer_calls_is_taken() -> None:
    members = seats(a=READY, b=READY)
    members[0].inflight = 5
    assert picked(Picker(), members, 4, rng=Random(1)) == "bbbb"


@given(
    ready=st.lists(st.sampled_from(Readiness), min_size=1, max_size=8),
    out=st.sets(st.integers(0, 7)),
    avoid=st.sets(st.integers(0, 7)),
    least=st.booleans(),
    times=st.integers(1, 40),
)
def test_a_connected_admitted_member_is_always_found_and_turns_are_fair(
    ready: list[Readiness], out: set[int], avoid: set[int], least: bool, times: int
) -> None:
    members = [Seat(str(place), one) for place, one in enumerate(ready)]
    for place in out & set(range(len(members))):
        members[place].health.out_until = 5.0
    avoided = [members[place] for place in avoid if place < len(members)]
    good = [one for place, one in enumerate(members) if one.ready is READY and place not in out | avoid]
    picker = Picker()
    found: Counter[str] = Counter()
    for _ in range(times):
        one, state = picker.pick(members, look, 0.0, avoid=avoided, rng=Random(1) if least else None)
        assert state is one.ready
        assert not good or one in good
        found[one.name] += 1
    if good and not least:
        assert max(found.values()) - min(found[one.name] for one in good) <= 1
