"""One use of a pool's connection: the permit first, then the connection; they go back the other way round.

Amid a request each call costs, whatever it does, and every use of a database comes through here. So there are few of them:
`entered` and `given_back` are themselves the coroutines that a block awaits.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from quickwins.backpressure._asyncpg import in_use_of, is_lost, lending, twice
from quickwins.backpressure._core.verdict import DONE, FAILED, IGNORED, Ending
from quickwins.backpressure._counts import outcome_of
from quickwins.backpressure._hold import HELD, NEW, TAKEN, WAITING, Hold, ending_of
from quickwins.core.deadline import NEVER, earliest
from quickwins.core.deadline import current as request_deadline

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterator
    from types import TracebackType

    import asyncpg

    from quickwins.backpressure._waiting import GateShell
    from quickwins.core.clock import Deadline


class Lender:
    """A pool and the gate before it.

    Attributes:
        pool: The caller's.
        shell: What works for the gate.
        name: The pool's.
        lend: Gives a connection of it within so many seconds.
        resetting: What is done when the pool has reset a connection whose caller was cancelled meanwhile.
        taken: What is to be called when the pool has back what nobody has given back: it was closed, terminated or lost.
    """

    __slots__ = ("lend", "name", "pool", "resetting", "shell", "taken")

    def __init__(self, pool: asyncpg.Pool, shell: GateShell) -> None:
        self.pool = pool
        self.shell = shell
        self.name = shell.name
        self.lend: Callable[[float | None], Awaitable[asyncpg.pool.PoolConnectionProxy]] = lending(pool)
        self.resetting: set[asyncio.Future[None]] = set()
        self.taken = self._is_taken  # made once, not at each use

    def who_has(self, connection: asyncpg.pool.PoolConnectionProxy) -> Acquisition | None:
        """The use that `connection` was given for, while it is in use."""
        # No table of them: each use would keep it up to date for the few that ask.
        return next((hold for hold in self._holds() if hold.connection is connection), None)

    def _holds(self) -> Iterator[Acquisition]:
        """Those that have their connections."""
        for hold in self.shell.holders.holds:
            if isinstance(hold, Acquisition) and getattr(hold, "connection", None) is not None:
                yield hold

    def _is_taken(self, in_use: asyncio.Future[None]) -> None:
        hold = next((hold for hold in self._holds() if hold.in_use is in_use), None)
        if hold is not None:
            self.shell.leave(hold, IGNORED)
            hold.state = TAKEN


class Acquisition(Hold[Lender]):
    """What `GatedPool.acquire` returns: await it, or enter it with `async with`, once.

    Attributes:
        connection: What it was given for; `None` from when that is given back.
        in_use: What is done when the pool has that back, in whatever way; `None` when it cannot be told.
    """

    __slots__ = ("connection", "in_use")

    connection: asyncpg.pool.PoolConnectionProxy | None
    in_use: asyncio.Future[None] | None

    def __await__(self) -> Generator[Any, None, asyncpg.pool.PoolConnectionProxy]:
        if self.state is not HELD and self.state is not WAITING:
            self.state = NEW  # asyncpg's may be awaited again
        return self.__aenter__().__await__()

    async def entered(self, gated: bool | None = None) -> asyncpg.pool.PoolConnectionProxy:
        """Wait for a permit where the gate is on, and for a connection.

        Args:
            gated: Whether to ask the gate, from the pool's own methods: they know, and have no time limit for the reset.
                `None`: find out.
        """
        lender, timeout = self.giver, self.timeout_seconds
        shell, shortcut = lender.shell, gated is not None
        if not shortcut:
            if self.state is not NEW:
                raise twice()
            gated = shell.gates()
        clock, deadline = shell.now, NEVER
        now = clock()
        if gated:
            if timeout is not None or request_deadline() is not None:
                deadline = earliest(timeout, now)
            if not shell.take(self, now):
                await self._permitted(now, deadline)
        try:
            if deadline is NEVER:
                connection = await lender.lend(timeout)
            else:
                connection = await self._connected(deadline, shortcut=shortcut)
        except BaseException as error:
            shell.leave(self, IGNORED)
            self.state = NEW  # asyncpg's may be entered again
            shell.counts.acquired[outcome_of(error)].observe(shell.now() - now)
            raise
        if not gated and self.state is not HELD:  # nor had it one before
            shell.count(self)
        self.since = since = clock()  # connecting is no part of what statements take
        self.connection = connection
        try:
            self.in_use = in_use = in_use_of(connection)
            in_use.add_done_callback(lender.taken)
        except AttributeError:  # another asyncpg, or a test's pool
            self.in_use = None
        shell.counts.given.observe(since - now)
        return connection

    __aenter__ = entered

    async def given_back(
        self,
        kind: type[BaseException] | None = None,  # noqa: ARG002 -- what `__aexit__` is called with; until=never
        error: BaseException | None = None,
        trace: TracebackType | None = None,  # noqa: ARG002 -- the same; until=never
        *,
        timeout: float | None = None,
    ) -> None:
        """Give the connection back, as after a use that ended in `error`, and when asyncpg has it the permit.

        Args:
            kind: Not looked at.
            error: How the use ended; `None`: well.
            trace: Not looked at.
            timeout: Seconds for the reset; that of the acquisition when `None`.
        """
        lender, connection, in_use = self.giver, self.connection, self.in_use
        if connection is None:
            return
        self.connection = None
        ending = DONE if error is None else _ending(error, connection)
        if self.state is TAKEN:
            if ending is FAILED:
                lender.shell.failed()
            return
        if in_use is not None:
            in_use.remove_done_callback(lender.taken)  # not a turn of the loop later, if all goes well
        try:
            await lender.pool.release(
                connection, timeout=self.timeout_seconds if timeout is None else timeout
            )
        except BaseException:
            if in_use is None or in_use.done():
                lender.shell.leave(self, ending)
            else:  # we were cancelled; asyncpg's reset goes on behind its shield
                lender.resetting.add(in_use)
                in_use.add_done_callback(partial(self._is_reset, ending))
            raise
        lender.shell.leave(self, ending)

    __aexit__ = given_back

    def _is_reset(self, ending: Ending, in_use: asyncio.Future[None]) -> None:
        """The pool has back what the caller was giving back when it was cancelled."""
        self.giver.resetting.discard(in_use)
        self.giver.shell.leave(self, ending)

    async def _permitted(self, now: float, deadline: Deadline) -> None:
        """Wait for a permit in line."""
        shell = self.giver.shell
        waiter = shell.line_up(self, now, deadline)
        if waiter is not None:
            await shell.wait(self, waiter, deadline)

    async def _connected(self, deadline: Deadline, *, shortcut: bool) -> asyncpg.pool.PoolConnectionProxy:
        """A connection, in what the line has left of one deadline."""
        lend, shell = self.giver.lend, self.giver.shell
        left_seconds = deadline.remaining(shell.now())
        try:
            if not shortcut:
                return await lend(left_seconds)
            # Not `lend(left_seconds)`: asyncpg would hold the reset to it too, after the statement has succeeded.
            async with asyncio.timeout(left_seconds):
                return await lend(None)
        except TimeoutError as error:
            if not deadline.passed(shell.now()):
                raise  # not this one: a hook of the pool has time-outs of its own
            raise shell.late("connection", deadline) from error


def _ending(error: BaseException, connection: asyncpg.pool.PoolConnectionProxy) -> Ending:
    """How the use of `connection` ended that ended in `error`."""
    ending = ending_of(error)
    return FAILED if ending is DONE and is_lost(connection) else ending
