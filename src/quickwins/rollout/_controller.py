"""The shell: leads, looks, asks the core, keeps what it decided, writes the flag."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from quickwins.core.clock import SystemClock
from quickwins.core.events import ROLLOUT_MOVED, ROLLOUT_PAGE, Reporter
from quickwins.core.metrics import Metrics
from quickwins.rollout._audit import ASKED, QUIET_SECONDS, line_of
from quickwins.rollout._core.decide import back, decide
from quickwins.rollout._core.facts import Facts, Looks, Reading
from quickwins.rollout._core.state import (
    Phase,
    Reason,
    State,
    Verdict,
    Write,
    begun,
    outdated,
    settled,
    withdrawn,
)
from quickwins.rollout._flag import write_flag
from quickwins.rollout._look import Look, look_of
from quickwins.rollout.errors import RolloutBlocked, RolloutReason
from quickwins.rollout.metrics import LEADER, PERCENT, ROLLBACKS, UNCONFIRMED, VERDICTS
from quickwins.rollout.stores.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry

    from quickwins.core.audit import AuditLog
    from quickwins.core.clock import Clock
    from quickwins.rollout._core.decide import Decision
    from quickwins.rollout._flag import Writer
    from quickwins.rollout.plan import Plan
    from quickwins.rollout.sources.reading import FactSource
    from quickwins.rollout.stores.record import Store

ABORT = "abort"
LEASE_SECONDS = 10.0
SHOWN = frozenset({Reason.BURST, Reason.CASCADE, Reason.ERRORS, Reason.LATENCY})
"""What requests show, whoever looks. A percentage that others have set, or a target that can't be reached, may be known better
by a controller that reaches the store."""
READ_SECONDS = 8.0
"""A source that takes longer has nothing to say."""


class RolloutController:
    """Moves one flag's percentage up through gates, and back to 0. Belongs to one event loop.

    Any number of controllers may run for one feature: one has the lease and decides, the others wait for it to end.
    """

    def __init__(
        self,
        source: FactSource,
        writer: Writer,
        store: Store,
        *,
        feature: str,
        audit: AuditLog | None = None,
        holder: str = "",
        service: str = "",
        registry: CollectorRegistry | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Nothing happens yet.

        Args:
            source: Where to look.
            writer: Writes the flag; it may block.
            store: Where the ramp is kept.
            feature: Whose flag.
            audit: Where each decision is recorded; `None`: nowhere.
            holder: The name of this controller; empty: of the machine and the process.
            service: On its series and events.
            registry: For its series; the default registry when `None`.
            clock: For timestamps, deadlines and waiting; the system's when `None`.
        """
        self._source = source
        self._writer = writer
        self._store = store
        self._clock = SystemClock() if clock is None else clock
        self._feature = feature
        self._audit = audit
        self._holder = holder or f"{socket.gethostname()}:{os.getpid()}"
        self._metrics = Metrics(registry=registry, service=service)
        self._reporter = Reporter(service=service, registry=registry)
        self._looks = Looks()
        self._known: State | None = None  # as it was when this controller last led
        self._told: tuple[object, ...] = ()
        self._told_at = 0.0
        self._paged: tuple[Reason | None, float] = (None, 0.0)

    def __repr__(self) -> str:
        return f"<RolloutController of {self._feature} as {self._holder}>"

    async def start(self, plan: Plan) -> None:
        """Begin a ramp by `plan`, which holds until its end whatever becomes of the file it came from.

        Raises:
            RolloutBlocked: There is one already, or another one of its group.
        """
        now = self._clock.wall()
        async with self._store.exclusive(self._feature) as held:
            if held.record is not None and (held.record.state.active or held.record.state.intent is not None):
                raise RolloutBlocked(
                    f"{self._feature}: {_where(held.record.state)}", reason=RolloutReason.RUNNING
                )
            for name, other in held.others.items():
                if plan.group and other.active and other.plan.group == plan.group:
                    raise RolloutBlocked(
                        f"{self._feature}: {name} ramps already, and both are of the group {plan.group!r}",
                        reason=RolloutReason.GROUP,
                    )
            state = begun(self._feature, plan, now)
            old = held.record
            await held.put(
                Record(state) if old is None else replace(old, state=state, version=old.version + 1)
            )
        self._asked("start")

    async def status(self) -> State | None:
        """Where the ramp stands; `None`: there never was one."""
        async with self._store.exclusive(self._feature) as held:
            return None if held.record is None else held.record.state

    async def approve(self) -> State:
        """A person says yes to the next step, for once.

        Raises:
            RolloutBlocked: There is no ramp under way, or it is on its way back.
        """
        return await self._changed("approve", lambda state: replace(state, approved=state.step + 1))

    async def pause(self) -> State:
        """Stay at this percentage; harm takes it back all the same.

        Raises:
            RolloutBlocked: There is no ramp under way, or it is on its way back.
        """
        return await self._changed("pause", lambda state: replace(state, paused=True))

    async def resume(self) -> State:
        """Go on after `pause`.

        Raises:
            RolloutBlocked: There is no ramp under way, or it is on its way back.
        """
        return await self._changed("resume", lambda state: replace(state, paused=False))

    async def abort(self, *, unseen: bool = False) -> State:
        """Take it back now: the flag is written here, whether a controller runs or not, and whether the store can be used or not.

        Args:
            unseen: End it for good, too: nobody waits for every target to show 0. For targets that are gone.

        Raises:
            RolloutBlocked: There is no ramp under way; or the store is in use for too long, and the flag is off all the same.
            OSError: The store can't be used; the flag is off all the same.
            ConfigError: The flag can't be written; the ramp is on its way back all the same.
        """
        now = self._clock.wall()
        try:
            state = await self._changed(
                ABORT, lambda state: back(state, Reason.ABORTED, "by a person", now).state
            )
            async with self._store.exclusive(self._feature) as held:
                if held.record is not None and held.record.state.phase is Phase.ROLLING_BACK:
                    await self._write(held.record.state, now)
                    state = settled(held.record.state, now)
                    if unseen:
                        state = replace(state, phase=Phase.ROLLED_BACK)
                    await held.put(held.record.with_state(state))
        except Exception as error:  # whatever a store raises: off is safe
            if not (isinstance(error, RolloutBlocked) and error.reason is RolloutReason.NOT_RUNNING):
                await self._off(now)
            raise
        return state

    async def run(self) -> Look:
        """Look until the ramp is over; what it came to. A failed look is reported, and the next one follows."""
        while True:
            interval = 1.0
            try:
                look = await self.tick()
                state = await self.status()
            except Exception as error:  # noqa: BLE001 -- a store may be anybody's, and the next look must follow; until=never
                self._page(Reason.NO_DATA, f"{type(error).__name__}: {error}")
            else:
                if state is None or not (state.active or state.intent is not None):
                    return look
                interval = state.plan.interval
            await self._clock.sleep(interval)

    async def preview(self) -> Decision | None:
        """Look once and decide, as `tick` would, and keep and write nothing; `None`: there is nothing to decide.

        The first look has nothing to compare with: call it twice, some seconds apart.
        """
        state = await self.status()
        if state is None or not state.active:
            return None
        return decide(state, await self._facts(), self._clock.wall())

    async def tick(self) -> Look:
        """Look once, decide, and write what follows.

        Raises:
            ConfigError: What was decided can't be written, or the store is no store.
            RolloutBlocked: The store is in use for too long.
            OSError: The store can't be used.
        """
        now = self._clock.wall()
        try:
            record = await self._lead(now)
        except Exception:
            await self._watch()
            raise
        self._known = None if record is None else record.state
        if record is None:
            return Look(leads=False)
        self._metrics.gauge(LEADER, feature=self._feature).set(1)
        if record.state.intent is not None:  # somebody died between deciding and writing, or the write failed
            return look_of(await self._perform(record), None)
        if not record.state.active:
            return look_of(record.state, None)
        facts = Facts() if record.state.aborted else await self._facts()
        now = self._clock.wall()
        decision = decide(record.state, facts, now)
        kept = await self._kept(record, decision)
        if kept is None:
            return Look(leads=False)
        state = kept.state if kept.state.intent is None else await self._perform(kept)
        self._tell(record.state, facts, now, decision)
        return look_of(state, decision)

    async def _lead(self, now: float) -> Record | None:
        """The ramp, when this controller may decide about it."""
        async with self._store.exclusive(self._feature) as held:
            if held.record is None:
                return None
            led = held.record.led_by(self._holder, now, LEASE_SECONDS)
            if led is None:
                self._metrics.gauge(LEADER, feature=self._feature).set(0)
                return None
            if led.token != held.record.token or held.record.until - now < LEASE_SECONDS / 2:
                await held.put(led)
            return led

    async def _watch(self) -> None:
        """Look while the store can't be used: requests that show harm turn the flag off, and nothing else is done."""
        if self._known is None or self._known.phase is not Phase.RAMPING:
            return
        decision = decide(self._known, await self._facts(), self._clock.wall())
        if decision.reason in SHOWN:
            await self._off(self._clock.wall())
        if decision.verdict is not Verdict.PASS:
            self._known = replace(decision.state, intent=None)

    async def _facts(self) -> Facts:
        now = self._clock.wall()
        try:
            async with asyncio.timeout(READ_SECONDS):
                reading = await self._source.read(self._feature, now)
        except Exception as error:  # noqa: BLE001 -- a source may be a user's own; until=never
            reading = Reading(problems=(f"{type(error).__name__} from the source",))
        self._looks, facts = self._looks.then(reading, self._clock.wall())
        return facts

    async def _kept(self, seen: Record, decision: Decision) -> Record | None:
        """The record with what was decided; `None`: somebody else has changed it since."""
        try:
            async with self._store.exclusive(self._feature) as held:
                current = held.record
                if current is None or (current.version, current.token) != (seen.version, seen.token):
                    return None
                kept = current.with_state(decision.state)
                await held.put(kept)
                return kept
        except Exception:
            if decision.verdict is Verdict.FAIL:
                await self._off(self._clock.wall())
            raise

    async def _perform(self, decided: Record) -> State:
        """Write what `decided` intends, unless that is outdated or somebody has changed it since; nobody can while it is written."""
        async with self._store.exclusive(self._feature) as held:
            current = held.record
            if current is None:
                return decided.state
            if (current.version, current.token) != (decided.version, decided.token):
                return current.state
            now = self._clock.wall()
            if outdated(current.state, now):
                state = withdrawn(current.state)
            else:
                await self._write(current.state, now)
                state = settled(current.state, now)
            await held.put(current.with_state(state))
        self._metrics.gauge(PERCENT, feature=self._feature).set(state.percent)
        return state

    async def _write(self, state: State, now: float) -> None:
        write = state.intent or Write(0.0, -1, lasts=True)
        kill = state.phase is Phase.ROLLING_BACK
        await write_flag(self._writer, self._feature, write, now=now, ttl=state.plan.ttl, kill=kill)

    async def _off(self, now: float) -> None:
        """Kill the flag, which is safe, and needs no store."""
        write = Write(0.0, -1, lasts=True)
        await write_flag(self._writer, self._feature, write, now=now, ttl=0.0, kill=True)

    async def _changed(self, what: str, change: Callable[[State], State]) -> State:
        async with self._store.exclusive(self._feature) as held:
            if held.record is None or not held.record.state.active:
                raise RolloutBlocked(
                    f"{self._feature}: no ramp is under way", reason=RolloutReason.NOT_RUNNING
                )
            if what != ABORT and held.record.state.phase is Phase.ROLLING_BACK:
                raise RolloutBlocked(
                    f"{self._feature}: {_where(held.record.state)}", reason=RolloutReason.RUNNING
                )
            state = change(held.record.state)
            await held.put(held.record.with_state(state))
        self._asked(what)
        return state

    def _tell(self, before: State, facts: Facts, now: float, decision: Decision) -> None:
        """Count and report, last of all: handlers and files are other people's."""
        after = decision.state
        self._metrics.counter(VERDICTS, feature=self._feature, verdict=decision.verdict).inc()
        self._metrics.gauge(UNCONFIRMED, feature=self._feature).set(not after.confirmed)
        if after.phase is Phase.ROLLING_BACK and before.phase is not Phase.ROLLING_BACK:
            self._metrics.counter(ROLLBACKS, feature=self._feature, reason=decision.reason).inc()
        said = (decision.verdict, decision.reason, after.phase, after.step)
        moved = after.intent is not None and (
            after.intent.step != before.step or after.phase is not before.phase
        )
        if said != self._told or moved or now - self._told_at >= QUIET_SECONDS:
            self._told, self._told_at = said, now
            self._record(line_of(before, facts, now, decision, holder=self._holder))
        if moved and after.intent is not None:
            self._reporter.report(
                ROLLOUT_MOVED,
                feature=self._feature,
                percent=after.intent.percent,
                verdict=str(decision.verdict),
                reason=str(decision.reason),
            )
        if decision.page:
            self._page(decision.reason, decision.detail)

    def _page(self, reason: Reason, detail: str) -> None:
        """Tell a person, once a minute for each reason."""
        now = self._clock.monotonic()
        if self._paged[0] is reason and now - self._paged[1] < QUIET_SECONDS:
            return
        self._paged = reason, now
        self._reporter.report(ROLLOUT_PAGE, feature=self._feature, reason=str(reason), detail=detail)

    def _asked(self, what: str) -> None:
        record = {"at": self._clock.wall(), "event": ASKED, "feature": self._feature, "holder": self._holder}
        self._record({**record, "what": what})

    def _record(self, line: dict[str, object]) -> None:
        if self._audit is not None:
            with suppress(OSError):  # what is decided is done, and the store has it
                self._audit.append(line)


def _where(state: State) -> str:
    if state.phase is Phase.ROLLING_BACK:
        return "its ramp is on its way back, until every target shows 0 to one who runs it"
    return f"a ramp is {state.phase} already"
