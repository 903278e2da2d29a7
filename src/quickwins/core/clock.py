"""One clock for everything that waits or measures, so that every rule about time can be tested without sleeping."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from quickwins.core.lazy import shows

__all__ = ["Chance", "Clock", "Deadline", "FakeClock", "SystemClock", "backoff_seconds"]
__dir__ = shows(__name__)


class Clock(Protocol):
    """What the library knows of time."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back. For durations and deadlines."""
        ...

    def wall(self) -> float:
        """Seconds since the Unix epoch; may jump. For timestamps people read and for expiry dates."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Suspend the current task for at least `seconds`; with zero or less, let others run once."""
        ...


class Chance(Protocol):
    """A source of randomness, such as a `random.Random`."""

    def random(self) -> float:
        """A number from 0 to below 1."""
        ...


class SystemClock:
    """The machine's own clocks. Stateless: share one or make many."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "SystemClock()"

    monotonic = staticmethod(time.monotonic)  # itself: hot paths ask it at each step
    """See `Clock`."""

    wall = staticmethod(time.time)
    """See `Clock`."""

    async def sleep(self, seconds: float) -> None:
        """See `Clock`."""
        await asyncio.sleep(seconds)


@dataclass(slots=True)
class FakeClock:
    """A clock that only moves when told to; both readings advance together, `jump` moves the wall alone.

    For one event loop. `sleep` registers a wake-up time; `advance` wakes sleepers in order of that time and lets
    each run before the next is woken.
    """

    now: float = 1_000.0
    wall_now: float = 1_700_000_000.0
    _sleepers: list[tuple[float, int, asyncio.Future[None]]] = field(default_factory=list, repr=False)
    _order: itertools.count[int] = field(default_factory=itertools.count, repr=False)

    def monotonic(self) -> float:
        """See `Clock`."""
        return self.now

    def wall(self) -> float:
        """See `Clock`."""
        return self.wall_now

    def jump(self, seconds: float) -> None:
        """Move the wall clock without moving the monotonic one, as an operator or NTP would."""
        self.wall_now += seconds

    @property
    def sleeping(self) -> int:
        """How many tasks wait in `sleep`."""
        return sum(1 for _, _, future in self._sleepers if not future.done())

    async def sleep(self, seconds: float) -> None:
        """See `Clock`; ends when `advance` reaches the time."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._order), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Move both clocks on by `seconds`, and wake everybody whose time comes on the way."""
        target = self.now + seconds
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= target:
            due, _, future = heapq.heappop(self._sleepers)
            moved = max(0.0, due - self.now)  # a test may have moved `now` past it by hand
            self.wall_now += moved
            self.now += moved
            if not future.done():
                future.set_result(None)
            await self._settle()
        self.wall_now += target - self.now
        self.now = target

    async def _settle(self) -> None:
        # A woken task may need several turns of the loop before it sleeps again or ends.
        for _ in range(10):
            await asyncio.sleep(0)


class Deadline(NamedTuple):  # made for each use that has a limit, in a third of a frozen dataclass's time
    """A point in monotonic time, fixed once at the door from the caller's timeout.

    Attributes:
        at: The monotonic second at which it passes; infinity for "none".
        timeout_seconds: What the caller asked for, to be named in errors; `None` for "none".
        of_request: Whether it is that of the request as a whole (`core.deadline`), and not of one thing it waits for.
    """

    at: float
    timeout_seconds: float | None
    of_request: bool = False

    @classmethod
    def after(cls, timeout_seconds: float | None, now: float) -> Deadline:
        """The deadline `timeout_seconds` from `now`; `None` never passes."""
        return cls(float("inf") if timeout_seconds is None else now + timeout_seconds, timeout_seconds)

    def remaining(self, now: float) -> float | None:
        """Seconds left, zero once passed; `None` when there is no deadline."""
        return None if self.timeout_seconds is None else max(0.0, self.at - now)

    def passed(self, now: float) -> bool:
        """Whether nothing is left."""
        return now >= self.at

    def __str__(self) -> str:
        """What was asked for, to a millisecond: `0.08 s`."""
        seconds = self.timeout_seconds
        return "no limit" if seconds is None else f"{round(seconds, 3) or seconds:g} s"


def backoff_seconds(attempt: int, *, base_seconds: float, cap_seconds: float, rng: Chance) -> float:
    """How long to wait before retry number `attempt` (0 is the first): exponential with full jitter.

    Uniform in (0, min(cap, base * 2**attempt)]. Full jitter spreads a crowd of clients best for the least work
    (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
    """
    ceiling = min(cap_seconds, base_seconds * 2.0 ** min(attempt, 62))
    return ceiling * (1.0 - rng.random())
