"""The thread that empties a sink's queue, and what it costs the code that logs: nearly nothing.

A thread that finds the queue empty sleeps until a line wakes it, and then waits a little for more: to wake a thread, and
to pass CPython's lock to and fro, costs as much as some ten lines. Lines from WARN on, and 256 KiB, end that wait at once.

The rule: the thread that holds `_writing` writes, and looks for more lines before letting go. That is the writer's own, for as long as
it lives, or else, inline, the thread that logs. `_thread` is set by the thread itself, once it holds that: whether it really
began cannot be told from outside, where memory may run out, or a signal handler raise, in the middle of beginning it. One
that comes too late finds `_writing` held, and ends.

The trap: `rouse` is called inside `put`, hence anywhere, and takes no lock. It sets when to be called again first, and
releases the semaphore then; the writer, once awake, sets it anew. In the other order a slow caller would disarm a writer
that has gone back to sleep.
"""

from __future__ import annotations

import contextlib
import math
import sys
import threading
import time
from typing import TYPE_CHECKING

from quickwins.logs.sink._outlet import BATCH_BYTES, Sent
from quickwins.logs.sink._queue import NEVER, WARN, LineQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from quickwins.core.clock import Clock
    from quickwins.logs.sink._buffering import Buffering
    from quickwins.logs.sink._outlet import Outage, Outlet

LINGER_BYTES = 256 << 10
"""How much may wait, as far as it is no more than a quarter of the queue."""
POLL_SECONDS = 0.1
"""The longest it takes a writer with a stalled reader to notice that it should end."""
END_SECONDS = 0.05
"""How much longer than that its end may take."""


_ATOMIC = sys.implementation.name == "cpython" and getattr(sys, "_is_gil_enabled", lambda: True)()


class Writer:
    """Writes what is queued: in a thread that begins with the first line, or inline.

    Attributes:
        queue: What it empties.
        put: The queue's, as this interpreter needs it.
        recovered: Makes the line that says that writing works again; `None`: there is none.
    """

    __slots__ = (
        "_clock",
        "_closing",
        "_giving_up",
        "_inline",
        "_linger_bytes",
        "_linger_seconds",
        "_outlet",
        "_progress",
        "_targets",
        "_thread",
        "_threadless",
        "_until",
        "_urgent",
        "_wake",
        "_writing",
        "put",
        "queue",
        "recovered",
    )

    def __init__(self, outlet: Outlet, buffering: Buffering, clock: Clock) -> None:
        """Start nothing yet; a quarter of the queue is for severities from WARN on."""
        max_bytes = buffering.max_bytes
        self._outlet = outlet
        self._linger_bytes = min(LINGER_BYTES, max_bytes // 4)
        self._linger_seconds = buffering.linger_seconds
        self._inline = buffering.inline
        self._clock = clock
        self.queue = LineQueue(max_bytes, max_bytes // 4, self.rouse)
        self.put = self.queue.put if _ATOMIC else self.queue.put_locked
        self.recovered: Callable[[Outage], bytes] | None = None
        self.renew()

    def renew(self) -> None:
        """Begin anew with an empty queue, as in a fork's child, where the thread and any holder of a lock are gone."""
        self._progress = threading.Condition()
        self._targets: list[int] = []
        self._closing = threading.Event()
        self._giving_up = False
        self._until = math.inf
        self._urgent = False
        self._wake = threading.Lock()
        self._wake.acquire()
        self._writing = threading.Lock()
        self._threadless = False
        self._thread: threading.Thread | None = None
        self.queue.reset()
        self._outlet.reset()

    def resume(self) -> None:
        """Write again, after `stop`."""
        self._closing.clear()
        self._giving_up = False
        self._until = math.inf

    def rouse(self, severity: int) -> None:
        """See that what is queued gets written. Called in `put`: by any thread, in signal handlers, in finalizers."""
        if self._inline:
            self._write_here(-math.inf)
            return
        queue = self.queue
        try:
            # First this, then the release: once woken, the writer sets them again.
            if severity >= WARN or queue.size >= self._linger_bytes:
                self._urgent = True
                queue.wake_severity = queue.wake_bytes = NEVER
            else:
                queue.wake_severity, queue.wake_bytes = WARN, self._linger_bytes
            if self._thread is None:
                self._begin()  # which another thread may have done just now
            if self._urgent or self._thread is not None:
                self._release()
        except BaseException:  # of a signal handler, most likely
            queue.wake_severity = 0  # the next line tries again
            raise

    def _release(self) -> None:
        with contextlib.suppress(RuntimeError):  # it has been woken already
            self._wake.release()

    def _begin(self) -> None:
        try:
            threading.Thread(target=self._run, name="quickwins-log-sink", daemon=True).start()
            self._threadless = False
        except (
            RuntimeError,
            MemoryError,
            OSError,
        ):  # none can be had now, or the interpreter is about to end
            self._threadless = True
            self._write_here(-math.inf)
            self.queue.wake_severity = 0  # the next line tries again

    def become_inline(self) -> None:
        self._inline = True
        self.queue.wake_severity = 0
        self._write_here(-math.inf)

    def _run(self) -> None:
        queue = self.queue
        if not self._writing.acquire(blocking=False):
            queue.wake_severity = 0
            return
        try:
            self._thread = threading.current_thread()
            self._threadless = False
            self._work()
        finally:
            self._writing.release()
            self._thread = None
            queue.wake_severity = 0
        if queue.waiting and not self._closing.is_set():  # `resume`, or a line, came in between
            self.rouse(WARN)

    def _work(self) -> None:
        """Write until `stop`."""
        queue = self.queue
        before = -math.inf
        while not self._closing.is_set():
            self._wake.acquire(
                blocking=not self._urgent, timeout=-1 if self._urgent else self._linger_seconds
            )
            self._urgent = False
            queue.wake_severity, queue.wake_bytes = WARN, self._linger_bytes
            now = self._clock.monotonic()
            if queue.waiting or self._outlet.busy:
                self._drain(None)
                # With lines in every other linger, sleeping on costs less than being woken.
                rest, before = now - before < 2 * self._linger_seconds, now
                if rest:
                    continue
            queue.wake_severity = 0
            if not queue.waiting and not self._closing.is_set():
                self._wake.acquire()
        self._drain(None)
        if self._giving_up:
            self._abandon()

    def _write_here(self, until: float) -> bool:
        """Write what is queued in this thread, until the monotonic second `until`; whether nothing is left."""
        while self.queue.waiting or self._outlet.busy:
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
        queue, outlet, clock = self.queue, self._outlet, self._clock
        while True:
            left = (self._until if until is None else until) - clock.monotonic()
            try:
                if not outlet.busy:
                    outlet.load(queue.take(BATCH_BYTES))
                    if not outlet.busy:
                        return True
                sent = outlet.push(max(0.0, min(left, POLL_SECONDS)))
            except Exception as error:  # noqa: BLE001 -- whatever it is, lines must not be lost to it for ever; until=never
                outlet.failed(type(error).__name__)
                sent = Sent.FAILED
            if sent is Sent.DONE:
                self._account()
                continue
            pause = outlet.due - clock.monotonic() if sent is Sent.FAILED else 0.0
            if left <= pause or (outlet.hopeless and self._closing.is_set()):
                return False
            if pause > 0:
                self._pause(pause)

    def _pause(self, seconds: float) -> None:
        if self._closing.is_set():
            time.sleep(seconds)
        else:
            self._closing.wait(seconds)

    def _account(self) -> None:
        self.queue.done()
        outage, self._outlet.outage = self._outlet.outage, None
        if outage is not None and self.recovered is not None:
            try:
                self.put(self.recovered(outage), WARN)
            except Exception:  # noqa: BLE001 -- it is the caller's code, and would hold up every line; until=never
                self._outlet.errors += 1
        # Each flush is woken once: for every chunk, its thread and this one would pass the interpreter's lock to and fro.
        if self.queue.settled >= min(self._targets, default=math.inf):
            with self._progress:
                self._progress.notify_all()

    def flush(self, timeout_seconds: float) -> bool:
        """Wait for what is queued now to be written; whether it is."""
        queue = self.queue
        target = queue.accepted
        if queue.settled >= target:
            return True
        if self._inline:
            return self._write_here(self._clock.monotonic() + timeout_seconds)
        until = self._clock.monotonic() + timeout_seconds
        with self._progress:
            self._targets.append(
                target
            )  # before the condition is looked at: the writer does these in the other order
        try:
            self.rouse(WARN)
            while self._threadless and self._thread is None and queue.settled < target:
                # In steps: the thread may have begun all the same, and hold `_writing`.
                if self._clock.monotonic() >= until:
                    return False
                self._write_here(min(until, self._clock.monotonic() + POLL_SECONDS))
            with self._progress:
                left = until - self._clock.monotonic()
                return self._progress.wait_for(lambda: queue.settled >= target, max(0.0, left))
        finally:
            with self._progress:
                self._targets.remove(target)

    def stop(self, timeout_seconds: float, *, give_up: bool) -> bool:
        """End the thread when all is written, or after the time-out; whether nothing is being written any more.

        Args:
            timeout_seconds: From now.
            give_up: Count what is left as lost, and close the outlet, as soon as nobody writes.
        """
        thread = self._thread
        self._until = self._clock.monotonic() + timeout_seconds
        self._giving_up = give_up
        self._outlet.hurry()
        self._closing.set()
        if thread is None:
            self._write_here(self._until)
        elif thread is not threading.current_thread():
            self._release()
            thread.join(max(timeout_seconds, POLL_SECONDS) + END_SECONDS)
        if not self._writing.acquire(blocking=False):
            return False  # it gives up by itself when its write returns
        try:
            if give_up:
                self._abandon()
        finally:
            self._writing.release()
        return True

    def _abandon(self) -> None:
        self.queue.abandon(self._outlet.abandon())
        self._outlet.close()
