"""The small process between us and a child, which outlives us just long enough to clean up.

Run by path as `python -I _supervisor.py FD PARENT`, with the standard library only, so that it starts in a few
milliseconds. FD is one end of a socket pair; only the parent has the other end. The parent sends one JSON object on each
line, and gets one back for each. Everything rests on this: **when that socket is closed, or the parent's id changes, the
child is stopped and the temporary folder removed**. The kernel closes the socket however the parent dies, even by SIGKILL,
on every POSIX system. The parent's id is watched too, because a process forked by the parent has a copy of its end.

It leads a session of its own: Ctrl-C at a terminal reaches the parent, which decides what to do, but not this process or
the child. A SIGTERM, SIGINT or SIGHUP sent to this process is taken as the end of the parent.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

TICK_SECONDS = 0.25
"""How often the parent's id is checked, and the longest that a signal to this process waits."""

GONE_SECONDS = 2.0
"""How long killed processes may take to disappear; if nobody reaps orphans, they never do."""

DEAD = "ZX"
"""The states of a process that has ended and waits to be reaped."""


def process_parents() -> dict[int, int]:
    """Each live process on the machine with its parent: from /proc if there is one, else from `ps` (macOS)."""
    if Path("/proc/self/stat").exists():
        found = {}
        for entry in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 -- only the names are needed; until=never
            with contextlib.suppress(OSError):
                text = Path("/proc", entry, "stat").read_text(errors="replace")
                # The command's name is in parentheses and may contain anything; state and parent follow it.
                state, parent = text.rpartition(")")[2].split()[:2]
                if state not in DEAD:
                    found[int(entry)] = int(parent)
        return found
    listed = subprocess.run(
        ["/bin/ps", "-A", "-o", "pid=,ppid=,state="], capture_output=True, text=True, check=True
    )
    rows = map(str.split, listed.stdout.splitlines())
    return {int(pid): int(parent) for pid, parent, state in rows if state[0] not in DEAD}


def descendants(root: int, parents: dict[int, int]) -> set[int]:
    """All descendants of `root`."""
    below: set[int] = set()
    found = {root}
    while found:
        found = {pid for pid, parent in parents.items() if parent in found} - below - {root}
        below |= found
    return below


def send(pid: int, signal_number: int) -> None:
    """Signal a process, if it is still there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal_number)


class Supervisor:
    """One child at a time, one folder, one parent."""

    def __init__(self, parent: int) -> None:
        self.parent = parent
        self.process: subprocess.Popen[bytes] | None = None
        self.stop_signals: list[tuple[int, float]] = []
        self.cleanup_folder: str | None = None
        self.told_to_end = False

    # What the parent can ask for.

    def open(self, *, cleanup_folder: str | None, stop_signals: list[tuple[int, float]]) -> dict[str, Any]:
        """Make the folder: here, not in the parent, which could die between making it and having it guarded."""
        if cleanup_folder is not None:
            os.mkdir(cleanup_folder, 0o700)  # noqa: PTH102 -- fails on purpose if something is there already; until=never
            self.cleanup_folder = cleanup_folder
        self.stop_signals = stop_signals
        return {}

    def run(
        self,
        *,
        argv: list[str],
        env: dict[str, str],
        cwd: str | None,
        log_path: str,
        run_as: list[int] | None,
    ) -> dict[str, Any]:
        """Start the child; its output is appended to the log."""
        account: dict[str, Any] = {}
        if run_as is not None:
            account = {"user": run_as[0], "group": run_as[1], "extra_groups": []}
        with Path(log_path).open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 -- what the parent asked for; until=never
                argv,
                env=env,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **account,
            )
        return {"pid": self.process.pid}

    def poll(self) -> dict[str, Any]:
        """The child's exit status, if it has one."""
        return {"returncode": None if self.process is None else self.process.poll()}

    def signal(self, *, signal_number: int, tree: bool) -> dict[str, Any]:
        """Signal the child, with `tree` also all its descendants.

        Descendants are found by their parents, not by process group: PostgreSQL's backends lead groups of their own.
        """
        if self.process is None or self.process.poll() is not None:
            return {"sent": False}
        if tree:
            self._signal_tree(self.process.pid, signal_number)
        else:
            send(self.process.pid, signal_number)
        return {"sent": True}

    def halt(self) -> dict[str, Any]:
        """Stop the child: each stop signal with its time, then SIGKILL for it and all its descendants."""
        process = self.process
        if process is None:
            return {"returncode": None}
        for number, seconds in self.stop_signals:
            if process.poll() is not None:
                break
            send(process.pid, number)
            self._signal_tree(process.pid, signal.SIGCONT)  # A stopped process reacts to nothing but SIGKILL.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
        if process.poll() is None:
            self._signal_tree(process.pid, signal.SIGKILL)
            process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            # What it left in its group. The group's id is not used again while anything is in it.
            os.killpg(process.pid, signal.SIGKILL)
        return {"returncode": process.returncode}

    def _signal_tree(self, root: int, number: int) -> None:
        if number == signal.SIGCONT:
            for pid in [*descendants(root, process_parents()), root]:
                send(pid, number)
            return
        # From the top down, each stopped before its children are listed: a stopped process starts no new ones.
        send(root, signal.SIGSTOP)
        stopped: set[int] = set()
        while found := descendants(root, process_parents()) - stopped:
            for pid in found:
                send(pid, signal.SIGSTOP)
            stopped |= found
        if number == signal.SIGSTOP:
            return
        for pid in [root, *stopped]:
            send(pid, number)
        if number == signal.SIGKILL:
            # Process 1 reaps orphans; a restart on the same data needs them gone.
            deadline = time.monotonic() + GONE_SECONDS
            while stopped & process_parents().keys() and time.monotonic() < deadline:
                time.sleep(0.005)

    # The life of the supervisor.

    def serve(self, link: socket.socket) -> None:
        """Answer the parent until it closes the link or is gone, then stop the child and remove the folder."""
        try:
            self._answer(link)
        finally:
            self.halt()
            if self.cleanup_folder is not None:
                shutil.rmtree(self.cleanup_folder, ignore_errors=True)

    def _answer(self, link: socket.socket) -> None:
        unread = b""
        while not self.told_to_end and os.getppid() == self.parent:
            if not select.select([link], [], [], TICK_SECONDS)[0]:
                self.poll()  # Reaps a child that ended on its own.
                continue
            received = link.recv(65536)
            if not received:
                return
            *lines, unread = (unread + received).split(b"\n")
            for line in lines:
                request: dict[str, Any] = json.loads(line)
                operation, number = request.pop("do"), request.pop("number")
                try:
                    answer = getattr(self, operation)(**request)
                except OSError as error:
                    answer = {"error": str(error)}
                link.sendall(json.dumps({"number": number, **answer}).encode() + b"\n")

    def end(self, _number: int, _frame: object) -> None:
        """Signal handler: note it, for the loop to act on. Raising here could lose a child between fork and return."""
        self.told_to_end = True


def main(arguments: list[str]) -> None:
    """Run with the socket's descriptor and the parent's id as arguments."""
    descriptor, parent = map(int, arguments)
    supervisor = Supervisor(parent)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, supervisor.end)
    # The parent may have blocked signals, which children would inherit.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    with socket.socket(fileno=descriptor) as link:
        link.set_inheritable(False)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            supervisor.serve(link)


if __name__ == "__main__":
    main(sys.argv[1:])
