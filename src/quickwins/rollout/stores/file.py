"""Ramps in one JSON file, for controllers on one machine or on a file system that has locks."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quickwins.core.errors import ConfigError
from quickwins.core.flags.writer import replace_whole
from quickwins.rollout.errors import RolloutBlocked, RolloutReason
from quickwins.rollout.stores.record import Record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from quickwins.rollout._core.state import State

WAIT_SECONDS = 2.0
LOOK_SECONDS = 0.005


class FileStore:
    """A file that is replaced whole, under a lock beside it. The process that holds the lock and dies gives it back."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Keep ramps in `path`; it is made when the first one is put."""
        self._path = Path(path)
        self._lock = self._path.with_name(self._path.name + ".lock")

    def __repr__(self) -> str:
        return f"FileStore({str(self._path)!r})"

    @asynccontextmanager
    async def exclusive(self, feature: str) -> AsyncIterator[_Held]:
        """See `Store`; waits for 2 s at most.

        Raises:
            ConfigError: The file is no file of ramps.
        """
        file = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            await self._locked(file)
            yield _Held(self._path, feature, self._read())
        finally:
            os.close(file)

    async def _locked(self, file: int) -> None:
        for _ in range(int(WAIT_SECONDS / LOOK_SECONDS)):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                await asyncio.sleep(LOOK_SECONDS)
            else:
                return
        raise RolloutBlocked(
            f"{self._path}: another process has had it for {WAIT_SECONDS:g} s", reason=RolloutReason.BUSY
        )

    def _read(self) -> dict[str, Any]:
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        if not text:  # made, and its maker died
            return {}
        try:
            values: dict[str, Any] = {name: Record.from_json(one) for name, one in json.loads(text).items()}
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise ConfigError(f"{self._path}: this is no file of ramps: {type(error).__name__}") from None
        return values


class _Held:
    """See `stores.record.Held`."""

    def __init__(self, path: Path, feature: str, records: dict[str, Record]) -> None:
        self._path = path
        self._feature = feature
        self._records = records
        self.record = records.get(feature)
        self.others: dict[str, State] = {name: one.state for name, one in records.items() if name != feature}

    async def put(self, record: Record) -> None:
        """See `stores.record.Held`."""
        self.record = self._records[self._feature] = record
        text = json.dumps({name: one.as_json() for name, one in self._records.items()})
        if not self._path.exists():
            self._path.touch(0o644)
        replace_whole(self._path, text.encode())
