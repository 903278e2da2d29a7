"""Which lines are admitted, how they end, and what is said about those that were not. No I/O, no clock, no thread.

The rule: a line is charged its length and `CHARGE`. Above `max_bytes` less the reserve only warnings and errors are
admitted, above `max_bytes` nothing is. Whatever is refused is counted, by reason, and told by the next line admitted.

The trap: `put` runs in any thread, in signal handlers and in finalizers, also in the middle of another `put` of the
same thread. A lock would make them wait for each other, for ever in the last case, and costs more than all the rest. So
there is none: CPython switches threads only at calls and at jumps back, and each statement here that changes a shared
number is one line without either. An interpreter that promises less uses `put_locked`.
"""

from __future__ import annotations

import threading
from collections import deque
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

WARN = 13
"""The least severity that may use the reserve, and that is written without delay: OpenTelemetry's WARN."""

CHARGE = 64
"""What a line costs beyond its own length: its ending, and the object that holds it."""

NEVER = 1 << 60
"""A severity and a number of bytes that no line reaches."""

_FINISHED = b'%b,"seq":%d}\n'


class DropReason(StrEnum):
    """Why a line was dropped."""

    QUEUE_FULL = "queue_full"
    """The queue held `max_bytes`."""
    RESERVE = "reserve"
    """DEBUG or INFO, and what was left of the queue is kept for warnings and errors."""
    CLOSED = "closed"
    """The sink was not started yet, or closed."""
    UNWRITTEN = "unwritten"
    """Admitted, but the sink was closed before it could be written. No line tells of these: there is none after them."""


class LineQueue:
    """A queue of lines, bounded in bytes, with any number of producers and one consumer.

    Attributes:
        size: What admitted lines that are not written yet are charged.
        missed: How many were dropped since the last line admitted.
        full: How many were dropped as `DropReason.QUEUE_FULL`.
        reserved: As `DropReason.RESERVE`.
        shut: As `DropReason.CLOSED`.
        lost: As `DropReason.UNWRITTEN`.
        seq: The number of the last record that the consumer has taken; dropped ones are counted. The first is 1.
        written_lines: How many have been written.
        written_bytes: Their bytes.
        wake_severity: From which severity on `put` calls `wake`.
        wake_bytes: From which size on it does, whatever the severity.
    """

    __slots__ = (
        "_append",
        "_chunk_bytes",
        "_chunk_cost",
        "_chunk_lines",
        "_lines",
        "_lock",
        "_low",
        "_max_bytes",
        "_open",
        "_reserve_bytes",
        "_taken",
        "_wake",
        "full",
        "lost",
        "missed",
        "reserved",
        "seq",
        "shut",
        "size",
        "wake_bytes",
        "wake_severity",
        "written_bytes",
        "written_lines",
    )

    def __init__(self, max_bytes: int, reserve_bytes: int, wake: Callable[[int], None]) -> None:
        """Begin shut; `open` it.

        Args:
            max_bytes: What all lines together may be charged.
            reserve_bytes: How much of that is for severities from `WARN` on.
            wake: Called by `put`, in its thread, after a line that reaches `wake_severity` or `wake_bytes`, with the
                line's severity.
        """
        self._max_bytes = max_bytes
        self._reserve_bytes = reserve_bytes
        self._wake = wake
        self._lines: deque[bytes | tuple[bytes, int]] = deque()
        self._append = self._lines.append
        self._open = False
        self._low = -1
        self.reset()

    def reset(self) -> None:
        """Forget every line and every count, as after a fork. Nobody else may use the queue meanwhile."""
        self._lock = threading.RLock()
        self._lines.clear()
        self._chunk_cost = self._chunk_lines = self._chunk_bytes = 0
        self._taken = 0
        self.size = 0
        self.missed = self.full = self.reserved = self.shut = self.lost = 0
        self.seq = 0
        self.written_lines = self.written_bytes = 0
        self.wake_severity = self.wake_bytes = 0

    # What producers do.

    def put(self, line: bytes, severity: int) -> bool:
        """Admit `line`, a JSON object without its closing brace, or drop and count it; whether it was admitted."""
        cost = len(line) + CHARGE
        self.size = size = self.size + cost
        try:
            if size > self._low and not self._admits(size, cost, severity):
                return False
            self._append((line, self._tell()) if self.missed else line)
        except (RecursionError, MemoryError):  # at the call, before any of them has begun
            self.size = self.size - cost
            self.missed = self.missed + 1
            self.full = self.full + 1
            return False
        if severity >= self.wake_severity or size >= self.wake_bytes:
            try:
                self._wake(severity)
            except RecursionError:
                return True  # the next line wakes the writer
        return True

    def put_locked(self, line: bytes, severity: int) -> bool:
        """`put` for interpreters that run Python code in parallel."""
        with self._lock:
            return self.put(line, severity)

    def _admits(self, size: int, cost: int, severity: int) -> bool:
        if self._open and size <= self._max_bytes and severity >= WARN:
            return True
        self.size = self.size - cost
        self.missed = self.missed + 1
        if not self._open:
            self.shut = self.shut + 1
        elif size > self._max_bytes:
            self.full = self.full + 1
        else:
            self.reserved = self.reserved + 1
        return False

    def _tell(self) -> int:
        missed, self.missed = self.missed, 0
        return missed

    # What the owner does.

    def open(self) -> None:
        """Admit lines from now on."""
        self._open = True
        self._low = self._max_bytes - self._reserve_bytes

    def close(self) -> None:
        """Admit no line from now on."""
        self._open = False
        self._low = -1

    def abandon(self, written: int = 0) -> None:
        """Give up all that was admitted, `written` lines of the chunk excepted. Nobody may consume meanwhile."""
        with self._lock:
            self.written_lines += min(written, self._chunk_lines)
            self.size = self.size - self._chunk_cost
            self.lost += self.accepted - self.settled
            while self.take(NEVER):
                self.size = self.size - self._chunk_cost
            self._chunk_cost = self._chunk_lines = self._chunk_bytes = 0

    @property
    def accepted(self) -> int:
        """How many lines were admitted, in all."""
        with self._lock:
            return self._taken + len(self._lines)

    @property
    def settled(self) -> int:
        """How many of those are written or lost."""
        return self.written_lines + self.lost

    @property
    def dropped(self) -> dict[DropReason, int]:
        """How many lines were dropped, by reason."""
        return {
            DropReason.QUEUE_FULL: self.full,
            DropReason.RESERVE: self.reserved,
            DropReason.CLOSED: self.shut,
            DropReason.UNWRITTEN: self.lost,
        }

    # What the consumer does, one thread at a time.

    @property
    def waiting(self) -> bool:
        """Whether there is a line that `take` has not returned."""
        return bool(self._lines)

    def take(self, limit_bytes: int) -> bytes:
        """The oldest lines, finished, until `limit_bytes` are charged for them; one at least; empty if there is none.

        They stay charged until `done`.
        """
        parts: list[bytes | int] = []
        cost = 0
        popleft, append, seq = self._lines.popleft, parts.append, self.seq
        with self._lock:  # against `accepted`, which must not miss what is on its way
            while cost < limit_bytes:
                try:
                    item = popleft()
                except IndexError:
                    break
                seq += 1
                if isinstance(item, tuple):
                    line, missed = item
                    seq += missed
                    append(b'%b,"log.dropped":%d' % item)
                else:
                    line = item
                    append(item)
                cost += len(line) + CHARGE
                append(seq)
            count = len(parts) >> 1
            chunk = _FINISHED * count % tuple(parts)  # all in one go: that takes half the time
            self.seq = seq
            self._taken += count
            self._chunk_cost, self._chunk_lines, self._chunk_bytes = cost, count, len(chunk)
        return chunk

    def done(self) -> None:
        """The chunk that was taken last is written."""
        with self._lock:  # against `put_locked`
            self.size = self.size - self._chunk_cost
            self.written_lines += self._chunk_lines
            self.written_bytes += self._chunk_bytes
            self._chunk_cost = self._chunk_lines = self._chunk_bytes = 0
