"""Where lines go: a descriptor or a file, written in whole lines, whatever becomes of it. One thread at a time.

A descriptor's number is its owner's, and anybody's once the owner has closed it: `open` gives the lowest free one, and log
lines would end up in a database. So we write to a duplicate of our own. Only `dup2` makes a descriptor that children inherit,
everything else in Python (PEP 446) and what opens with O_CLOEXEC doesn't: that is how a redirection, which is followed, is
told from such a file.

The rule: what was begun is continued, never repeated, so that no half line is followed by another one. Only in another
file, after a rotation, the line that was cut is written again, whole.

A pipe is given at most PIPE_BUF bytes at once (4,096 on Linux), which POSIX writes in one piece, so that the lines of
processes that share it do not mix. O_NONBLOCK would keep a reader that stalls from holding us inside `write`, but it
belongs to everybody who has the pipe open. Linux can do it for one write (RWF_NOWAIT, for pipes since 6.4); elsewhere the
pipe is asked before each one whether it has room, which is as good unless somebody else fills it in between.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import stat
import sys
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quickwins.core.clock import Clock

BATCH_BYTES = 64 << 10
"""How much of the queue is taken at once. A chunk costs as much besides as several lines."""
LOOK_SECONDS = 1.0
"""How often a path is looked up again, to follow a rotation."""
FULL_SECONDS = 0.01
FIRST_BACKOFF_SECONDS = 0.1
LAST_BACKOFF_SECONDS = 30.0

NOWAIT = hasattr(os, "pwritev") and hasattr(os, "RWF_NOWAIT")
"""Whether Python can ask for a single write that doesn't wait; whether the kernel can shows in the first answer."""
_NO_NOWAIT = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


class Sent(Enum):
    """What came of an attempt."""

    DONE = auto()
    STALLED = auto()
    """There is no room now."""
    FAILED = auto()
    """There is none before `due`: there was an error."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which nothing could be written, now over.

    Attributes:
        errors: How many attempts failed.
        seconds: From the first one that failed to the one that did not.
        error: What the last one met: an errno's name, as `EPIPE`, or an exception's type.
    """

    errors: int
    seconds: float
    error: str


class Outlet:
    """One chunk of lines on its way out.

    Attributes:
        due: The monotonic second before which nothing is tried again.
        errors: Attempts that failed, in all.
        stalled: Whether the last attempt found no room.
        outage: What has just ended, until somebody takes it away.
    """

    __slots__ = (
        "_at",
        "_clock",
        "_data",
        "_failures",
        "_fd",
        "_first_failed",
        "_given",
        "_identity",
        "_last_error",
        "_look_at",
        "_nowait",
        "_opened",
        "_path",
        "_poll",
        "_regular",
        "_stale",
        "_told",
        "_torn",
        "due",
        "errors",
        "outage",
        "stalled",
    )

    def __init__(self, target: int | Path, clock: Clock) -> None:
        """Open nothing yet.

        Args:
            target: A descriptor, which stays its owner's, or the path of a file, which is made if it isn't there.
            clock: For back-off, and for how often a path is looked up.
        """
        self._clock = clock
        self._path = target if isinstance(target, Path) else None
        self._given = target if isinstance(target, int) else -1
        self._fd = -1
        self._opened = False
        self._told: set[str] = set()  # there are only so many kinds of errors
        self.reset()

    def open(self) -> None:
        """Duplicate the descriptor, if that is what it was given; unless it is closed, or was when the process began."""
        self._opened = True
        if self._path is None and self._fd < 0 and _began_open(self._given):
            with contextlib.suppress(OSError):
                self._fd = os.dup(self._given)

    def reset(self) -> None:
        """Forget what is on its way and what went wrong, as after a fork."""
        self._data = b""
        self._at = 0
        self._poll: select.poll | None = (
            None  # one that a thread was in when the process forked stays occupied
        )
        self._torn = False
        self._identity: tuple[int, int] | None = None
        self._regular = False
        self._nowait = False
        self._look_at = 0.0
        self._stale = True
        self._failures = 0
        self._first_failed = 0.0
        self._last_error = ""
        self.due = 0.0
        self.errors = 0
        self.stalled = False
        self.outage: Outage | None = None

    @property
    def busy(self) -> bool:
        """Whether a chunk is on its way."""
        return bool(self._data)

    @property
    def failing(self) -> bool:
        """Whether the last attempt met an error."""
        return self._failures > 0

    @property
    def hopeless(self) -> bool:
        """Whether there is nothing to write to, and won't be."""
        return self._opened and self._path is None and self._fd < 0

    def load(self, chunk: bytes) -> None:
        """What to write next: whole lines. The chunk before must be `DONE`."""
        self._data, self._at = chunk, 0

    def push(self, wait_seconds: float) -> Sent:
        """Write on, and wait for room once, for at most `wait_seconds`. Never raises an `Exception`."""
        if self._clock.monotonic() < self.due:
            return Sent.FAILED
        try:
            self._look()
            if self._path is None and self._redirected():
                self._look()
            while self._at < len(self._data):
                written = self._write(self._next(), wait_seconds)
                if written is None:
                    return Sent.STALLED
                self._at += written
                if self.stalled:
                    wait_seconds = 0.0
        except BlockingIOError:  # others took the room that there was
            self.stalled = True
            self.due = self._clock.monotonic() + FULL_SECONDS
            return Sent.FAILED
        except OSError as error:
            self.failed(errno.errorcode.get(error.errno or 0, type(error).__name__))
            return Sent.FAILED
        self._data = b""
        self.stalled = False
        if self._failures:
            seconds = self._clock.monotonic() - self._first_failed
            self.outage = Outage(self._failures, seconds, self._last_error)
            self._failures = 0
        return Sent.DONE

    def failed(self, error: str) -> None:
        """Count an error, and wait before the next attempt: twice as long each time, 30 seconds at most."""
        now = self._clock.monotonic()
        if not self._failures:
            self._first_failed = now
        delay = min(LAST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0 ** min(self._failures, 30))
        self.due = now + delay
        self.errors += 1
        self._failures += 1
        self._last_error = error
        self.stalled = False
        self._look_at = 0.0
        self._stale = True
        if self._path is not None and error not in self._told:
            self._told.add(error)
            _tell(self._path, error)

    def hurry(self) -> None:
        """Try again at once, however long the next attempt was to wait."""
        self.due = 0.0

    def abandon(self) -> int:
        """Leave the chunk where it is; how many of its lines have been written whole."""
        written = self._data.count(b"\n", 0, self._at)
        if self._at and self._data[self._at - 1] != ord("\n"):
            self._torn, self._identity, self._look_at = True, None, 0.0  # the next line finds out where it is
        self._data, self._at = b"", 0
        return written

    def close(self) -> None:
        """Close what we write to; it is ours."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            with contextlib.suppress(OSError):
                os.close(fd)

    def _look(self) -> None:
        """See what the descriptor is, and whether the path still leads to it."""
        now = self._clock.monotonic()
        if now < self._look_at:
            return
        if not self._opened:
            self.open()
        if self._path is not None and (self._stale or self._fd < 0 or self._moved(self._path)):
            self._reopen(self._path)
        found = os.fstat(self._fd)
        if (found.st_dev, found.st_ino) != self._identity:
            self._begin_anew(found)
        self._stale = False
        self._look_at = now + LOOK_SECONDS

    def _redirected(self) -> bool:
        """Whether the descriptor points elsewhere now, and we have a new duplicate."""
        try:
            found = os.fstat(self._given)
            if (found.st_dev, found.st_ino) == self._identity or not os.get_inheritable(self._given):
                return False
            fd = os.dup(self._given)
        except OSError:  # closed: our duplicate is as good as before
            return False
        self.close()
        self._fd, self._look_at = fd, 0.0
        return True

    def _moved(self, path: Path) -> bool:
        try:
            found = path.stat()
        except FileNotFoundError:
            return True
        return (found.st_dev, found.st_ino) != self._identity

    def _reopen(self, path: Path) -> None:
        # A FIFO that nobody reads would hold us here; the description is our own, and made to block at once.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
        fd = os.open(path, flags, 0o640)
        self.close()
        self._fd = fd
        os.set_blocking(fd, True)

    def _begin_anew(self, found: os.stat_result) -> None:
        self._identity = found.st_dev, found.st_ino
        self._regular = stat.S_ISREG(found.st_mode)
        self._nowait = NOWAIT
        self._at = self._data.rfind(b"\n", 0, self._at) + 1
        if self._regular and self._path is not None:
            self._torn = found.st_size > 0 and _ends_torn(self._path)
        if self._torn:
            self._data = self._data[: self._at] + b"\n" + self._data[self._at :]
            self._torn = False

    def _next(self) -> bytes:
        """What one write is given: of what goes elsewhere than into a file, whole lines of PIPE_BUF at most, or one that is longer."""
        data, at = self._data, self._at
        if self._regular or len(data) - at <= select.PIPE_BUF:
            return data[at:] if at else data
        end = data.rfind(b"\n", at, at + select.PIPE_BUF) + 1 or data.index(b"\n", at) + 1
        return data[at:end]

    def _write(self, data: bytes, wait_seconds: float) -> int | None:
        """How much of `data` was written; `None`: there was no room."""
        if self._regular:
            return os.write(self._fd, data)
        if self._nowait:
            try:
                return os.pwritev(self._fd, (data,), -1, os.RWF_NOWAIT)
            except BlockingIOError:
                pass
            except OSError as error:
                if error.errno not in _NO_NOWAIT:
                    raise
                self._nowait = False
        if not self._has_room(wait_seconds):
            return None
        if self._nowait:
            return os.pwritev(self._fd, (data,), -1, os.RWF_NOWAIT)
        return os.write(self._fd, data)

    def _has_room(self, wait_seconds: float) -> bool:
        if self._poll is None:
            self._poll = select.poll()
        self._poll.register(self._fd, select.POLLOUT)
        # An error or a hang-up counts as room: the write will tell which one it is.
        if self._poll.poll(0):
            return True
        self.stalled = True
        return bool(self._poll.poll(wait_seconds * 1_000))


def _tell(path: Path, error: str) -> None:
    """Say on standard error what is wrong with a file: without that the console would show nothing at all."""
    try:
        sys.stderr.write(
            f"quickwins: log lines cannot be written to {path}: {error}; this is tried again, and from now on only counted, in "
            "log_sink_errors_total\n"
        )
    except Exception:  # noqa: BLE001 -- there may be no standard error, or anything in its place; until=never
        return


def _began_open(descriptor: int) -> bool:
    """Whether a descriptor is no standard stream that was closed when the process began; Python shows that as `None`."""
    streams = {0: sys.__stdin__, 1: sys.__stdout__, 2: sys.__stderr__}
    return streams.get(descriptor, sys) is not None


def _ends_torn(path: Path) -> bool:
    """Whether the last line of a file is cut, as a process leaves it that is killed or has found the disk full."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
    return False
