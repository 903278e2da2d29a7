"""The task that polls. It ends when its owner says so; if anything else ends it, it starts again, so no kill is missed."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from quickwins.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from quickwins.core.clock import Clock


class Polling:
    """Calls `poll` every so often, on the event loop that it was started on."""

    __slots__ = ("_clock", "_interval_seconds", "_pid", "_poll", "_task")

    def __init__(
        self, poll: Callable[[], object], interval_seconds: Callable[[], float], clock: Clock
    ) -> None:
        """Nothing runs yet.

        Args:
            poll: What is called.
            interval_seconds: How long to wait before it, asked each time.
            clock: For waiting.
        """
        self._poll = poll
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._pid = 0  # of the process that the task runs in

    def __str__(self) -> str:
        return "not polled" if self._living() is None else "polled"

    def start(self) -> None:
        """Begin.

        Raises:
            ConfigError: It has begun already, on a loop that still lives.
        """
        if self._living() is not None:
            raise ConfigError("these flags are polled already: enter them once")
        self._begin()

    async def stop(self) -> None:
        """End, and wait for that. Idempotent."""
        task, self._task = self._living(), None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def _living(self) -> asyncio.Task[None] | None:
        """The task; `None` where its loop has ended around it, or was left behind by a fork."""
        task = self._task
        return None if task is None or self._pid != os.getpid() or task.get_loop().is_closed() else task

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._task = asyncio.create_task(self._run(), name="quickwins-flags")
        self._task.add_done_callback(self._ended)

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(self._interval_seconds())
            self._poll()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Go on in a moment, if it was somebody else who ended it, with a loop over `asyncio.all_tasks` for example.

        A timer leaves nothing behind where the event loop itself is about to end, as a task would.
        """
        if not task.cancelled():
            task.exception()  # the loop has raised it already
        if task is self._task:
            task.get_loop().call_later(self._interval_seconds(), self._go_on, task)

    def _go_on(self, ended: asyncio.Task[None]) -> None:
        if ended is self._task:
            self._begin()
