"""What is read besides pages of metrics: logs as they grow, and the reports of tests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from quickwins.core.errors import ConfigError
from quickwins.rollout.soak.evidence import Suite

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

MAX_LINE: Final = 1 << 20
"""Bytes of a line; the rest of a longer one counts as another line."""


class Follower:
    """The lines that a log gets from now on, through rotations. For one thread at a time. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        """Begin at the end of what is there.

        Raises:
            ConfigError: It can't be read.
        """
        self._path = path
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from None
        self._file.seek(0, 2)
        self._begun = b""

    def __repr__(self) -> str:
        return f"<Follower of {self._path}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def lines(self) -> Iterator[bytes]:
        """All lines that were finished since the last time."""
        yield from self._new()
        if self._moved():
            self._file.close()
            self._file = self._path.open("rb")
            yield from self._new()

    def _new(self) -> Iterator[bytes]:
        if self._file.tell() > os.fstat(self._file.fileno()).st_size:
            self._file.seek(0)  # cut short in place, as `copytruncate` does
        while part := self._file.readline(MAX_LINE):
            line, self._begun = self._begun + part, b""
            if not line.endswith(b"\n") and len(line) < MAX_LINE:
                self._begun = line
                return
            yield line

    def _moved(self) -> bool:
        """Whether another file has the name by now; none has for a moment while a log is rotated."""
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        own = os.fstat(self._file.fileno())
        return (own.st_dev, own.st_ino) != (there.st_dev, there.st_ino)


def read_suites(paths: Iterable[Path]) -> Suite | None:
    """What JUnit files of pytest, or of anything else, say together; `None`: no path was given.

    Raises:
        ConfigError: One can't be read, or is no such report.
    """
    total = passed = failed = skipped = 0
    for path in paths:
        try:
            suites = [*ET.parse(path).getroot().iter("testsuite")]  # noqa: S314 -- the operator's own file; until=never
            counts = [
                [int(one.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")] for one in suites
            ]
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from None
        except (ET.ParseError, ValueError) as error:
            raise ConfigError(f"{path}: no JUnit report: {error}") from None
        total += 1
        for tests, failures, errors, left_out in counts:
            failed += failures + errors
            skipped += left_out
            passed += tests - failures - errors - left_out
    return Suite(passed, failed, skipped) if total else None
