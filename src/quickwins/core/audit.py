"""Append-only history as JSON lines: who saw which switch, and when.

One line is one `write` under an advisory lock, so several processes may share a file. A full file is renamed to
`<name>.1` and replaces the one before it: history never takes more than twice `max_bytes`.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

LOCK_ATTEMPTS = 50
LOCK_PAUSE_SECONDS = 0.001
"""All processes of a service record a switch at the same time; together this is long enough for hundreds of writes, and
short enough for an event loop to wait while somebody stopped holds the lock."""


class AuditLog:
    """Appends to one file. Safe for threads and for several processes on one machine; blocks for one small write."""

    def __init__(self, path: Path, *, max_bytes: int = 8 << 20) -> None:
        self.path = path
        self.max_bytes = max_bytes

    def __repr__(self) -> str:
        return f"AuditLog({str(self.path)!r}, max_bytes={self.max_bytes})"

    @property
    def rotated_path(self) -> Path:
        """Where a full file goes."""
        return self.path.with_name(self.path.name + ".1")

    def append(self, record: Mapping[str, object]) -> None:
        """Add one line.

        Raises:
            OSError: The file cannot be written; nothing was added.
        """
        line = json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
        while not self._append_or_rotate(line):
            pass

    def _append_or_rotate(self, line: bytes) -> bool:
        # Non-blocking, so that a FIFO under this name cannot hold up the event loop.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        file = os.open(self.path, flags, 0o644)
        try:
            _lock(file)
            opened = os.fstat(file)
            if opened.st_nlink == 0 or not self._is_current(opened):
                return False  # another process rotated it between our open and our lock
            if opened.st_size and opened.st_size + len(line) > self.max_bytes:
                self.path.replace(self.rotated_path)
                return False
            os.write(file, line)
            return True
        finally:
            os.close(file)

    def _is_current(self, opened: os.stat_result) -> bool:
        try:
            current = self.path.stat()
        except FileNotFoundError:
            return False
        return (current.st_dev, current.st_ino) == (opened.st_dev, opened.st_ino)

    def records(self) -> Iterator[dict[str, object]]:
        """Every whole record, oldest first. Lines that are torn, or not ours, are skipped."""
        for path in (self.rotated_path, self.path):
            try:
                lines = path.read_bytes().splitlines()
            except FileNotFoundError:
                continue
            for line in lines:
                try:
                    record = json.loads(line)
                except ValueError:
                    continue
                if isinstance(record, dict):
                    yield record


def _lock(file: int) -> None:
    """Take the advisory lock.

    Raises:
        BlockingIOError: Somebody else keeps it for longer than several small writes take.
    """
    for _ in range(LOCK_ATTEMPTS - 1):
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(LOCK_PAUSE_SECONDS)
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
