"""Whose a container is: the label that survives every way in which its owner can end.

The owner is a process, named by its id and its start, so that a later process of the same id is somebody else; and by
its machine, since a daemon can serve several and their process ids mean nothing to each other.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping

RUN: Final = "org.quickwins.run"
MACHINE: Final = "org.quickwins.machine"


def labels() -> dict[str, str]:
    """The labels of what this process starts."""
    return {RUN: f"{os.getpid()}:{started(os.getpid())}", MACHINE: machine()}


def is_orphan(found: Mapping[str, str]) -> bool:
    """Whether the process with these labels lived on this machine and is gone."""
    if found.get(MACHINE) != machine():
        return False
    pid, _, start = found.get(RUN, "").partition(":")
    return pid.isdigit() and started(int(pid)) != start


def started(pid: int) -> str:
    """When the process started, in its system's own unit; empty when it is gone or waits to be reaped."""
    try:
        if Path("/proc/self/stat").exists():
            # Ticks since boot: unlike the time of day, never corrected. The command before it may hold spaces.
            state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return "" if state in "ZX" else fields[18]
        return str(int(psutil.Process(pid).create_time()))
    except (OSError, psutil.Error):
        return ""


def machine() -> str:
    """What tells two sets of process ids apart: the host's name and, on Linux, the namespace."""
    namespace = Path("/proc/self/ns/pid")
    return f"{platform.node()}:{namespace.readlink() if namespace.exists() else ''}"
