"""The life of a sink: started, written to from any thread, forked, closed, and closed at exit."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import weakref
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from quickwins.core.clock import SystemClock
from quickwins.logs.sink._buffering import Buffering
from quickwins.logs.sink._outlet import Outlet
from quickwins.logs.sink._writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Self, Unpack

    from quickwins.logs.sink._buffering import SinkOptions
    from quickwins.logs.sink._outlet import Outage
    from quickwins.logs.sink._queue import DropReason

EXIT_SECONDS = 2.0


class SinkState(StrEnum):
    """What a sink is doing."""

    CLOSED = "closed"
    """Not started yet, or closed: every line is dropped."""
    UP = "up"
    STALLED = "stalled"
    """The reader takes nothing at the moment; lines queue up."""
    FAILING = "failing"
    """Writing fails and is tried again later and later; lines queue up."""


@dataclass(frozen=True, slots=True)
class SinkStats:
    """What has become of the lines so far; in a fork's child, since the fork.

    Attributes:
        state: What the sink is doing.
        queued_bytes: What admitted lines that are not written yet are charged.
        accepted_lines: How many were admitted.
        written_lines: How many were written.
        written_bytes: Their bytes.
        dropped: How many were dropped, by reason; every reason is there.
        errors: How many attempts to write or to open failed.
    """

    state: SinkState
    queued_bytes: int
    accepted_lines: int
    written_lines: int
    written_bytes: int
    dropped: Mapping[DropReason, int]
    errors: int


class Sink:
    """Takes finished lines from any thread and writes them to one place, in order.

    Nothing happens before `start`: no thread, no file, no hook. The writer thread begins with the first line, also in
    the child of a fork, where the queue is empty, the counts are zero and the parent writes what the parent had taken.
    A sink that was started is closed at exit, in the children of `multiprocessing` too; only a process that ends by
    `os._exit`, or is killed, loses what is queued: call `flush` first.

    Attributes:
        put: `put(line, severity) -> bool` takes a line: a JSON object without its closing brace, with one field at
            least. The sink ends it with `log.dropped`, if lines before it were dropped, and `seq`. Any thread, signal
            handler or finalizer may call it; it takes no lock, does no I/O (unless `inline`) and never raises. `False`:
            the line was dropped, and counted. The same object for the sink's whole life.
    """

    __slots__ = (
        "__weakref__",
        "_finalizer",
        "_hooked",
        "_lifecycle",
        "_outlet",
        "_running",
        "_target",
        "_writer",
        "put",
    )

    put: Callable[[bytes, int], bool]

    def __init__(self, target: int | Path, **options: Unpack[SinkOptions]) -> None:
        """Make a sink; `stdout`, `stderr`, `file` and `descriptor` read better.

        Args:
            target: A descriptor or a path.
            options: See `SinkOptions`.

        Raises:
            ConfigError: A value is out of its bounds.
        """
        buffering = Buffering(**options)
        clock = SystemClock() if buffering.clock is None else buffering.clock
        self._target = target if isinstance(target, int) else str(target)
        self._outlet = Outlet(target, clock)
        self._writer = Writer(self._outlet, buffering, clock)
        self.put = self._writer.put
        self._running = False
        self._hooked = False
        self._lifecycle = threading.RLock()
        self._finalizer: Any = None

    @classmethod
    def stdout(cls, **options: Unpack[SinkOptions]) -> Self:
        """Descriptor 1; see `descriptor`."""
        return cls(1, **options)

    @classmethod
    def stderr(cls, **options: Unpack[SinkOptions]) -> Self:
        """Descriptor 2; see `descriptor`."""
        return cls(2, **options)

    @classmethod
    def descriptor(cls, fd: int, **options: Unpack[SinkOptions]) -> Self:
        """An open descriptor, which the sink never closes: from `start` on it has a duplicate.

        Whoever points the descriptor elsewhere with `dup2`, as daemons do, takes the log along. A file that merely gets the
        number, because the descriptor was closed, is left alone: the log goes on where it went. If there is nothing open
        at `start`, or a standard stream was closed when the process began, lines go nowhere: the state is `failing`, and what
        finds no room in the queue is dropped and counted.
        """
        return cls(fd, **options)

    @classmethod
    def file(cls, path: str | os.PathLike[str], **options: Unpack[SinkOptions]) -> Self:
        """A file, appended to, made if it isn't there (mode 0640), and opened again within a second of its being rotated.

        Failing to open it is an error like any other: counted, tried again, and told on standard error once.
        """
        return cls(Path(path).absolute(), **options)

    def start(self, recovered: Callable[[Outage], bytes] | None = None) -> None:
        """Take lines from now on. Where it does so already, only `recovered` changes; a closed sink begins again.

        Args:
            recovered: Makes the line, in the form that `put` takes, that the sink adds when writing works again after
                errors. Called in the writer thread. `None`: there is no such line.
        """
        with self._lifecycle:
            self._writer.recovered = recovered
            if self._running:
                return
            self._outlet.open()
            self._writer.resume()
            if not self._hooked:
                self._hooked = True
                ref = weakref.ref(self)
                os.register_at_fork(after_in_child=lambda: _in_child(ref))
            atexit.register(self._at_exit)
            self._finalize_with_multiprocessing()
            self._running = True  # the last step: whatever was interrupted before may be begun again
            self._writer.queue.open()

    def flush(self, timeout_seconds: float) -> bool:
        """Wait up to `timeout_seconds` for every line taken before this call to be written; whether it is."""
        return self._writer.flush(timeout_seconds)

    def close(self, timeout_seconds: float = 2.0) -> None:
        """Take no more lines, write what is queued for `timeout_seconds` at most, and end the thread. Idempotent.

        A writer that is stuck in a `write` (to a disk that hangs, or of a line longer than a pipe takes) is left
        behind, and ends when that write does.
        """
        with self._lifecycle:
            if not self._running:
                return
            self._running = False
            self._writer.queue.close()
            atexit.unregister(self._at_exit)
            if self._finalizer is not None:
                self._finalizer.cancel()
                self._finalizer = None
            self._writer.stop(timeout_seconds, give_up=True)

    def __repr__(self) -> str:
        return f"<Sink to {self._target!r} {self.state}, {self._writer.queue.size} bytes queued>"

    @property
    def state(self) -> SinkState:
        """What it is doing."""
        if not self._running:
            return SinkState.CLOSED
        if self._outlet.failing:
            return SinkState.FAILING
        return SinkState.STALLED if self._outlet.stalled else SinkState.UP

    def stats(self) -> SinkStats:
        """What has become of the lines so far."""
        queue = self._writer.queue
        return SinkStats(
            state=self.state,
            queued_bytes=queue.size,
            accepted_lines=queue.accepted,
            written_lines=queue.written_lines,
            written_bytes=queue.written_bytes,
            dropped=queue.dropped,
            errors=self._outlet.errors,
        )

    def _at_exit(self) -> None:
        """Write what is queued; what is logged at exit after this is written in the thread that logs."""
        with self._lifecycle:
            if self._running and self._writer.stop(EXIT_SECONDS, give_up=False):
                self._writer.become_inline()

    # Forks.

    def _finalize_with_multiprocessing(self) -> None:
        """In a child of `multiprocessing`, which ends without `atexit`, have its own hooks call us last."""
        process = sys.modules.get("multiprocessing.process")
        if process is not None and process.parent_process() is not None and self._finalizer is None:
            from multiprocessing.util import Finalize

            self._finalizer = Finalize(None, self._at_exit, exitpriority=-100)

    def _after_fork(self) -> None:
        self._lifecycle = threading.RLock()
        self._finalizer = None
        self._writer.renew()
        util = sys.modules.get("multiprocessing.util")
        if self._running and util is not None:
            # Not at once: a child forgets its parent's hooks before it calls this.
            util.register_after_fork(self, Sink._finalize_with_multiprocessing)


def _in_child(ref: weakref.ref[Sink]) -> None:
    sink = ref()
    if sink is not None:
        sink._after_fork()  # noqa: SLF001 -- a method cannot be registered without keeping its sink; until=never
