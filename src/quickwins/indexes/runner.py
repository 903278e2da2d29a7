"""Runs migrations: plans, applies, watches, verifies, takes back, and audits."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

from quickwins.core.clock import SystemClock
from quickwins.core.dsn import place
from quickwins.core.errors import ConfigError
from quickwins.core.events import Reporter
from quickwins.core.given import a_flag, several
from quickwins.indexes import _reports
from quickwins.indexes._apply import Application, Patience
from quickwins.indexes._core.preconditions import OVERRIDABLE, Precondition
from quickwins.indexes._core.summary import Plan, Rules, plan_of
from quickwins.indexes._core.window import Window
from quickwins.indexes._gauges import Gauges
from quickwins.indexes._server.explain import plans
from quickwins.indexes._server.gather import Gatherer
from quickwins.indexes._server.work import Sessions
from quickwins.indexes.connecting import connect, named
from quickwins.indexes.errors import Blocked, BuildFailed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Collection

    import asyncpg
    from prometheus_client import CollectorRegistry

    from quickwins.core.clock import Clock
    from quickwins.core.flags import Flag
    from quickwins.indexes._core.summary import Gathered
    from quickwins.indexes.migration import Migration
    from quickwins.indexes.progress import Progress
    from quickwins.indexes.report import Finding, Status, Verification

MAX_WAIT_SECONDS = 86_400.0
MIN_MEASURE_SECONDS = 0.001


class Runner:
    """Runs migrations on one database. Stateless between calls: each opens sessions of its own and closes them.

    Attributes:
        debris: What the last `apply` has left on the server, each with the command that removes it; also when it was
            cancelled, where no error can say so.
    """

    def __init__(  # noqa: PLR0913 -- half of them are what every shell takes; until=never
        self,
        dsn: str | None = None,
        *,
        window: str = "",
        max_wait_seconds: float = 600.0,
        overrides: Collection[str] = (),
        terminate: Collection[str] = (),
        cancel_orphan: bool = False,
        flag: Flag | None = None,
        service: str = "",
        name: str = "",
        registry: CollectorRegistry | None = None,
        clock: Clock | None = None,
        rng: Random | None = None,
    ) -> None:
        """Nothing is connected yet.

        Args:
            dsn: The database; `None`: the `PG*` variables, a service or a password file say so.
            window: When `apply` may begin, as `02:00-04:00 UTC`; empty: at any time.
            max_wait_seconds: How long to wait for another runner, for what is in the way before the first change, and for
                those who hold a statement up: each so long. 0 waits for nobody.
            overrides: Preconditions that do not count, by name; `plan` says which are not met.
            terminate: Applications whose sessions are terminated when they hold us up; nobody's by default.
            cancel_orphan: Cancel a build of one of our indexes that nobody watches, instead of waiting for it.
            flag: Guards `apply`; `None`: always on.
            service: On every series and event.
            name: Of this runner, also on every series and event.
            registry: For its series; the default registry when `None`.
            clock: For everything that waits.
            rng: For how long to wait between two tries.

        Raises:
            ConfigError: The DSN is no text, or the window, the time or a precondition's name isn't valid.
        """
        if dsn is not None and not isinstance(dsn, str):
            raise ConfigError(
                f"dsn is a {type(dsn).__name__}: an address is needed, since a build has sessions of its own"
            )
        known = [str(one) for one in OVERRIDABLE]
        for one in several("overrides", overrides):
            if one not in known:
                raise ConfigError(f"{one!r} is no precondition that can be overridden: {', '.join(known)}")
        if not 0 <= max_wait_seconds <= MAX_WAIT_SECONDS:
            raise ConfigError(
                f"max_wait_seconds={max_wait_seconds!r} is not allowed: 0 to {MAX_WAIT_SECONDS:,.0f}"
            )
        if "" in several("terminate", terminate):
            raise ConfigError("terminate='' is not allowed: names of applications")
        self._dsn = dsn
        self._rules = Rules(
            Window.parse(window) if window else None, [Precondition(one) for one in overrides], cancel_orphan
        )
        self._patience = Patience(max_wait_seconds, frozenset(terminate))
        self._flag = a_flag(flag)
        self._clock: Clock = clock or SystemClock()
        self._rng = rng or Random()  # noqa: S311 -- jitter; until=never
        self._reporter = Reporter(service=service, name=name, registry=registry)
        self._gauges = Gauges(service=service, name=name, registry=registry)
        self.debris: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Runner for {place(self._dsn)}>"

    async def plan(self, migration: Migration, *, rollback: bool = False) -> Plan:
        """What `apply` would do now, and what is in its way. Nothing is changed.

        Each `CREATE INDEX` is tried on an empty temporary copy of its table, in a transaction that is rolled back.

        Args:
            migration: What is to be done.
            rollback: Plan to take it back.

        Raises:
            BuildFailed: There is no connection.
        """
        async with self._session() as connection:
            plan = self._plan(
                migration, await Gatherer(migration, rollback=rollback).read(connection), rollback=rollback
            )
            notes = await _reports.notes(connection, plan)
        return plan.noted(notes)

    async def apply(self, plan: Plan) -> AsyncGenerator[Progress, None]:
        """Do what is left to do of what was planned; the plan is made again under the lock that keeps other runners out.

        Left early, by `break`, an exception or cancellation, the statement is cancelled on the server, what it has left is
        removed, and `debris` says what could not be. After a `break` that happens when the generator is closed:
        `async with contextlib.aclosing(runner.apply(plan))` does it at once.

        Args:
            plan: From `plan`; with `rollback` it takes the migration back.

        Yields:
            A look at the work, some ten times a second.

        Raises:
            MigrationError: The migration is refused; nothing was changed.
            Blocked: Something was in the way for too long, or the flag is off; nothing is left behind.
            BuildFailed: A statement failed; its `debris` says what is left behind.
        """
        if self._flag is not None and not self._flag.state.on:
            raise Blocked("[indexes] is switched off: nothing is applied", reason=Precondition.FLAG)
        sessions = Sessions(self._dsn, self._clock)
        work = Application(
            sessions,
            plan.migration,
            self._rules,
            self._patience,
            rollback=plan.rollback,
            clock=self._clock,
            rng=self._rng,
            reporter=self._reporter,
            gauges=self._gauges,
        )
        try:
            await sessions.open()
            with named():
                async with aclosing(work.run()) as looks:
                    async for progress in looks:
                        yield progress
        except BuildFailed:
            self._gauges.state(plan.migration.name, "failed")
            raise
        finally:
            self.debris = work.debris
            self._gauges.moved(phase="", ratio=0.0, lockers=0)
            await sessions.close()

    async def status(self, migration: Migration) -> Status:
        """What has become of it, what runs now, and what an interrupted run has left.

        Raises:
            BuildFailed: There is no connection.
        """
        async with self._session() as connection:
            facts = await Gatherer(migration, rollback=False).read(connection)
            self._gauges.looked(facts)
            return await _reports.status(connection, migration, facts)

    async def watch(self, migration: Migration) -> AsyncGenerator[Progress, None]:
        """The builds of its tables that run now, this runner's or not, until there is none.

        Raises:
            BuildFailed: There is no connection.
        """
        sessions = Sessions(self._dsn, self._clock)
        try:
            await sessions.open()
            with named():
                async with aclosing(_reports.watch(sessions, migration, self._clock)) as looks:
                    async for progress in looks:
                        yield progress
        finally:
            await sessions.close()

    async def verify(self, migration: Migration, *, measure_seconds: float | None = None) -> Verification:
        """Whether each index is there, valid and as the file says, and whether the planner uses it for its queries.

        Args:
            migration: What was applied.
            measure_seconds: Also run each query, read-only, and give up after so long; `None`: run none.

        Raises:
            BuildFailed: There is no connection.
            ConfigError: The time is none.
        """
        if measure_seconds is not None and not MIN_MEASURE_SECONDS <= measure_seconds <= MAX_WAIT_SECONDS:
            allowed = f"{MIN_MEASURE_SECONDS:g} to {MAX_WAIT_SECONDS:,.0f}"
            raise ConfigError(f"measure_seconds={measure_seconds!r} is not allowed: {allowed}")
        async with self._session() as connection:
            facts = await Gatherer(migration, rollback=False).read(connection)
            planned = await plans(connection, migration.checks, measure_seconds=measure_seconds)
            return await _reports.verification(connection, migration, facts, planned)

    async def audit(self, *, standbys: Collection[str] = ()) -> list[Finding]:
        """The indexes of this database that cost each write and help no read.

        Args:
            standbys: DSNs of the standbys: an index that is not used here may be used there. While there are standbys that
                were not asked, no index is called unused.

        Raises:
            BuildFailed: There is no connection, to a standby either.
        """
        from quickwins.indexes import _audit

        async with self._session() as connection:
            return await _audit.audit(connection, list(standbys))

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await connect(self._dsn, what="reads")
        try:
            with named():
                yield connection
        finally:
            connection.terminate() if connection.is_closed() else await connection.close(timeout=5)

    def _plan(self, migration: Migration, facts: Gathered, *, rollback: bool) -> Plan:
        wall = self._clock.wall()
        now = f"{datetime.fromtimestamp(wall, UTC):%H:%M} UTC"
        self._gauges.looked(facts)
        return plan_of(migration, facts, self._rules, rollback=rollback, wall=wall, now_text=now)
