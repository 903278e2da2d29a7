"""What a server leaves on the machine, and waiting until none of it is there."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from quickwins.engines import KafkaBroker, PostgresServer, ValkeyServer
from quickwins.engines.process import Child
from tests.eventually import wait_until

AnyServer = PostgresServer | ValkeyServer | KafkaBroker
ALL: tuple[type[AnyServer], ...] = (PostgresServer, ValkeyServer, KafkaBroker)


def alive(pid: int) -> bool:
    """Whether it runs; a process that ended and was not reaped yet does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def listening(port: int) -> bool:
    """Whether somebody accepts on 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def processes(child: Child) -> list[int]:
    """The supervisor, the child and everything below it."""
    supervisor = psutil.Process(child._supervisor.pid)
    return [supervisor.pid, *(process.pid for process in supervisor.children(recursive=True))]


@dataclass(frozen=True, slots=True)
class Traces:
    """All that one running server has on the machine."""

    pids: list[int]
    port: int
    folder: str

    @classmethod
    def of(cls, server: AnyServer) -> Traces:
        return cls(processes(server.child), server.port, str(server.folder))

    def left(self) -> list[str]:
        found = [f"process {pid}" for pid in self.pids if alive(pid)]
        found += [f"port {self.port}"] if listening(self.port) else []
        return found + ([self.folder] if Path(self.folder).exists() else [])


def assert_all_gone(several: Iterable[Traces]) -> None:
    """Nothing of these servers is left, before the patience of the tests is at its end."""
    several, left = list(several), ["left behind"]

    def gone() -> bool:
        left[1:] = [trace for traces in several for trace in traces.left()]
        return left == ["left behind"]

    wait_until(gone, left)
