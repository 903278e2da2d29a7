"""Who holds permits: which task, so that its second one is noticed, and which place in the code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quickwins.backpressure.stats import HeldAt, Holder

if TYPE_CHECKING:
    import asyncio

    from quickwins.backpressure._hold import Hold

SHOWN = 5
"""How many of the longest holders are shown."""

NOTED = 0.25
"""While fewer are known: the part of the shortest of them that a hold must reach to be noted. Noting them all costs a
fifth of what a permit does."""


class Holders:
    """The holders of one gate's permits.

    Attributes:
        held_by: The permit in use that each task took last; those before it are its `outer` ones.
        worth_noting_seconds: Holds longer than this are among the longest.
    """

    __slots__ = ("_longest", "held_by", "worth_noting_seconds")

    def __init__(self) -> None:
        self.held_by: dict[asyncio.Task[object] | None, Hold[Any]] = {}
        self.worth_noting_seconds = 0.0
        self._longest: dict[tuple[int, int], tuple[float, Hold[Any]]] = {}

    def unlink(self, hold: Hold[Any], last: Hold[Any]) -> None:
        """`hold` is no longer in use, by a task that has taken others before or since, and was taken out with its `last` one."""
        if last is hold:
            assert hold.outer is not None
            self.held_by[hold.task] = hold.outer
            return
        self.held_by[hold.task] = last
        while last.outer is not hold:
            assert last.outer is not None
            last = last.outer
        last.outer = hold.outer

    def note(self, hold: Hold[Any], seconds: float) -> None:
        """`hold` was held longer than `worth_noting_seconds`: one of the longest."""
        key = hold.site_key
        known = self._longest.get(key)
        if known is not None and seconds <= known[0]:
            return
        self._longest[key] = (seconds, hold)  # the permit keeps its code alive, and with it the key unique
        if len(self._longest) > SHOWN:
            del self._longest[min(self._longest, key=lambda site: self._longest[site][0])]
        shortest = min(longest for longest, _ in self._longest.values())
        self.worth_noting_seconds = shortest if len(self._longest) == SHOWN else shortest * NOTED

    def first_of(self, task: asyncio.Task[object] | None) -> str:
        """Where `task` took the first permit it holds."""
        hold = self.held_by[task]
        while hold.outer is not None:
            hold = hold.outer
        return hold.site

    @property
    def holds(self) -> list[Hold[Any]]:
        """Those in use."""
        found = []
        for last in list(self.held_by.values()):
            hold: Hold[Any] | None = last
            while hold is not None:
                found.append(hold)
                hold = hold.outer
        return found

    def longest(self, now: float) -> tuple[Holder, ...]:
        """The permits that have been held the longest at the time `now`."""
        oldest = sorted(self.holds, key=lambda hold: hold.since)[:SHOWN]
        return tuple(Holder(hold.site, max(0.0, now - hold.since), hold.priority) for hold in oldest)

    def sites(self) -> tuple[HeldAt, ...]:
        """The places that held permits the longest."""
        longest = sorted(self._longest.values(), key=lambda found: -found[0])
        return tuple(HeldAt(hold.site, seconds) for seconds, hold in longest)
