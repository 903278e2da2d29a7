"""The loop behind `Runner.apply`: look, do the first thing that is left, look again.

No position is remembered, so whatever happens in between, the next look says what is left: a killed runner, a lost
session, somebody else's build. Whoever leaves this early, by an exception, Ctrl-C or `break`, has the statement cancelled
on the server first and its remains removed.
"""

from __future__ import annotations

from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import asyncpg

from quickwins.core.errors import QuickWinsError
from quickwins.core.events import INDEX_SESSION_TERMINATED
from quickwins.indexes._cleaning import leftovers, maybe_left
from quickwins.indexes._core.actions import Do
from quickwins.indexes._core.bar import Bar, Look, remaining_seconds
from quickwins.indexes._core.facts import Holding
from quickwins.indexes._core.past import State
from quickwins.indexes._core.preconditions import Precondition
from quickwins.indexes._core.summary import plan_of
from quickwins.indexes._server import history
from quickwins.indexes._server.explain import plans
from quickwins.indexes._server.gather import Gatherer
from quickwins.indexes._server.work import LOOK_SECONDS, OutOfPatience, Seen
from quickwins.indexes.connecting import LOST, ended
from quickwins.indexes.errors import Blocked, BuildFailed, MigrationError
from quickwins.indexes.progress import Progress

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from random import Random

    from quickwins.core.clock import Clock
    from quickwins.core.events import Reporter
    from quickwins.indexes._core.actions import Action
    from quickwins.indexes._core.facts import Holder
    from quickwins.indexes._core.summary import Plan, Rules
    from quickwins.indexes._gauges import Gauges
    from quickwins.indexes._server.work import Sessions
    from quickwins.indexes.migration import Migration

LOCK = 0x717769_6478
"""The advisory lock of this database's runners: "qwidx"."""
BRIEF_MILLISECONDS = 500
"""How long a statement that locks a table may stand in line: all that come behind it wait as well."""
DEADLOCKS = 3
"""After so many deadlocks somebody else's tool does not give way."""
REOPEN_SECONDS = 30.0
"""How long a server that went away may take to come back, before what is left there is only said."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, and whom to make leave.

    Attributes:
        max_wait_seconds: For other runners, for what is in the way, and for those who hold a statement up: each so long.
        terminate: Applications whose sessions are terminated when they hold a statement up.
    """

    max_wait_seconds: float
    terminate: frozenset[str]


class Application:
    """One run of a migration, or of its rollback. Belongs to one task.

    Attributes:
        debris: What is left on the server, each with the command that removes it.
        step: The action that runs, from 1.
    """

    def __init__(
        self,
        sessions: Sessions,
        migration: Migration,
        rules: Rules,
        patience: Patience,
        *,
        rollback: bool,
        clock: Clock,
        rng: Random,
        reporter: Reporter,
        gauges: Gauges,
    ) -> None:
        self._sessions = sessions
        self._migration = migration
        self._rules = rules
        self._patience = patience
        self._rollback = rollback
        self._clock = clock
        self._rng = rng
        self._reporter = reporter
        self._gauges = gauges
        self._gatherer = Gatherer(migration, rollback=rollback)
        self.debris: tuple[str, ...] = ()
        self.step = 0
        self._deadlocks = 0
        self._done: set[Action] = set()
        """The actions that were done: if one were still to do, because somebody undoes it, this would never end."""

    async def run(self) -> AsyncGenerator[Progress, None]:
        """Do what is left to do.

        Raises:
            MigrationError: The migration is refused: nothing has been changed.
            Blocked: Something was in the way for too long: nothing is left behind.
            BuildFailed: A statement failed, or somebody has changed the table meanwhile; its `debris` says what is left behind.
        """
        async with aclosing(self._lock()) as waiting:
            async for progress in waiting:
                yield progress
        while not (plan := await self._look()).nothing_to_do:
            if plan.refusals:
                refused = "\n".join(f"{self._migration.path}: {one}" for one in plan.refusals)
                if self.step:  # the file was good: somebody has changed the table since
                    raise BuildFailed(f"changed meanwhile, after step {self.step}: {refused}")
                raise MigrationError(refused)
            if plan.obstacles:
                async with aclosing(self._wait_for_obstacles(plan)) as waiting:
                    async for progress in waiting:
                        yield progress
                continue  # what was in the way may have done some of the work
            if self.step == 0:
                await self._begin()
            first = plan.actions[0]
            if first in self._done:
                raise BuildFailed(f"{first}: it was done, and is still to do")
            self.step += 1
            async with aclosing(self._perform(first)) as work:
                async for progress in work:
                    yield progress
        await self._end()

    async def _look(self) -> Plan:
        deadline = self._clock.monotonic() + self._patience.max_wait_seconds
        while True:
            try:
                facts = await self._gatherer.read(self._sessions.main)
                break
            except Blocked:
                if self._clock.monotonic() >= deadline:
                    raise
            await self._clock.sleep(LOOK_SECONDS)
        wall = self._clock.wall()
        plan = plan_of(
            self._migration,
            facts,
            self._rules,
            rollback=self._rollback,
            wall=wall,
            now_text=f"{datetime.fromtimestamp(wall, UTC):%H:%M} UTC",
        )
        self._gauges.looked(facts)
        return plan

    async def _lock(self) -> AsyncGenerator[Progress, None]:
        """Keep other runners out: asked again and again, since a session that waits for it would deadlock with their build."""
        deadline = self._clock.monotonic() + self._patience.max_wait_seconds
        while not await self._sessions.main.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
            if self._clock.monotonic() >= deadline:
                raise Blocked("another runner is at work on this database", reason=Precondition.RUNNER)
            yield self._progress("waiting for another runner")
            await self._clock.sleep(LOOK_SECONDS * (0.5 + self._rng.random()))

    async def _wait_for_obstacles(self, plan: Plan) -> AsyncGenerator[Progress, None]:
        deadline = self._clock.monotonic() + self._patience.max_wait_seconds
        while plan.obstacles:
            lasting = [one for one in plan.obstacles if one.holder is None]
            if lasting or self._clock.monotonic() >= deadline:
                first = (lasting or plan.obstacles)[0]
                waited = "" if lasting else f"waited {self._patience.max_wait_seconds:g} s for "
                shown = "\n".join(map(str, plan.obstacles))
                raise Blocked(f"{waited}{shown}", reason=first.precondition)
            holders = tuple(one.holder for one in plan.obstacles if one.holder is not None)
            await self._held(holders)
            names = tuple(map(str, holders))
            yield replace(self._progress("waiting to begin"), blockers=names)
            await self._clock.sleep(LOOK_SECONDS)
            plan = await self._look()

    async def _begin(self) -> None:
        """Before the first change: the history, and what the queries cost without it."""
        main = self._sessions.main
        self._gauges.state(self._migration.name, "running")
        await history.make(main)
        planned = await plans(main, self._migration.checks)
        await self._record(
            State.STARTED, evidence={name: {"cost": one.cost} for name, one in planned.items()}
        )

    async def _end(self) -> None:
        past = await history.past(self._sessions.main, self._migration.name)
        if self._rollback:
            if self.step or past.digest:
                await self._record(State.ROLLED_BACK)
            self._gauges.state(self._migration.name, "not applied")
            return
        if past.digest != self._migration.digest:
            await history.make(self._sessions.main)
            planned = await plans(self._sessions.main, self._migration.checks)
            evidence = {name: {"cost": one.cost, "indexes": one.indexes} for name, one in planned.items()}
            await self._record(State.APPLIED, evidence=evidence)
        self._gauges.state(self._migration.name, "applied")

    async def _record(
        self, state: State, action: Action | None = None, evidence: dict[str, Any] | None = None
    ) -> None:
        migration = self._migration
        index, statement = (str(action.index), action.sql) if action is not None else ("", "")
        if state is State.REINDEXED and action is not None:
            statement = next(one.text for one in migration.statements if one.line == action.line)
        await history.add(
            self._sessions.main,
            migration.name,
            migration.digest,
            state,
            index=index,
            statement=statement,
            evidence=evidence,
        )

    async def _perform(self, action: Action) -> AsyncGenerator[Progress, None]:
        began = self._clock.monotonic()
        drops = action.do is Do.DROP or action.sql.startswith("DROP ")
        makes = action.do is Do.BUILD or action.sql.startswith("CREATE ")
        if makes or drops:
            await self._record(State.BUILDING if makes else State.DROPPING, action)
        try:
            work = (
                self._adopt(action)
                if action.do in {Do.ADOPT, Do.CANCEL}
                else self._brief(action)
                if action.do is Do.BRIEF
                else self._watched(action)
            )
            async with aclosing(work) as looks:
                async for progress in looks:
                    yield progress
        except (OutOfPatience, asyncpg.PostgresError, *LOST) as error:
            if ended(error):
                self._sessions.main.terminate()
            await self._clean(action)
            self._deadlocks += isinstance(error, asyncpg.DeadlockDetectedError)
            if (
                isinstance(error, asyncpg.DeadlockDetectedError)
                and self._deadlocks < DEADLOCKS
                and not self.debris
            ):
                return  # the next look says what is left to do
            raise await self._failure(action, error) from error
        except BaseException:
            self._gauges.state(self._migration.name, "failed")
            await self._clean(action)
            raise
        self._done.add(action)
        evidence = {"seconds": round(self._clock.monotonic() - began, 3)}
        if makes or drops or action.do is Do.REINDEX:
            done = State.BUILT if makes else State.DROPPED if drops else State.REINDEXED
            await self._record(done, action, evidence)
        if action.do is Do.ANALYZE:
            await self._record(State.ANALYZED, action, evidence)
        yield self._progress(str(action), action, ratio=1.0)

    async def _failure(self, action: Action, error: Exception) -> Exception:
        self._gauges.state(self._migration.name, "failed")
        with suppress(*LOST, asyncpg.PostgresError):
            await self._record(State.FAILED, action, {"error": str(error)[:500]})
        if isinstance(error, OutOfPatience):
            names = "\n".join(map(str, error.blockers))
            said = f"{action.sql}: held up for {error.waited_seconds:.0f} s, and cancelled, by\n{names}"
            if self.debris:
                return BuildFailed(said, debris=self.debris)
            held_by = (
                Precondition.PREPARED
                if any(one.holding is Holding.PREPARED for one in error.blockers)
                else Precondition.LOCKS
            )
            return Blocked(said, reason=held_by)
        said = f"{action.sql}: {type(error).__name__}: {error}"
        if isinstance(error, asyncpg.UniqueViolationError):
            said = f"{action.sql}: there are duplicates: {error.detail or error}"
        return BuildFailed(said, debris=self.debris)

    async def _watched(self, action: Action) -> AsyncGenerator[Progress, None]:
        bar = Bar()
        oid = await self._sessions.main.fetchval("SELECT coalesce(to_regclass($1)::oid, 0)", action.table.sql)
        running = self._sessions.run(
            action.sql, table_oid=oid, patience_seconds=self._patience.max_wait_seconds, held=self._held
        )
        async with aclosing(running) as looks:
            async for seen in looks:
                yield self._seen(action, seen, bar.moved(seen.look))

    async def _brief(self, action: Action) -> AsyncGenerator[Progress, None]:
        """A statement that locks others out: with a short time-out, at times that nobody else keeps."""
        main = self._sessions.main
        deadline = self._clock.monotonic() + self._patience.max_wait_seconds
        while True:
            try:
                await main.execute(f"SET lock_timeout = {BRIEF_MILLISECONDS}")
                await main.execute(action.sql)
            except asyncpg.LockNotAvailableError as error:
                if self._clock.monotonic() >= deadline:
                    raise OutOfPatience((), self._patience.max_wait_seconds) from error
                yield self._progress("waiting for a moment when the table is free", action)
                await self._clock.sleep(BRIEF_MILLISECONDS / 1000 * (0.5 + self._rng.random()))
            else:
                return
            finally:
                if not main.is_closed():
                    await main.execute("SET lock_timeout = 0")

    async def _adopt(self, action: Action) -> AsyncGenerator[Progress, None]:
        """Wait until somebody else's build of our index ends, or end it."""
        bar, began = Bar(), self._clock.monotonic()
        last, waited = began, 0.0
        if action.do is Do.CANCEL:
            await self._sessions.main.execute(f"SELECT pg_cancel_backend({action.pid})")
        while (found := await self._sessions.look(action.pid, 0)) is None or found[0].phase:
            now = self._clock.monotonic()
            look, holding = found if found is not None else (Look(), ())
            waited += now - last if holding or found is None else 0.0
            last = now
            if waited >= self._patience.max_wait_seconds:
                raise OutOfPatience(holding, waited)
            if holding:
                await self._held(holding)
            yield self._seen(action, Seen(look, holding, waited, now - began), bar.moved(look))
            await self._clock.sleep(LOOK_SECONDS)

    async def _held(self, holders: Sequence[Holder]) -> None:
        """Terminate those who hold us up, if that is what was asked for, and say so."""
        for one in holders:
            if one.pid and one.application in self._patience.terminate:
                self._reporter.report(
                    INDEX_SESSION_TERMINATED,
                    pid=one.pid,
                    application=one.application,
                    age_seconds=round(one.age_seconds, 1),
                )
                with suppress(*LOST, asyncpg.PostgresError, QuickWinsError):
                    await self._sessions.tell(f"SELECT pg_terminate_backend({one.pid})")

    async def _clean(self, action: Action) -> None:
        """Remove what the action has left; what cannot be removed goes to `debris`, with the command that removes it."""
        if action.do in {Do.ADOPT, Do.CANCEL, Do.ANALYZE, Do.BRIEF}:
            return
        self.debris = (maybe_left(action),)  # what is true when this, too, is cancelled
        self.debris = await leftovers(
            self._sessions,
            action,
            patience_seconds=self._patience.max_wait_seconds,
            reopen_seconds=REOPEN_SECONDS,
            lock=LOCK,
        )

    def _progress(self, phase: str, action: Action | None = None, *, ratio: float = 0.0) -> Progress:
        self._gauges.moved(phase="", ratio=ratio, lockers=0)
        shown, index = (str(action), str(action.index)) if action is not None else (phase, "")
        return Progress(
            self._migration.name, self.step, shown, index, phase="" if ratio else phase, ratio=ratio
        )

    def _seen(self, action: Action, seen: Seen, ratio: float) -> Progress:
        look = seen.look
        self._gauges.moved(phase=look.phase, ratio=ratio, lockers=len(seen.blockers))
        return Progress(
            migration=self._migration.name,
            step=self.step,
            action=str(action),
            index=str(action.index),
            phase=look.phase,
            ratio=ratio,
            blocks_done=min(look.blocks_done, look.blocks_total),
            blocks_total=look.blocks_total,
            tuples_done=min(look.tuples_done, look.tuples_total),
            tuples_total=look.tuples_total,
            lockers_done=min(look.lockers_done, look.lockers_total),
            lockers_total=look.lockers_total,
            blockers=tuple(map(str, seen.blockers)),
            waited_seconds=seen.waited_seconds,
            elapsed_seconds=seen.elapsed_seconds,
            eta_seconds=remaining_seconds(ratio, seen.elapsed_seconds - seen.waited_seconds),
        )
