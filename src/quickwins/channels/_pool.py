"""The members of a channel, the calls that go to them, and what is done with them.

All that changes a pool runs on its event loop and between two awaits: a call is given to a member and counted there in one
step, and a member is taken out of the pool before anything closes it. So no call meets a closing connection.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from quickwins.channels._core.budget import RetryBudget
from quickwins.channels._core.health import Sign, Verdict, judge
from quickwins.channels._core.picker import Picker
from quickwins.channels._core.retry import CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE, RetryRule
from quickwins.channels._core.rotation import lifetime_seconds, next_due
from quickwins.channels._member import Member
from quickwins.channels._native import OK
from quickwins.channels.config import Pick
from quickwins.channels.errors import RotationFailed
from quickwins.channels.stats import SwitchReason
from quickwins.core.events import CONNECTION_SWITCHED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine
    from random import Random

    from quickwins.channels._attempt import Attempt
    from quickwins.channels._core.picker import Readiness
    from quickwins.channels._counts import Counts
    from quickwins.channels._native import Outcome
    from quickwins.channels.config import PoolConfig
    from quickwins.core.clock import Clock
    from quickwins.core.events import Reporter

WARM_SECONDS = 10.0
"""How long a new connection may take before the old one is kept, over all tries."""

WARM_TRIES = 2

PATIENCE_SECONDS = 1.0
"""How long the next replacement waits for the last one's calls, so that connections don't add up while short calls run."""

TICK_SECONDS = 1.0
"""How often ages are looked at, at the least: settings may change meanwhile."""


class Pending(Protocol):
    """A call that waits for a connection, or for its next attempt."""

    @property
    def is_held(self) -> bool:
        """Whether it is for a connection."""
        ...

    def look_again(self) -> None:
        """Some connection has changed."""
        ...

    def cancel(self) -> bool:
        """The channel closes."""
        ...


class Pool:
    """Members to one target. Belongs to one event loop.

    Attributes:
        members: Those that calls go to.
        draining: Replaced ones, the oldest first.
        inflight: Calls on either.
        pending: Calls that wait for a connection, or for their next attempt.
        counts: The channel's.
        picker: Chooses among them.
        chance: What it draws with, if it draws.
        retries: Whether calls are tried again.
    """

    def __init__(
        self,
        make: Callable[[], Any],
        config: PoolConfig,
        *,
        size: int,
        alone: bool,
        counts: Counts,
        numbers: Callable[[], int],
        clock: Clock,
        rng: Random,
        reporter: Reporter,
    ) -> None:
        """Make the members; they begin to connect.

        Args:
            make: Makes a native channel with a connection of its own.
            config: What holds.
            size: How many members.
            alone: There is one member that does everything by itself: gRPC retries and ejects, and we don't.
            counts: Where to count.
            numbers: Gives each connection its number.
            clock: For ages, ejections and deadlines; must run as the event loop's does.
            rng: For jitter, and for one of two choices.
            reporter: For events.
        """
        self._make = make
        self._alone = alone
        self._numbers = numbers
        self.now = clock.monotonic
        self._sleep = clock.sleep
        self.rng = rng
        self._reporter = reporter
        self._loop = asyncio.get_running_loop()
        self.counts = counts
        self.config = config
        self.rule = _rule(config)
        self.budget = RetryBudget(config.retry_budget_ratio)
        self.retries = not alone and config.max_attempts > 1
        self.chance = _chance(config, rng)
        self.picker = Picker()
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._making: set[Member] = set()
        self._watching = False
        self._poked: asyncio.Future[None] | None = None
        self._rested: asyncio.Future[None] | None = None
        self._reconnecting = False
        self._closing = False
        self.inflight = 0
        self.pending: dict[Pending, None] = {}
        self.draining: list[Member] = []
        now = self.now()
        self.members = [self._new(now, place, size) for place in range(size)]
        self.spawn(self._keep())

    # -- Calls.

    def pick(self, now: float, avoid: Collection[Member] = ()) -> tuple[Member, Readiness]:
        """The member for a call, and what it is good for."""
        return self.picker.pick(self.members, Member.look, now, avoid, self.chance)

    def enter(self, member: Member) -> None:
        """A call is on `member`."""
        member.inflight += 1
        self.inflight += 1
        if member.health.out_until is not None:
            member.health.begin()

    def give_back(self, member: Member) -> None:
        """The call on `member` has not come about."""
        member.inflight -= 1
        member.health.probing = False
        self.inflight -= 1

    def landed(self, attempt: Attempt, outcome: Outcome) -> None:
        """A call on a member has ended: give its place back, and draw the conclusions."""
        self.inflight -= 1
        member = attempt.member
        member.inflight -= 1
        if member.draining:
            member.left()
        if self._rested is not None:
            self._rest()
        health = member.health
        if outcome is OK and health.silent == 0 and health.out_until is None:
            return
        if member.draining or self._alone:
            return
        sign = _sign(attempt, outcome)
        health.note(sign)
        if sign is not Sign.SILENT:
            return
        verdict = judge(health, [one.health for one in self.members], eject_after=self.config.eject_after)
        if verdict is Verdict.EJECT:
            self._eject(member)
        elif verdict is Verdict.RECONNECT_ALL and not self._reconnecting and not self._closing:
            self._reconnecting = True
            self.spawn(self._reconnect_all())

    def hold(self, call: Pending) -> None:
        """Have `call` look again at each change of a connection, as long as it is pending."""
        self.pending[call] = None
        if not self._watching:
            self._watching = True
            self.spawn(self._watch())

    def forget(self, call: Pending) -> None:
        """`call` is no longer pending."""
        self.pending.pop(call, None)
        self._rest()

    async def _watch(self) -> None:
        """Let calls that wait for a connection look again, until there are none."""
        try:
            while any(call.is_held for call in self.pending):
                poked = self._poked = self._loop.create_future()
                # The watches first, then the look, so that no change is between the two.
                changes: set[asyncio.Future[None]] = {poked, *(one.changed() for one in self.members)}
                for call in [call for call in self.pending if call.is_held]:
                    call.look_again()
                if any(call.is_held for call in self.pending):
                    await asyncio.wait(changes, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._watching = False

    def _poke(self) -> None:
        if self._poked is not None and not self._poked.done():
            self._poked.set_result(None)

    def _rest(self) -> None:
        if self._rested is not None and not self.inflight and not self.pending and not self._rested.done():
            self._rested.set_result(None)

    # -- Members.

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
        if len(self.draining) > 2 * max(len(self.members), 1):
            self.draining[0].hurry.set()
        return self.spawn(self._end(old))

    async def _end(self, old: Member) -> None:
        began = self.now()
        await old.drain(self.config.drain_seconds)
        await old.close()
        self.draining.remove(old)
        self.counts.drains.observe(self.now() - began)

    def _eject(self, member: Member) -> None:
        """A new connection at once, which nobody is sent to but a probe, later."""
        now = self.now()
        new = self._new(now)
        new.health.out_until = now + self.config.ejection_seconds
        self.counts.ejections += 1
        self._put(member, new, SwitchReason.EJECTED)
        self._loop.call_soon(self._report, member.number, SwitchReason.EJECTED)

    def _report(self, number: int, reason: SwitchReason) -> None:
        self._reporter.report(CONNECTION_SWITCHED, member=str(number), reason=str(reason))

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

    async def _reconnect_all(self) -> None:
        """Each gets a new connection, one after another, since nothing comes back from any."""
        try:
            for member in tuple(self.members):
                if await self._replace(member, SwitchReason.SILENT):
                    self._report(member.number, SwitchReason.SILENT)
        finally:
            self._reconnecting = False

    async def _keep(self) -> None:
        """Replace members that are too old."""
        while True:
            place, due = next_due([one.ends for one in self.members])
            now = self.now()
            if now < due:
                await self._sleep(min(due - now, TICK_SECONDS))
                continue
            old = self.members[place]
            replaced = await self._replace(old, SwitchReason.AGE)
            self._note(replaced=replaced)
            if not replaced:
                old.ends = self.now() + WARM_SECONDS

    def reconfigure(self, config: PoolConfig, size: int) -> None:
        """Follow another configuration. Calls go on where they are."""
        aged = config.max_age_seconds != self.config.max_age_seconds
        self.config = config
        self.rule = _rule(config)
        self.retries = not self._alone and config.max_attempts > 1
        self.chance = _chance(config, self.rng)
        self.budget.reconfigure(config.retry_budget_ratio)
        now = self.now()
        if aged:
            for place, one in enumerate(self.members):
                one.ends = now + lifetime_seconds(
                    config.max_age_seconds, self.rng, place=place, together=len(self.members)
                )
        while len(self.members) > size:
            self.counts.switched[SwitchReason.RESIZED] += 1
            self._retire(self.members.pop())
        while len(self.members) < size:
            self.members.append(self._new(now))
        self._poke()

    # -- The end.

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work`, which `close` ends and awaits."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self, grace: float | None) -> None:
        """Let calls end for `grace` seconds, then cancel them and close all connections."""
        self._closing = True
        try:
            if grace and (self.inflight or self.pending):
                self._rested = self._loop.create_future()
                await asyncio.wait({self._rested}, timeout=grace)
        finally:
            for call in tuple(self.pending):
                call.cancel()
            tasks = tuple(self._tasks)
            for task in tasks:
                task.cancel()
            # No await before each is told to: a caller who is cancelled here leaves nothing open.
            closing = [
                self._loop.create_task(member.close())
                for member in (*self.members, *self.draining, *self._making)
            ]
            await asyncio.wait([*tasks, *closing])


def _chance(config: PoolConfig, rng: Random) -> Random | None:
    return rng if config.pick is Pick.LEAST_INFLIGHT else None


def _rule(config: PoolConfig) -> RetryRule:
    return RetryRule(
        config.max_attempts,
        config.backoff_base_seconds,
        config.backoff_max_seconds,
        config.max_pushback_seconds,
    )


def _sign(attempt: Attempt, outcome: Outcome) -> Sign:
    """What the end of an attempt says of its connection."""
    code = outcome.code
    if outcome.here or code == CANCELLED:
        return Sign.NOTHING
    if code == DEADLINE_EXCEEDED:
        return Sign.SILENT if attempt.telling and not attempt.method.streams_answers else Sign.NOTHING
    if code == UNAVAILABLE and not outcome.trailers:
        return Sign.SILENT if attempt.telling else Sign.NOTHING
    return Sign.ANSWERED
