"""Places at which a controller's process can be killed, around its store and its flag.

They wrap what a controller is given: nothing in the library knows of them.
"""

from __future__ import annotations

import os
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from quickwins.rollout import Phase

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

    from quickwins.core.flags.writer import FlagWriter
    from quickwins.rollout import Held, Record, State, Store

THE_END, BACK = "the end", "the way back"


def around(*things: str) -> Iterator[str]:
    """The points of what is put into the store: with a database, what is put is not kept yet."""
    for thing in things:
        yield from (f"before {thing}", f"after {thing}", f"once {thing} is kept")


def of(move: str) -> Iterator[str]:
    """The points of one write of the flag, in their order."""
    yield from around(f"the intent of {move}")
    yield from (f"before the flag of {move}", f"after the flag of {move}")
    yield from around(f"the record of {move}")


UP = (
    *around("the start", "the lease"),
    *("before the flag of 0", "after the flag of 0"),  # whose intent is the start
    *around("the record of 0"),
    *of("10"),
    *of("10 again"),  # before it runs out
    *of("50"),
    *of("100"),
    *of(THE_END),
)
DOWN = (*of(BACK), *around("its end"))


class Points:
    """Kills this process when it comes by `name`."""

    def __init__(self, name: str) -> None:
        assert not name or name in {*UP, *DOWN}, name
        self._name = name
        self.move = ""

    def come_to(self, record: Record | None) -> None:
        """What this process does next is what `record` intends, if anything."""
        self.move = (record and move_of(record.state)) or self.move

    def reach(self, name: str) -> None:
        """This process is at `name` now."""
        if name == self._name:
            os.kill(os.getpid(), signal.SIGKILL)


class WatchedStore:
    """A store whose user comes by the points."""

    def __init__(self, store: Store, points: Points) -> None:
        self._store = store
        self._points = points

    @asynccontextmanager
    async def exclusive(self, feature: str) -> AsyncIterator[Held]:
        async with self._store.exclusive(feature) as held:
            self._points.come_to(held.record)
            watched = _Held(held, self._points)
            yield watched
        for thing in watched.things:
            self._points.reach(f"once {thing} is kept")


class _Held:
    def __init__(self, held: Held, points: Points) -> None:
        self._held = held
        self._points = points
        self.things: list[str] = []

    @property
    def record(self) -> Record | None:
        return self._held.record

    @property
    def others(self) -> Mapping[str, State]:
        return self._held.others

    async def put(self, record: Record) -> None:
        old = self.record
        self._points.come_to(record)
        thing = _thing(old, record).format(move=self._points.move)
        self.things.append(thing)
        self._points.reach(f"before {thing}")
        await self._held.put(record)
        self._points.reach(f"after {thing}")


def _thing(old: Record | None, new: Record) -> str:
    if old is None:
        return "the start"
    if new.state == old.state:
        return "the lease"
    if new.state.intent is not None:
        return "the intent of {move}"
    if new.state.phase is Phase.ROLLED_BACK:
        return "its end"
    return "a look" if old.state.intent is None else "the record of {move}"


def move_of(state: State) -> str:
    """What `state` intends to write, in a word; nothing when it intends nothing."""
    write = state.intent
    if write is None:
        return ""
    if state.phase is Phase.ROLLING_BACK:
        return BACK
    if state.phase is Phase.DONE:
        return THE_END
    again = " again" if state.phase is Phase.RAMPING and write.step == state.step else ""
    return f"{write.percent:g}{again}"


class WatchedWriter:
    """A writer whose user comes by the points, and which notes what was written."""

    def __init__(self, writer: FlagWriter, points: Points, notes: Path) -> None:
        self._writer = writer
        self._points = points
        self._notes = notes

    def set(self, feature: str, /, **fields: object) -> None:
        self._points.reach(f"before the flag of {self._points.move}")
        self._writer.set(feature, **fields)
        with self._notes.open("a") as file:
            file.write(f"{fields['percent']}\n")
        self._points.reach(f"after the flag of {self._points.move}")

    def kill(self, feature: str) -> None:
        self._writer.kill(feature)
