"""Which processors the processes of a run may have: any, or those who write one and all else of the server another."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

ENOUGH = 4
"""From so many cores on, nobody who writes waits for the one that a build takes."""
PROCESSES = "SELECT pid, backend_type <> 'client backend' AS own FROM pg_stat_activity"


@dataclass(frozen=True)
class Cores:
    """Who may be where.

    Attributes:
        name: For people.
        writers: For the load generator and its sessions on the server.
        others: For the build, the server's own processes and whoever asks for the build.
    """

    name: str
    writers: frozenset[int]
    others: frozenset[int]

    @property
    def apart(self) -> bool:
        """Whether those two are kept from each other."""
        return not self.writers & self.others

    async def take(self, connection: asyncpg.Connection, folder: Path) -> None:
        """Move this process and the whole server, but for sessions that come later and say otherwise.

        Kept apart, the server's own processes come before the build on their core: one that has a lock, as who writes the WAL
        out, would else make writers on the other core wait until the build lets it go on.

        Args:
            connection: Any session of the server.
            folder: The server's; its first process stands in a file there. What that one starts is where it is itself.
        """
        postmaster = int((folder / "data" / "postmaster.pid").read_text().split()[0])
        move(0, self.others)
        move(postmaster, self.others)
        for row in await connection.fetch(PROCESSES):
            move(row["pid"], self.others)
            if row["own"]:
                prefer(row["pid"], preferred=self.apart)


def move(pid: int, cores: frozenset[int]) -> None:
    """Let a process, 0 for this one, run on `cores` only; it may have ended."""
    with suppress(ProcessLookupError):
        os.sched_setaffinity(pid, cores)


def prefer(pid: int, *, preferred: bool = True) -> bool:
    """Let a process, 0 for this one, run as soon as it can, before all that is not preferred; whether we may."""
    policy, priority = (os.SCHED_RR, 1) if preferred else (os.SCHED_OTHER, 0)
    with suppress(ProcessLookupError, PermissionError):
        os.sched_setscheduler(pid, policy, os.sched_param(priority))
        return True
    return False


def ways() -> list[Cores]:
    """The ways to share this machine's processors; what writers wait for is judged by the last one."""
    all_ = sorted(os.sched_getaffinity(0))
    free = Cores("anywhere", frozenset(all_), frozenset(all_))
    if not 1 < len(all_) < ENOUGH:
        return [free]
    return [free, Cores("a core each", frozenset(all_[:1]), frozenset(all_[1:2]))]
