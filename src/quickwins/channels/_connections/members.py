"""The members of a pool: made, replaced one at a time, drained and closed.

All of it runs on the pool's event loop. A member is taken out of the pool before anything closes it, so no call meets a
connection that closes.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Any

from quickwins.channels._connections.member import Member
from quickwins.channels._core.rotation import lifetime_seconds, next_due
from quickwins.channels.errors import RotationFailed
from quickwins.channels.stats import SwitchReason

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from random import Random

    from quickwins.channels._counts import Counts
    from quickwins.channels.config import PoolConfig
    from quickwins.core.clock import Clock

WARM_SECONDS = 10.0
"""How long a new connection may take before the old one is kept, over all tries."""

WARM_TRIES = 2

MOST_DRAINING = 128
"""How many replaced connections may be left for their calls: twice the most members. Beyond, the oldest is cut."""

PATIENCE_SECONDS = 1.0
"""How long the next replacement waits for the last one's calls, so that connections don't add up while short calls run."""

TICK_SECONDS = 1.0
"""How often ages are looked at, at the least: settings may change meanwhile."""


class Members:
    """Several connections to one target.

    Attributes:
        members: Those that calls go to.
        draining: Replaced ones, the oldest first.
        counts: The channel's.
        config: What holds.
        now: Tells monotonic seconds.
        rng: For jitter.
    """

    def __init__(
        self,
        make: Callable[[], Any],
        config: PoolConfig,
        *,
        size: int,
        is_on: Callable[[], bool],
        counts: Counts,
        numbers: Callable[[], int],
        clock: Clock,
        rng: Random,
    ) -> None:
        """Make `size` members, which start connecting; see `Pool`."""
        self._make = make
        self._is_on = is_on
        self._numbers = numbers
        self.now = clock.monotonic
        self._sleep = clock.sleep
        self.rng = rng
        self.counts = counts
        self.config = config
        self._loop = asyncio.get_running_loop()
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._making: set[Member] = set()
        self._closing = False
        self._poked: asyncio.Future[None] | None = None
        self.draining: list[Member] = []
        now = self.now()
        self.members = [self._new(now, place, size) for place in range(size)]
        self.spawn(self._keep())

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` until it ends, or the pool closes, which awaits it; in no request's context, so in nobody's trace."""
        task = Context().run(self._loop.create_task, work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _poke(self) -> None:
        """Tell who watches the members that there are others."""
        if self._poked is not None and not self._poked.done():
            self._poked.set_result(None)

    def _new(self, now: float, place: int = 0, together: int = 1) -> Member:
        ends = now + lifetime_seconds(self.config.max_age_seconds, self.rng, place=place, together=together)
        member = Member(self._numbers(), self._make(), now=now, ends=ends)
        member.look()  # it begins to connect
        return member

    def _put(self, old: Member, new: Member, reason: SwitchReason) -> asyncio.Task[None]:
        """Have calls go to `new` instead of `old`; what comes back ends when `old` is closed."""
        self.members[self.members.index(old)] = new
        self.counts.switched[reason] += 1
        self._poke()
        return self._retire(old)

    def _retire(self, old: Member) -> asyncio.Task[None]:
        old.draining = True
        self.draining.append(old)
        for one in self.draining[:-MOST_DRAINING]:
            one.hurry.set()
        return self.spawn(self._end(old))

    async def _end(self, old: Member) -> None:
        began = self.now()
        await old.drain(self.config.drain_seconds)
        await old.close()
        self.draining.remove(old)
        self.counts.drains.observe(self.now() - began)

    async def _replace(self, old: Member, reason: SwitchReason) -> bool:
        """Create, warm, swap, drain; whether `old` is out. One at a time."""
        async with self._lock:
            new = await self._successor(old) if self._is_replaceable(old) else None
            if new is not None:
                gone = self._put(old, new, reason)
                await asyncio.wait({gone}, timeout=PATIENCE_SECONDS)
            return old not in self.members

    async def _successor(self, old: Member) -> Member | None:
        """A new member that is connected; `None`: it could not be in time, or nobody wants it any more."""
        for _ in range(WARM_TRIES):  # the first may lead to a process that is stopped
            new = self._new(self.now())
            new.health.out_until = old.health.out_until
            self._making.add(new)
            wanted = False
            try:
                wanted = await new.ready(WARM_SECONDS / WARM_TRIES) and self._is_replaceable(old)
            finally:
                self._making.discard(new)
                if not wanted:
                    await new.close()
            if wanted:
                return new
            if not self._is_replaceable(old):
                break
        return None

    def _is_replaceable(self, old: Member) -> bool:
        return not self._closing and old in self.members

    async def rotate(self, reason: SwitchReason) -> None:
        """Replace all members, one by one.

        Raises:
            RotationFailed: Some could not be replaced, and are still in use.
        """
        kept = 0
        for member in tuple(self.members):
            replaced = await self._replace(member, reason)
            self._note(replaced=replaced)
            kept += not replaced
        if kept:
            why = "the channel was closed" if self._closing else f"none was ready within {WARM_SECONDS:g} s"
            raise RotationFailed(f"{kept} of {len(self.members)} connections could not be replaced: {why}")

    def _note(self, *, replaced: bool) -> None:
        self.counts.rotated += replaced
        self.counts.not_rotated += not replaced

    async def _keep(self) -> None:
        """Replace members that are too old, as long as calls may come to them."""
        while True:
            place, due = next_due([one.ends for one in self.members])
            now = self.now()
            if now < due or not self._is_on():
                await self._sleep(min(due - now, TICK_SECONDS) if now < due else TICK_SECONDS)
                continue
            old = self.members[place]
            replaced = await self._replace(old, SwitchReason.AGE)
            self._note(replaced=replaced)
            if not replaced:
                old.ends = self.now() + WARM_SECONDS

    def _resize(self, size: int) -> None:
        now = self.now()
        while len(self.members) > size:
            self.counts.switched[SwitchReason.RESIZED] += 1
            self._retire(self.members.pop())
        while len(self.members) < size:
            self.members.append(self._new(now))
        self._poke()

    def _age_anew(self) -> None:
        """The greatest age is another one."""
        now, together = self.now(), len(self.members)
        for place, one in enumerate(self.members):
            one.ends = now + lifetime_seconds(
                self.config.max_age_seconds, self.rng, place=place, together=together
            )

    async def _end_all(self) -> None:
        """End what runs, and close every connection."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        # No await before each is told to: a caller who is cancelled here leaves nothing open.
        closing = [
            Context().run(self._loop.create_task, member.close())
            for member in (*self.members, *self.draining, *self._making)
        ]
        await asyncio.wait([*tasks, *closing])
