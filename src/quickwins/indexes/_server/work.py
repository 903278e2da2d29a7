"""One statement in a session of its own, and a second session that watches it: it names who holds it up, and stops it.

The first session can say nothing while its statement runs, and must have no time-out of its own. So the second one looks
ten times a second, and it alone decides that patience is over.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from quickwins.core.errors import QuickWinsError
from quickwins.indexes._core.bar import Look
from quickwins.indexes._server.holders import blockers
from quickwins.indexes.connecting import LOST, connect, ended, named
from quickwins.indexes.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
    from datetime import datetime

    from quickwins.core.clock import Clock
    from quickwins.indexes._core.facts import Holder

_T = TypeVar("_T")

LOOK_SECONDS = 0.1
STOP_SECONDS = 30.0
"""How long a statement that was cancelled may take to end, before its session is closed."""
ANSWER_SECONDS = 10.0
"""How long the server may take to answer the watcher, before that is connected again."""
SILENT_SECONDS = 120.0
"""How long it may answer no look, before it is given up: a server that a failover has cut off never says that it is gone."""

LOOK = """
    SELECT p.phase, p.lockers_total, p.lockers_done, p.blocks_total, p.blocks_done, p.tuples_total, p.tuples_done,
           pg_blocking_pids($1) AS blocking
    FROM (SELECT $1::int AS pid) AS our LEFT JOIN pg_stat_progress_create_index AS p ON p.pid = our.pid
"""
BEGAN = "SELECT backend_start FROM pg_stat_activity WHERE pid = $1"


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at the statement that runs.

    Attributes:
        look: What the progress view says.
        blockers: Who holds it up now.
        waited_seconds: For how long it has been held up, all in all.
        elapsed_seconds: Since it began.
    """

    look: Look
    blockers: tuple[Holder, ...]
    waited_seconds: float
    elapsed_seconds: float


class OutOfPatience(Exception):
    """The statement was held up for as long as it may be, and was cancelled."""

    def __init__(self, blockers: tuple[Holder, ...], waited_seconds: float) -> None:
        super().__init__(*map(str, blockers))
        self.blockers = blockers
        self.waited_seconds = waited_seconds


class Sessions:
    """The session that works and the session that watches. Belongs to one task.

    Attributes:
        main: What statements run in; it holds the lock that keeps other runners out.
    """

    def __init__(self, dsn: str | None, clock: Clock) -> None:
        self._dsn = dsn
        self._clock = clock
        self._watch: asyncpg.Connection | None = None
        self._silent_since: float | None = None
        self._began: datetime | None = None
        self.main: asyncpg.Connection = None

    async def open(self) -> None:
        """Connect both.

        Raises:
            BuildFailed: There is no connection.
        """
        self.main = await connect(self._dsn, builds=True)
        with named():
            self._began = await self.main.fetchval(BEGAN, self.main.get_server_pid())
        self._watch = await self._watching()

    async def reopen(self, patience_seconds: float) -> None:
        """Connect both again, for up to `patience_seconds`: the server may be starting again.

        Raises:
            BuildFailed: There is still no connection.
        """
        deadline = self._clock.monotonic() + patience_seconds
        self.terminate()
        while True:
            try:
                return await self.open()
            except QuickWinsError:
                self.terminate()
                if self._clock.monotonic() >= deadline:
                    raise
            await self._clock.sleep(LOOK_SECONDS)

    async def tell(self, command: str) -> None:
        """Have the session that watches execute `command`.

        Raises:
            BuildFailed: It was lost, and there is no other.
            OSError: There was no answer; `LOST` has what else may become of it.
            asyncpg.PostgresError: The server refuses.
        """
        watch = await self._watcher()
        await self._answered(watch, watch.execute(command))

    async def _watcher(self) -> asyncpg.Connection:
        """The session that watches, connected again when it was lost."""
        if self._watch is None or self._watch.is_closed():
            self._watch = await self._watching()
        return self._watch

    async def _answered(self, watch: asyncpg.Connection, question: Coroutine[Any, Any, _T]) -> _T:
        """What the server answers; without an answer the session is closed.

        Raises:
            TimeoutError: There was none.
        """
        asked = asyncio.create_task(question)
        sleeping = asyncio.create_task(self._clock.sleep(ANSWER_SECONDS))
        try:
            await asyncio.wait({asked, sleeping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            if not asked.done():
                watch.terminate()
                asked.cancel()
        if asked.done():
            if ended(asked.exception()):
                watch.terminate()
            return asked.result()
        raise TimeoutError(f"the server has not answered within {ANSWER_SECONDS:g} s")

    async def _watching(self) -> asyncpg.Connection:
        """A session on the server of the first one.

        A DSN of several hosts, or a name of several addresses, may lead to another, where our number is somebody else's.
        """
        watch = await connect(self._dsn, what="watch")
        same = False
        try:
            with named():
                same = await watch.fetchval(BEGAN, self.main.get_server_pid()) == self._began
        finally:
            if not same:
                watch.terminate()
        if not same:
            raise BuildFailed(
                "the session that watches is not on the server of the one that works: name one host"
            )
        return watch

    async def close(self) -> None:
        """Close both; a statement that is still running is not waited for."""
        for one in (self.main, self._watch):
            if one is not None and not one.is_closed():
                with suppress(*LOST, TimeoutError, asyncpg.PostgresError):
                    await one.close(timeout=2)

    def terminate(self) -> None:
        """Drop both connections at once."""
        for one in (self.main, self._watch):
            if one is not None and not one.is_closed():
                one.terminate()

    async def run(
        self,
        sql: str,
        *,
        table_oid: int,
        patience_seconds: float,
        held: Callable[[tuple[Holder, ...]], Awaitable[None]],
    ) -> AsyncGenerator[Seen, None]:
        """Run `sql`, and look at it ten times a second. Left early, or cancelled, it is cancelled on the server, and ends.

        Args:
            sql: One statement.
            table_oid: The table that it works on.
            patience_seconds: How long it may be held up, all in all.
            held: Called with those who hold it up, when somebody does.

        Raises:
            OutOfPatience: It was held up for too long.
            asyncpg.PostgresError: It failed.
            OSError: The session is gone, or the server has not answered for so long that it counts as gone; `LOST` has all the kinds.
        """
        pid = self.main.get_server_pid()
        began = self._clock.monotonic()
        task = asyncio.create_task(self.main.execute(sql))
        waited, last = 0.0, began
        spent: OutOfPatience | None = None
        try:
            while spent is None and not await self._ended(task):
                seen = await self.look(pid, table_oid)
                now = self._clock.monotonic()
                if seen is not None:
                    look, holding = seen
                    waited += now - last if holding else 0.0
                    if holding:
                        await held(holding)
                    yield Seen(look, holding, waited, now - began)
                    if waited >= patience_seconds and not task.done():
                        spent = OutOfPatience(holding, waited)
                        await self._stop(task, pid)
                else:
                    await self._give_up_if_silent(task, now)
                last = now
        except BaseException:
            if not task.done():
                await self._stop(task, pid)
            if not task.cancelled():
                task.exception()  # so that nobody calls it never retrieved
            raise
        if spent is not None and task.exception() is not None:
            raise spent
        task.result()

    async def _give_up_if_silent(self, task: asyncio.Task[str], now: float) -> None:
        """Close the session that works, if the server has answered no look for too long.

        Raises:
            TimeoutError: It hasn't.
        """
        if self._silent_since is not None and now - self._silent_since >= SILENT_SECONDS:
            self.main.terminate()
            await asyncio.wait({task}, timeout=1)
            raise TimeoutError(f"the server has not answered for {SILENT_SECONDS:g} s")

    async def _ended(self, task: asyncio.Task[str]) -> bool:
        sleeping = asyncio.create_task(self._clock.sleep(LOOK_SECONDS))
        try:
            await asyncio.wait({task, sleeping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
        return task.done()

    async def look(self, pid: int, table_oid: int) -> tuple[Look, tuple[Holder, ...]] | None:
        """What the watcher sees of the session `pid`; `None` while it has lost its connection."""
        asked_at = self._clock.monotonic()
        try:
            watch = await self._watcher()
            row, holding = await self._answered(watch, _looked(watch, pid, table_oid))
        except (*LOST, asyncpg.PostgresError, QuickWinsError) as error:
            if isinstance(error, TimeoutError) and self._silent_since is None:
                self._silent_since = asked_at
            return None
        self._silent_since = None
        look = Look(row["phase"] or "", *(row[key] or 0 for key in _NUMBERS))
        return look, holding

    async def _stop(self, task: asyncio.Task[str], pid: int) -> None:
        """Cancel the statement on the server and wait for its end; close the session when there is none."""
        deadline = self._clock.monotonic() + STOP_SECONDS
        try:
            while not task.done() and self._clock.monotonic() < deadline:
                with suppress(*LOST, asyncpg.PostgresError, QuickWinsError):
                    await self.tell(f"SELECT pg_cancel_backend({pid})")
                await self._ended(task)
        finally:
            if not task.done():
                self.main.terminate()
                await asyncio.wait({task}, timeout=1)


async def _looked(
    watch: asyncpg.Connection, pid: int, table_oid: int
) -> tuple[asyncpg.Record, tuple[Holder, ...]]:
    row = await watch.fetchrow(LOOK, pid)
    pids = list(row["blocking"] or ())
    return row, await blockers(watch, pids, table_oid) if pids else ()


_NUMBERS = ("lockers_total", "lockers_done", "blocks_total", "blocks_done", "tuples_total", "tuples_done")
