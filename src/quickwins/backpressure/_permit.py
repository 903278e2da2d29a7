"""The right to use a resource: asked for once, given back once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.backpressure._core.verdict import DONE, FAILED, IGNORED
from quickwins.backpressure._gone import unless
from quickwins.backpressure._hold import NEW, Hold, ending_of
from quickwins.backpressure._waiting import GateShell
from quickwins.core.deadline import earliest
from quickwins.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType


class Permit(Hold[GateShell]):
    """What `Gate.permit` returns: enter it with `async with`, once.

    Leaving the block gives it back: as `failed` after a time-out or a lost connection, as `ignored` when cancelled, and
    as `done` otherwise. The block may do so earlier itself; giving it back again does nothing.

    Example:
        async with gate.permit() as permit:
            answer = await client.get("/search")
            if answer.status == 504:
                permit.failed()
    """

    __slots__ = ()

    async def entered(self, gone: Callable[[], Awaitable[object]] | None = None) -> Permit:
        """Wait for it as entering the block does, but no longer than for what `gone` returns; `None`: nobody watches.

        While the gate is off it is only counted, and given at once.

        Raises:
            PoolExhausted: The gate said no.
            DeadlineExceeded: The request's time passed in line.
            TimeoutError: The permit's own time did.
            CallerGone: The one that it is for has gone.
            ConfigError: It was entered before.
        """
        if self.state is not NEW:
            raise ConfigError("a permit is entered once; ask the gate for another one")
        shell = self.giver
        now = shell.now()
        if shell.flag is not None and not shell.flag.active():
            shell.count(self)
        elif not shell.take(self, now):
            deadline = earliest(self.timeout_seconds, now)
            waiter = shell.line_up(self, now, deadline)
            if waiter is not None:
                waiting = shell.wait(self, waiter, deadline)
                await (waiting if gone is None else unless(gone, waiting, shell, self, waiter))
                shell.counts.given.observe(self.since - now)
                return self
        shell.counts.given.counts[0] += 1  # no time: no bucket to look for, and no trace to keep
        return self

    __aenter__ = entered

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.giver.leave(self, DONE if error is None else ending_of(error))

    def done(self) -> None:
        """Give it back after an ordinary use. How long it was held counts in the mean, and an adaptive gate learns from it."""
        self.giver.leave(self, DONE)

    def failed(self) -> None:
        """Give it back: its use timed out or lost its connection, a sign that too many are in use."""
        self.giver.leave(self, FAILED)

    def ignored(self) -> None:
        """Give it back: its use says nothing about others, as one that was cancelled."""
        self.giver.leave(self, IGNORED)

    def end(self, error: BaseException | None) -> None:
        """Give it back as leaving the block with `error` does."""
        self.giver.leave(self, DONE if error is None else ending_of(error))
