"""What a process has one of goes from one that wants it to the next, and is never with two."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from quickwins.core.one_per_process import OnePerProcess


@dataclass(eq=False)
class User:
    name: str
    told: list[str] = field(default_factory=list)
    fails: bool = False

    def begin(self) -> None:
        self.told.append(f"{self.name} begins")

    def end(self) -> None:
        self.told.append(f"{self.name} ends")
        if self.fails:
            raise RuntimeError("a bug")


def test_the_first_has_it_and_then_the_next() -> None:
    told: list[str] = []
    a, b, c = (User(name, told) for name in "abc")
    one = OnePerProcess()
    assert [one.want(user) for user in (a, b, c, a)] == [True, False, False, True]
    one.leave(b)
    one.leave(a)
    assert told == ["a begins", "b ends", "a ends", "c begins"]
    assert [one.want(user) for user in (c, a)] == [True, False]


def test_the_last_leaves_nobody_behind_and_may_come_back() -> None:
    user = User("a")
    one = OnePerProcess()
    one.want(user)
    one.leave(user)
    one.leave(user)
    assert one.want(user)
    assert user.told == ["a begins", "a ends", "a ends", "a begins"]


def test_one_that_fails_at_its_end_keeps_the_next_from_nothing() -> None:
    told: list[str] = []
    a, b = User("a", told, fails=True), User("b", told)
    one = OnePerProcess()
    one.want(a)
    one.want(b)
    with pytest.raises(RuntimeError, match="a bug"):
        one.leave(a)
    assert told[-1] == "b begins"
    assert one.want(b)
