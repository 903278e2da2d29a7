"""The window of ids against a model: nothing is taken for known that was not marked, and nothing forgotten too soon."""

from __future__ import annotations

import random
from hashlib import blake2b

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from quickwins.dedup._core.window import Window

TTL = 10.0
IDS = st.integers(0, 60).map(lambda number: b"id-%d" % number)


def knows(window: Window, identity: bytes, now: float) -> bool:
    (known,) = window.have([fingerprint(identity)], now)
    return known


def mark(window: Window, identity: bytes, now: float) -> None:
    window.mark([fingerprint(identity)], now)


def fingerprint(identity: bytes) -> bytes:
    return blake2b(identity, digest_size=16).digest()


class AgainstAModel(RuleBasedStateMachine):
    """Marks and time in any order, without more ids than fit."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.window = Window(TTL, 400, now=0.0)
        self.marked: dict[bytes, float] = {}

    @rule(identity=IDS)
    def mark(self, identity: bytes) -> None:
        if not knows(self.window, identity, self.now):
            self.marked[identity] = self.now
        mark(self.window, identity, self.now)

    @rule(seconds=st.floats(0, 25))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(identity=IDS)
    def look(self, identity: bytes) -> None:
        known = knows(self.window, identity, self.now)
        marked = self.marked.get(identity)
        if marked is None:
            assert not known
        elif self.now - marked < TTL:
            assert known

    @invariant()
    def nothing_is_dropped_before_its_time(self) -> None:
        assert self.window.dropped == 0


AgainstAModel.TestCase.settings = settings(stateful_step_count=40)
TestAgainstAModel = AgainstAModel.TestCase


@pytest.mark.parametrize("entries", [2, 10, 1_000])
def test_a_full_table_finds_all_of_its_own_and_nothing_else(entries: int) -> None:
    window = Window(TTL, entries, now=0.0)
    for number in range(entries // 2):
        mark(window, b"%d" % number, 0.0)
    assert all(knows(window, b"%d" % number, 0.0) for number in range(entries // 2))
    assert not any(knows(window, b"x%d" % number, 0.0) for number in range(2_000))
    assert window.dropped == 0


def test_more_than_fit_push_the_oldest_out_and_are_counted() -> None:
    window = Window(TTL, 100, now=0.0)
    for number in range(1_000):
        mark(window, b"%d" % number, 0.0)
    assert len(window) <= 100
    assert window.dropped + len(window) == 1_000
    assert knows(window, b"999", 0.0)
    assert not knows(window, b"0", 0.0)


def test_an_id_marked_twice_is_there_once() -> None:
    window = Window(TTL, 100, now=0.0)
    mark(window, b"1", 0.0)
    mark(window, b"1", 0.0)
    assert len(window) == 1


def test_after_a_silence_everything_is_forgotten() -> None:
    window = Window(TTL, 100, now=0.0)
    mark(window, b"1", 0.0)
    assert not knows(window, b"1", 2 * TTL)
    assert len(window) == 0


def test_old_tables_are_given_back_whole() -> None:
    window = Window(TTL, 200_000, now=0.0)
    fresh = window.table_bytes
    for round_number in range(4):
        for number in range(10):
            mark(window, b"%d" % number, TTL * round_number)
    assert window.table_bytes > 2 * fresh
    while window.table_bytes > 2 * fresh:
        knows(window, b"1", 3 * TTL)
    assert knows(window, b"1", 3 * TTL)


def test_two_bytes_of_table_for_three_of_fingerprint() -> None:
    for entries in (2_000_000, 4_000_000):
        table = Window(TTL, entries, now=0.0).table_bytes
        assert table / (entries // 2) < 24


def test_ids_that_meet_in_one_place_stay_apart() -> None:
    rng = random.Random(7)
    for _ in range(50):
        window = Window(TTL, 16, now=0.0)
        ids = [rng.randbytes(12) for _ in range(8)]
        for identity in ids:
            mark(window, identity, 0.0)
        assert all(knows(window, identity, 0.0) for identity in ids)
        assert window.dropped == 0


def test_a_fingerprint_that_is_zero_is_as_any_other() -> None:
    window = Window(TTL, 100, now=0.0)
    zero = bytes(16)
    assert window.have([zero, fingerprint(b"1")], 0.0) == [False, False]
    window.mark([zero], 0.0)
    assert window.have([zero, fingerprint(b"1")], 0.0) == [True, False]
