"""Where lines go, without ever holding up who logs: a bounded queue, and a thread of its own that empties it.

A thread that finds the queue empty sleeps until a line wakes it, and then waits a little for more: a busy service
pays for a few writes a second, whatever it logs. Warnings and errors, and 64 KiB, end that wait at once.
"""

from __future__ import annotations

import atexit
import contextlib
import math
import os
import sys
import threading
import time
import weakref
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from quickwins.core.clock import SystemClock
from quickwins.core.errors import ConfigError
from quickwins.logs._outlet import Outage, Outlet, Sent
from quickwins.logs._queue import NEVER, WARN, DropReason, LineQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Self

    from quickwins.core.clock import Clock

__all__ = ["DropReason", "Outage", "Sink", "SinkState", "SinkStats"]

LINGER_BYTES = 64 << 10
POLL_SECONDS = 0.1
"""How long it takes at most until a writer whose reader stalls sees that it is to end."""
EXIT_SECONDS = 2.0

_ATOMIC = sys.implementation.name == "cpython" and getattr(sys, "_is_gil_enabled", lambda: True)()


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
        queued_bytes: What the lines are charged that were admitted and are not written.
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
    A sink that was started is closed at exit, in the children of `multiprocessing` too; only who ends a process by
    `os._exit`, or is killed, loses what is queued: call `flush` before.

    Attributes:
        put: `put(line, severity) -> bool` takes a line: a JSON object without its closing brace, with one field at
            least. The sink ends it with `log.dropped`, if lines before it were dropped, and `seq`. Any thread, signal
            handler or finalizer may call it; it takes no lock, does no I/O (unless `inline`) and never raises. `False`:
            the line was dropped, and counted. The same object for the sink's whole life.
    """

    __slots__ = (
        "__weakref__",
        "_clock",
        "_closing",
        "_finalizer",
        "_hooked",
        "_inline",
        "_lifecycle",
        "_linger_seconds",
        "_outlet",
        "_progress",
        "_queue",
        "_recovered",
        "_running",
        "_thread",
        "_until",
        "_urgent",
        "_waiters",
        "_wake",
        "_writing",
        "put",
    )

    put: Callable[[bytes, int], bool]

    def __init__(
        self,
        target: int | Path,
        *,
        max_bytes: int = 8 << 20,
        inline: bool = False,
        linger_seconds: float = 0.02,
        clock: Clock | None = None,
    ) -> None:
        """Make a sink; `stdout`, `stderr`, `file` and `descriptor` read better.

        Args:
            target: A descriptor or a path.
            max_bytes: What the queue holds, in memory; a quarter of it is for warnings and errors. At least 4,096.
            inline: Write in the thread that logs, without a queue while all is well and without waiting when it isn't:
                what finds no room stays queued until the next line, `flush` or `close`.
            linger_seconds: How long a line waits for more; 0: not at all.
            clock: For back-off and deadlines.

        Raises:
            ConfigError: A value is out of its bounds.
        """
        if max_bytes < 4_096:  # noqa: PLR2004 -- a page, and named in the message; until=2027-12-31
            raise ConfigError(f"a sink's max_bytes must be at least 4096, not {max_bytes}")
        if not 0 <= linger_seconds <= 1:
            raise ConfigError(f"a sink's linger_seconds must be from 0 to 1, not {linger_seconds}")
        self._clock = SystemClock() if clock is None else clock
        self._inline = inline
        self._linger_seconds = linger_seconds
        self._outlet = Outlet(target, self._clock)
        self._queue = LineQueue(max_bytes, max_bytes // 4, self._rouse)
        self._recovered: Callable[[Outage], bytes] | None = None
        self._running = False
        self._hooked = False
        self.put = self._queue.put if _ATOMIC else self._queue.put_locked
        self._renew()

    def _renew(self) -> None:
        """Make all that threads share anew: at the beginning, and in the child of a fork, where they are gone."""
        self._lifecycle = threading.RLock()
        self._progress = threading.Condition()
        self._waiters = 0
        self._closing = threading.Event()
        self._until = math.inf
        self._urgent = False
        self._wake = threading.Lock()
        self._wake.acquire()
        self._writing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._finalizer: Any = None

    @classmethod
    def stdout(
        cls,
        *,
        max_bytes: int = 8 << 20,
        inline: bool = False,
        linger_seconds: float = 0.02,
        clock: Clock | None = None,
    ) -> Self:
        """Descriptor 1, by its number: who points it elsewhere later takes the log along. For the rest see `Sink`."""
        return cls(1, max_bytes=max_bytes, inline=inline, linger_seconds=linger_seconds, clock=clock)

    @classmethod
    def stderr(
        cls,
        *,
        max_bytes: int = 8 << 20,
        inline: bool = False,
        linger_seconds: float = 0.02,
        clock: Clock | None = None,
    ) -> Self:
        """Descriptor 2, as `stdout`."""
        return cls(2, max_bytes=max_bytes, inline=inline, linger_seconds=linger_seconds, clock=clock)

    @classmethod
    def descriptor(
        cls,
        fd: int,
        *,
        max_bytes: int = 8 << 20,
        inline: bool = False,
        linger_seconds: float = 0.02,
        clock: Clock | None = None,
    ) -> Self:
        """An open descriptor, which the sink never closes."""
        return cls(fd, max_bytes=max_bytes, inline=inline, linger_seconds=linger_seconds, clock=clock)

    @classmethod
    def file(
        cls,
        path: str | os.PathLike[str],
        *,
        max_bytes: int = 8 << 20,
        inline: bool = False,
        linger_seconds: float = 0.02,
        clock: Clock | None = None,
    ) -> Self:
        """A file, appended to, made if it isn't there (mode 0640), and opened again within a second of its being rotated.

        That it cannot be opened is an error like any other: counted, and tried again.
        """
        return cls(
            Path(path).absolute(),
            max_bytes=max_bytes,
            inline=inline,
            linger_seconds=linger_seconds,
            clock=clock,
        )

    def start(self, recovered: Callable[[Outage], bytes] | None = None) -> None:
        """Take lines from now on. Does nothing if it does already, but for `recovered`; a closed sink begins again.

        Args:
            recovered: Makes the line, in the form that `put` takes, that the sink adds when writing works again after
                errors, from what there is to say. Called in the writer thread. `None`: there is no such line.
        """
        with self._lifecycle:
            self._recovered = recovered
            if self._running:
                return
            self._running = True
            self._closing.clear()
            self._until = math.inf
            if not self._hooked:
                self._hooked = True
                ref = weakref.ref(self)
                os.register_at_fork(after_in_child=lambda: _in_child(ref))
            atexit.register(self._at_exit)
            self._finalize_with_multiprocessing()
            self._queue.open()

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until every line taken before this call is written, for `timeout_seconds` at most; whether it is."""
        deadline = self._clock.monotonic() + timeout_seconds
        target = self._queue.accepted
        if self._queue.settled >= target:
            return True
        if self._inline:
            return self._write_here(deadline)
        with self._progress:
            self._waiters += 1
            try:
                self._rouse(WARN)
                self._progress.wait_for(lambda: self._queue.settled >= target, max(0.0, timeout_seconds))
            finally:
                self._waiters -= 1
        return self._queue.settled >= target

    def close(self, timeout_seconds: float = 2.0) -> None:
        """Take no more lines, write what is queued for `timeout_seconds` at most, and end the thread. Twice is once.

        A writer that is inside a `write` that does not return, to a disk that hangs or of a line longer than a pipe
        takes, is left behind: it ends when that write does.
        """
        with self._lifecycle:
            if not self._running:
                return
            self._running = False
            self._queue.close()
            atexit.unregister(self._at_exit)
            if self._finalizer is not None:
                self._finalizer.cancel()
                self._finalizer = None
            if self._stop(timeout_seconds):
                self._give_up()

    def stats(self) -> SinkStats:
        """What has become of the lines so far."""
        queue, outlet = self._queue, self._outlet
        if not self._running:
            state = SinkState.CLOSED
        elif outlet.failing:
            state = SinkState.FAILING
        else:
            state = SinkState.STALLED if outlet.stalled else SinkState.UP
        return SinkStats(
            state=state,
            queued_bytes=queue.size,
            accepted_lines=queue.accepted,
            written_lines=queue.written_lines,
            written_bytes=queue.written_bytes,
            dropped=queue.dropped,
            errors=outlet.errors,
        )

    # The writer, which is whoever holds `_writing`.

    def _rouse(self, severity: int) -> None:
        """See that what is queued gets written. Called in `put`: by any thread, in signal handlers, in finalizers."""
        if self._inline:
            self._write_here(-math.inf)
            return
        queue = self._queue
        # First this and then the release: the writer sets them again when it has been woken.
        if severity >= WARN or queue.size >= LINGER_BYTES:
            self._urgent = True
            queue.wake_severity = queue.wake_bytes = NEVER
        else:
            queue.wake_severity, queue.wake_bytes = WARN, LINGER_BYTES
        if self._thread is None:
            self._begin()
        else:
            self._release()

    def _release(self) -> None:
        with contextlib.suppress(RuntimeError):  # it has been woken already
            self._wake.release()

    def _begin(self) -> None:
        self._thread = threading.Thread(target=self._run, name="quickwins-log-sink", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no more threads can be had, or the interpreter is about to end
            self._thread = None
            self._become_inline()

    def _become_inline(self) -> None:
        self._inline = True
        self._queue.wake_severity = 0
        self._write_here(-math.inf)

    def _run(self) -> None:
        queue = self._queue
        with self._writing:
            before = -math.inf
            while not self._closing.is_set():
                self._wake.acquire(
                    blocking=not self._urgent, timeout=-1 if self._urgent else self._linger_seconds
                )
                self._urgent = False
                queue.wake_severity, queue.wake_bytes = WARN, LINGER_BYTES
                now = self._clock.monotonic()
                if queue.waiting or self._outlet.busy:
                    self._drain(None)
                    # With lines in every other linger, to sleep on costs less than to be woken.
                    rest, before = now - before < 2 * self._linger_seconds, now
                    if rest:
                        continue
                queue.wake_severity = 0
                if not queue.waiting and not self._closing.is_set():
                    self._wake.acquire()
            self._drain(None)
            if not self._running:
                self._give_up()
        # `start` may have been called since this one was told to end.
        self._thread = None
        queue.wake_severity = 0
        if self._running and queue.waiting and not self._closing.is_set():
            self._rouse(WARN)

    def _write_here(self, until: float) -> bool:
        """Write what is queued in this thread, until the monotonic second `until`; whether nothing is left."""
        while self._queue.waiting or self._outlet.busy:
            left = until - self._clock.monotonic()
            # Whoever holds it looks for more lines before letting go: nobody needs to wait here for being written.
            if not (
                self._writing.acquire(timeout=left) if left > 0 else self._writing.acquire(blocking=False)
            ):
                return False
            try:
                if not self._drain(until):
                    return False
            finally:
                self._writing.release()
        return True

    def _drain(self, until: float | None) -> bool:
        """Write what is queued, until `until`, or as long as `close` allows; whether nothing is left."""
        queue, outlet, clock = self._queue, self._outlet, self._clock
        while True:
            try:
                if not outlet.busy:
                    outlet.load(queue.take(outlet.batch_bytes))
                    if not outlet.busy:
                        return True
                left = (self._until if until is None else until) - clock.monotonic()
                sent = outlet.push(max(0.0, min(left, POLL_SECONDS)))
            except Exception as error:  # noqa: BLE001 -- whatever it is, lines must not be lost to it for ever; until=2027-12-31
                outlet.failed(type(error).__name__)
                sent = Sent.FAILED
            if sent is Sent.DONE:
                self._account()
                continue
            pause = outlet.due - clock.monotonic() if sent is Sent.FAILED else 0.0
            if left <= pause:
                return False
            if pause > 0:
                self._pause(pause)

    def _pause(self, seconds: float) -> None:
        if self._closing.is_set():
            time.sleep(seconds)
        else:
            self._closing.wait(seconds)

    def _account(self) -> None:
        self._queue.done()
        outage, self._outlet.outage = self._outlet.outage, None
        if outage is not None and self._recovered is not None:
            try:
                self.put(self._recovered(outage), WARN)
            except Exception:  # noqa: BLE001 -- of others, and in the way of every line; until=2027-12-31
                self._outlet.errors += 1
        if self._waiters:
            with self._progress:
                self._progress.notify_all()

    # The end.

    def _stop(self, timeout_seconds: float) -> bool:
        """End the writer thread when all is written, or after the time-out; whether nobody writes any more."""
        thread = self._thread
        self._until = self._clock.monotonic() + timeout_seconds
        self._outlet.hurry()
        self._closing.set()
        if thread is None:
            self._write_here(self._until)
        elif thread is not threading.current_thread():
            self._release()
            thread.join(timeout_seconds + 2 * POLL_SECONDS)
        return not self._writing.locked()

    def _give_up(self) -> None:
        """Count what is not written as lost. Only when nobody writes."""
        self._queue.abandon(self._outlet.abandon())
        self._outlet.close()

    def _at_exit(self) -> None:
        """Write what is queued; what others log at exit after us is written where it is logged."""
        with self._lifecycle:
            if self._running and self._stop(EXIT_SECONDS):
                self._become_inline()

    # Forks.

    def _finalize_with_multiprocessing(self) -> None:
        """In a child of `multiprocessing`, which ends without `atexit`, have its own hooks call us, as the last."""
        process = sys.modules.get("multiprocessing.process")
        if process is not None and process.parent_process() is not None and self._finalizer is None:
            from multiprocessing.util import Finalize

            self._finalizer = Finalize(None, self._at_exit, exitpriority=-100)

    def _after_fork(self) -> None:
        self._renew()
        self._queue.reset()
        self._outlet.reset()
        util = sys.modules.get("multiprocessing.util")
        if self._running and util is not None:
            # Not at once: a child forgets its parent's hooks before it calls this.
            util.register_after_fork(self, Sink._finalize_with_multiprocessing)


def _in_child(ref: weakref.ref[Sink]) -> None:
    sink = ref()
    if sink is not None:
        sink._after_fork()  # noqa: SLF001 -- a method cannot be registered without keeping its sink; until=2027-12-31
