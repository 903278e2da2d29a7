"""Keeps this process's files of multiprocess mode up to date: there, nobody scrapes the process itself.

One thread writes them once a second, and once more at the end. It can't be left to the event loops of those that count:
logging has none, and a loop may end while what counted on it goes on, on the next one.

The trap is `fork`: a lock that this thread holds at that moment would be held for ever in the child. So a fork waits until a
write is done, and the child has a thread of its own.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from contextlib import suppress
from typing import Protocol

WRITE_SECONDS = 1.0
"""How old the numbers in the files may be."""


class Series(Protocol):
    """What is kept up to date."""

    def write(self) -> None:
        """Write it. Called by one thread at a time."""
        ...

    def begin_anew(self) -> None:
        """Write only what is counted from now on: this is a fork's child, and the rest is in its parent's file."""
        ...


_lock = threading.RLock()  # a signal handler may close what is being written
_kept: weakref.WeakSet[Series] = weakref.WeakSet()
_thread: threading.Thread | None = None


def keep(series: Series) -> None:
    """Write `series` from now on, as long as it lives. Any thread."""
    with _lock:
        _kept.add(series)
        if _thread is None:
            os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_in_child)
            atexit.register(_write_all)
            _start()


def write(series: Series) -> None:
    """Write `series` now. Any thread."""
    with _lock:
        series.write()


def any_kept() -> bool:
    """Whether this process has files."""
    return bool(_kept)


def _start() -> None:
    global _thread  # noqa: PLW0603 -- a process has one of it; until=never
    _thread = threading.Thread(target=_run, name="quickwins-metrics-files", daemon=True)
    _thread.start()


def _run() -> None:
    while True:
        time.sleep(WRITE_SECONDS)
        _write_all()


def _write_all() -> None:
    with _lock:
        for series in list(_kept):
            # One that cannot be written now, on a full disk for instance, keeps no other from it.
            with suppress(Exception):
                series.write()


def _in_child() -> None:
    for series in list(_kept):
        series.begin_anew()
    _lock.release()
    _start()
