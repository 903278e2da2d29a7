"""How much processor time each process of the demo uses."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickwins.core.errors import needs_extra

with needs_extra("demo"):
    import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping

LOAD = "load generator"
POSTGRES = "postgres"


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class CpuReading:
    """Processor seconds used so far.

    Attributes:
        by_process: By each of the demo's processes, its children included.
        machine_seconds: By everything on this machine, other programs included.
    """

    by_process: Mapping[str, float]
    machine_seconds: float

    def since(self, before: CpuReading) -> CpuReading:
        """What was used between two readings of the same processes."""
        used = {
            name: max(0.0, seconds - before.by_process[name]) for name, seconds in self.by_process.items()
        }
        return CpuReading(used, self.machine_seconds - before.machine_seconds)

    @property
    def total_seconds(self) -> float:
        """All the demo's processes together."""
        return sum(self.by_process.values())


class CpuMeter:
    """Reads the CPU clocks of this process, which makes the load, and of others.

    Args:
        pids: The other processes by name; their children count too, dead or alive.
    """

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._own = psutil.Process()
        self._others = {name: psutil.Process(pid) for name, pid in pids.items()}

    def read(self) -> CpuReading:
        """The clocks now.

        Raises:
            psutil.NoSuchProcess: One of the processes has ended.
        """
        own = self._own.cpu_times()
        by_process = {LOAD: own.user + own.system}
        by_process |= {name: _with_children(process) for name, process in self._others.items()}
        machine = psutil.cpu_times()
        idle = machine.idle + getattr(machine, "iowait", 0.0)
        # `guest` is counted in `user` as well; adding it would count it twice.
        busy = sum(machine) - idle - getattr(machine, "guest", 0.0) - getattr(machine, "guest_nice", 0.0)
        return CpuReading(by_process, busy)


def _with_children(process: psutil.Process) -> float:
    times = process.cpu_times()
    seconds: float = times.user + times.system
    # Children that ended and were waited for; macOS does not know them.
    seconds += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            used = child.cpu_times()
            seconds += used.user + used.system
    return seconds
