"""What a process has one of goes from one that wants it to the next, and is never with two."""

from __future__ import annotations

import os

import pytest
from prometheus_client import CollectorRegistry

from quickwins.core.feature import OnePerProcess
from quickwins.core.flags import Flags, FlagSettings, FlagsSettings, MemorySource


class User:
    """One that follows a flag of its own, and notes what it is told."""

    section = "one"

    def __init__(self, name: str, shared: OnePerProcess, told: list[str], *, fails: bool = False) -> None:
        self.name = name
        self.fails = fails
        self._shared = shared
        self._told = told
        self._source = MemorySource()
        self._flags = Flags(
            {"flags": FlagsSettings, "one": FlagSettings}, [self._source], registry=CollectorRegistry()
        )

    def turn(self, on: bool) -> None:
        self._source.set("one", enabled=on)
        self._flags.poll()
        self._shared.follow(self, self._flags.snapshot)

    def begin(self) -> None:
        self._told.append(f"{self.name} begins")

    def end(self) -> None:
        self._told.append(f"{self.name} ends")
        if self.fails:
            raise RuntimeError("a bug")


def test_the_first_has_it_and_then_the_next(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []
    shared = OnePerProcess()
    a, b, c = (User(name, shared, told) for name in "abc")
    for user in (a, b, c, b):
        user.turn(True)
    assert told == ["a begins"]
    assert (
        caplog.messages == ["config.unused key=one reason=another configuration of this process has it"] * 2
    ), "said once by each that waits"
    b.turn(False)
    a.turn(False)
    assert told == ["a begins", "b ends", "a ends", "c begins"]
    a.turn(True)
    shared.leave(c)
    assert told[-2:] == ["c ends", "a begins"]


def test_who_has_it_is_told_of_each_change() -> None:
    told: list[str] = []
    user = User("a", OnePerProcess(), told)
    user.turn(True)
    user.turn(True)
    user.turn(False)
    user.turn(True)
    assert told == ["a begins", "a begins", "a ends", "a begins"]


def test_one_that_fails_at_its_end_does_not_keep_the_next_from_it() -> None:
    told: list[str] = []
    shared = OnePerProcess()
    a, b = User("a", shared, told, fails=True), User("b", shared, told)
    a.turn(True)
    b.turn(True)
    with pytest.raises(RuntimeError, match="a bug"):
        a.turn(False)
    assert told[-1] == "b begins"


@pytest.mark.parametrize("on", [True, False])
def test_in_a_forks_child_its_own_has_it_and_not_its_parents(on: bool) -> None:
    told: list[str] = []
    shared = OnePerProcess()
    a, b = User("a", shared, told), User("b", shared, told)
    a.turn(True)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            b.turn(on)
            code = 0 if told == ["a begins", "a ends", "b begins" if on else "b ends"] else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    b.turn(True)
    assert told == ["a begins"]
