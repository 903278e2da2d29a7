"""The series of all processes together, from the files that multiprocess mode has of each.

A process that is killed leaves its files behind. Its counters count on, but not its live gauges: nobody holds a permit any more.
And it may leave a file that it was just making, on which prometheus_client fails as a whole: such a file is left out.

The trap: files are named by processes' numbers only where nobody has asked for other names, as for uWSGI's workers. Where this
process has files and none by its own number, nothing is known of who is still there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from quickwins.core.events import METRICS_FILE_UNREADABLE, Reporter
from quickwins.core.metrics import _files

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prometheus_client import Metric


class Together(Collector):
    """Collects what all processes have written into a folder. Any thread."""

    def __init__(self, folder: str) -> None:
        """Read nothing yet.

        Raises:
            ValueError: There is no such folder.
        """
        MultiProcessCollector(None, folder)  # type: ignore[no-untyped-call]  # -- prometheus_client leaves it untyped; until=2027-10-31
        self._folder = Path(folder)
        self._reporter = Reporter()
        self._told: frozenset[str] = frozenset()

    def collect(self) -> Iterable[Metric]:
        """See `prometheus_client.registry.Collector`."""
        files = [str(file) for file in self._folder.glob("*.db")]
        if not _files.any_kept() or any(self._folder.glob(f"*_{os.getpid()}.db")):
            files = [file for file in files if not _is_left_behind(Path(file).stem)]
        try:
            return _merged(files)
        except Exception:  # noqa: BLE001 -- a broken file fails in many ways; until=never
            return _merged(self._readable(files))

    def _readable(self, files: Sequence[str]) -> list[str]:
        """Those of `files` that can be read; of each other one an event tells once."""
        broken: dict[str, str] = {}
        for file in files:
            try:
                _merged([file])
            except Exception as error:  # noqa: BLE001 -- as above; until=never
                broken[file] = type(error).__name__
        told, self._told = self._told, frozenset(broken)
        for file in broken.keys() - told:
            self._reporter.report(METRICS_FILE_UNREADABLE, file=Path(file).name, error=broken[file])
        return [file for file in files if file not in broken]


def _merged(files: Sequence[str]) -> Iterable[Metric]:
    merged: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]  # -- prometheus_client leaves it untyped; until=2027-10-31
    return merged


def _is_left_behind(name: str) -> bool:
    """Whether a file has the live gauges of a process that is no more: `gauge_livesum_17`."""
    kind, _, rest = name.partition("_")
    mode, _, pid = rest.partition("_")
    if kind != "gauge" or not mode.startswith("live") or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):  # somebody else's, or no process's number
        return False
    return False
