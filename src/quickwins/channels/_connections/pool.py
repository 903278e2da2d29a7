"""The calls of a pool: to whom they are given, what their ends say, and those that wait.

All that changes a pool runs on its event loop and between two awaits: a call is given to a member and counted there in one
step.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Any, Protocol

from quickwins.channels._connections.member import Member
from quickwins.channels._connections.members import Members
from quickwins.channels._core.budget import RetryBudget
from quickwins.channels._core.health import Sign, Verdict, judge
from quickwins.channels._core.picker import Picker
from quickwins.channels._core.retry import CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE, RetryRule
from quickwins.channels._native import OK
from quickwins.channels.config import Pick
from quickwins.channels.stats import SwitchReason
from quickwins.core.events import CONNECTION_SWITCHED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from random import Random

    from quickwins.channels._calls.attempt import Attempt
    from quickwins.channels._core.picker import Readiness
    from quickwins.channels._counts import Counts
    from quickwins.channels._native import Outcome
    from quickwins.channels.config import PoolConfig
    from quickwins.core.clock import Clock
    from quickwins.core.events import Reporter


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


class Pool(Members):
    """Members to one target, and the calls on them. Belongs to one event loop.

    Attributes:
        inflight: Calls on members, draining ones included.
        pending: Calls that wait for a connection, or for their next attempt.
        budget: Pays for retries.
        rule: When there is another attempt.
        picker: Chooses among the members.
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
        is_on: Callable[[], bool],
        counts: Counts,
        numbers: Callable[[], int],
        clock: Clock,
        rng: Random,
        reporter: Reporter,
    ) -> None:
        """Make the members, which start connecting.

        Args:
            make: Makes a native channel with a connection of its own.
            config: What holds.
            size: How many members.
            alone: There is one member that does everything by itself: gRPC retries and ejects, and we don't.
            is_on: Whether any call may still come: without, nothing is replaced for its age.
            counts: Where to count.
            numbers: Gives each connection its number.
            clock: For ages, ejections and deadlines; must run as the event loop's does.
            rng: For jitter, and for one of two choices.
            reporter: For events.
        """
        super().__init__(
            make, config, size=size, is_on=is_on, counts=counts, numbers=numbers, clock=clock, rng=rng
        )
        self._alone = alone
        self._reporter = reporter
        self._watching = False
        self._rested: asyncio.Future[None] | None = None
        self._reconnects_from = 0.0
        self.inflight = 0
        self.pending: dict[Pending, None] = {}
        self.picker = Picker()
        self.budget = RetryBudget(config.retry_budget_ratio)
        self._follow(config)

    def _follow(self, config: PoolConfig) -> None:
        self.config = config
        self.rule = RetryRule(
            config.max_attempts,
            config.backoff_base_seconds,
            config.backoff_max_seconds,
            config.max_pushback_seconds,
        )
        self.retries = not self._alone and config.max_attempts > 1
        self.chance = self.rng if config.pick is Pick.LEAST_INFLIGHT else None

    def pick(self, now: float, avoid: Collection[Member] = ()) -> tuple[Member, Readiness]:
        """The member for a call, and what it is good for."""
        return self.picker.pick(self.members, Member.look, now, avoid, self.chance)

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
            self._loop.call_soon(self._rest)
        health = member.health
        if outcome is OK and health.silent == 0 and health.out_until is None:
            return
        if member.draining or self._alone or self._closing:
            return
        sign = _sign(attempt, outcome)
        health.note(sign)
        if sign is not Sign.SILENT:
            return
        verdict = judge(health, [one.health for one in self.members], eject_after=self.config.eject_after)
        if verdict is Verdict.EJECT:
            self._eject(member)
        elif verdict is not Verdict.NOTHING:
            # Servers that refuse everything must not be connected to all the time.
            now, seldom = self.now(), self.config.ejection_seconds
            if verdict is Verdict.RECONNECT and now >= member.spared_until:
                new = self._new(now)
                new.spared_until = now + seldom
                self._put(member, new, SwitchReason.SILENT)
                self._loop.call_soon(self._report, member.number, SwitchReason.SILENT, context=Context())
            elif verdict is Verdict.RECONNECT_ALL and now >= self._reconnects_from:
                self._reconnects_from = now + seldom
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
        if self._rested is not None:
            self._loop.call_soon(self._rest)

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

    def _rest(self) -> None:
        """Whether all is over; asked a turn later, since a call that has left one place may be on its way to another."""
        if self._rested is not None and not self.inflight and not self.pending and not self._rested.done():
            self._rested.set_result(None)

    def _eject(self, member: Member) -> None:
        """A new connection at once, which nobody is sent to but a probe, later."""
        now = self.now()
        new = self._new(now)
        new.health.out_until = now + self.config.ejection_seconds
        self.counts.ejections += 1
        self._put(member, new, SwitchReason.EJECTED)
        self._loop.call_soon(self._report, member.number, SwitchReason.EJECTED, context=Context())

    def _report(self, number: int, reason: SwitchReason) -> None:
        self._reporter.report(CONNECTION_SWITCHED, member=str(number), reason=str(reason))

    async def _reconnect_all(self) -> None:
        """Each gets a new connection, one after another, since nothing comes back from any."""
        for member in tuple(self.members):
            if await self._replace(member, SwitchReason.SILENT):
                self._report(member.number, SwitchReason.SILENT)

    def reconfigure(self, config: PoolConfig, size: int) -> None:
        """Follow another configuration. Calls go on where they are."""
        aged = config.max_age_seconds != self.config.max_age_seconds
        self._follow(config)
        self.budget.reconfigure(config.retry_budget_ratio)
        if aged:
            self._age_anew()
        self._resize(size)

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
            await self._end_all()


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
