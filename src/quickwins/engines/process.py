"""Child processes that never outlive this one.

Each child is started by a supervisor of its own (`_supervisor.py`), which stops it and removes its temporary folder
when this process ends: by normal exit, exception, Ctrl-C, SIGTERM or SIGKILL. The servers of this package and the
processes of the demo are all started this way.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from quickwins.engines.errors import EngineError, EngineFailure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SUPERVISOR = Path(__file__).with_name("_supervisor.py")

ANSWER_SECONDS = 30.0
"""How long the supervisor may take to answer on a loaded machine, on top of the time for the stop signals."""

POLL_SECONDS = 0.02
"""The pause between two looks at a child that is being waited for."""


class Child:
    """A supervised child process.

    May be used from any thread; calls are answered one at a time. Calls block: from a coroutine use
    `asyncio.to_thread`. A process forked from this one must not use it; if it leaves a `with` block or exits, the child
    runs on.
    """

    def __init__(
        self,
        *,
        name: str,
        log_path: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stop_signals: Sequence[tuple[signal.Signals, float]] = ((signal.SIGTERM, 10.0),),
        cleanup_folder: Path | None = None,
        run_as: tuple[int, int] | None = None,
    ) -> None:
        """Start the supervisor; `run` starts the child. `Child.start` does both.

        Args:
            name: What errors call it.
            log_path: The file that the child's output is appended to.
            env: The child's whole environment; `None` means that of this process.
            cwd: The child's working folder; `None` means that of this process.
            stop_signals: Signals to try in order, each with the seconds to wait after it; then comes SIGKILL.
            cleanup_folder: A folder that must not exist yet: it is made now, with mode 0700, and removed at the end.
            run_as: The user and group id to run the child as, if this process is root.

        Raises:
            EngineError: The supervisor cannot be started, or the folder cannot be made.
        """
        self.name = name
        self.log_path = log_path
        self._env = dict(os.environ if env is None else env)
        self._cwd = cwd
        self._run_as = run_as
        self._stop_signals = list(stop_signals)
        self._cleanup_folder: Path | None = None
        self._argv: list[str] = []
        self._pid = 0
        self._returncode: int | None = None
        self._owner = os.getpid()
        self._lock = threading.RLock()
        self._unread = b""
        self._asked = 0
        self._answer_seconds = ANSWER_SECONDS + sum(seconds for _, seconds in stop_signals)
        ours, theirs = socket.socketpair()
        with theirs:
            # `-I`: neither this folder nor PYTHONPATH may come before the standard library.
            self._supervisor = subprocess.Popen(  # noqa: S603 -- our own file; until=never
                [sys.executable, "-I", str(SUPERVISOR), str(theirs.fileno()), str(self._owner)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
            )
        self._link = ours
        # A limit on each answer: a supervisor that was stopped (SIGSTOP) must not block us for ever.
        ours.settimeout(self._answer_seconds)
        self._end = weakref.finalize(self, _end, ours, self._supervisor, self._answer_seconds, self._owner)
        try:
            self._ask(
                "open",
                cleanup_folder=None if cleanup_folder is None else str(cleanup_folder),
                stop_signals=[(int(number), seconds) for number, seconds in stop_signals],
            )
        except BaseException:
            self._end()
            raise
        self._cleanup_folder = cleanup_folder

    @classmethod
    def start(  # noqa: D417 -- the others are the constructor's; until=never
        cls,
        argv: Sequence[str],
        *,
        name: str,
        log_path: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        stop_timeout_seconds: float = 10.0,
        cleanup_folder: Path | None = None,
    ) -> Self:
        """Start `argv` under supervision.

        Args:
            argv: The program and its arguments; the program is looked up in `PATH`.
            stop_signal: The signal that asks it to end.
            stop_timeout_seconds: How long it may take to end, before SIGKILL.

        Raises:
            EngineError: It cannot be started.
        """
        child = cls(
            name=name,
            log_path=log_path,
            env=env,
            cwd=cwd,
            stop_signals=[(stop_signal, stop_timeout_seconds)],
            cleanup_folder=cleanup_folder,
        )
        try:
            child.run(argv)
        except BaseException:
            child.stop()
            raise
        return child

    def __repr__(self) -> str:
        if not self._end.alive:
            state = "stopped"
        elif self._returncode is not None:
            state = f"ended with {self._returncode}"
        else:
            state = f"process {self._pid}" if self._pid else "not started"
        return f"<Child {self.name!r}, {state}>"

    @property
    def pid(self) -> int:
        """The process id of the child itself; 0 before the first `run`."""
        return self._pid

    @property
    def owns_folder(self) -> bool:
        """Whether this object has a temporary folder, which it removes at the end."""
        return self._cleanup_folder is not None

    def run(self, argv: Sequence[str]) -> None:
        """Start `argv`; if a child is running, it is halted first.

        Raises:
            EngineError: It cannot be started.
        """
        with self._lock:
            self.halt()
            self._argv = list(argv)
            answer = self._ask(
                "run",
                argv=self._argv,
                env=self._env,
                cwd=None if self._cwd is None else str(self._cwd),
                log_path=str(self.log_path),
                run_as=self._run_as,
            )
            self._pid, self._returncode = answer["pid"], None

    def restart(self) -> None:
        """Halt the child and start the same command again, in the same folder."""
        self.run(self._argv)

    def poll(self) -> int | None:
        """The exit status (negative: the signal that ended it), or `None` while it runs or before it is first run."""
        with self._lock:
            if self._returncode is None and self._end.alive:
                self._returncode = self._ask("poll")["returncode"]
            return self._returncode

    def wait(self, timeout_seconds: float | None = None) -> int | None:
        """Wait for the child to end; the exit status, or `None` if `timeout_seconds` passed first."""
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while (returncode := self.poll()) is None and (deadline is None or time.monotonic() < deadline):
            time.sleep(POLL_SECONDS)
        return returncode

    def signal(self, number: signal.Signals, *, tree: bool = False) -> bool:
        """Send a signal to the child, with `tree` also to all its descendants; whether it was there to receive it."""
        sent: bool = self._ask("signal", signal_number=int(number), tree=tree)["sent"]
        return sent

    def halt(self) -> int | None:
        """Stop the child, but keep its folder so that it can be started again; its exit status."""
        with self._lock:
            returncode: int | None = self._ask("halt")["returncode"]
            self._returncode = returncode
            return returncode

    def stop(self) -> int | None:
        """Stop the child, remove its temporary folder and end the supervisor. Calling it again does nothing.

        Returns:
            The exit status; `None` if it was never run.
        """
        if os.getpid() != self._owner:
            return self._returncode  # We are a fork that leaves a `with` block: the child is not ours.
        with self._lock:
            try:
                if self._end.alive:
                    self.halt()
            except EngineError:
                # The supervisor was killed from outside, so we do its work.
                if self._pid and self._returncode is None:
                    self._halt_orphan()
                if self._cleanup_folder is not None:
                    shutil.rmtree(self._cleanup_folder, ignore_errors=True)
            finally:
                self._end()
            return self._returncode

    def log_tail(self, lines: int = 30) -> str:
        """The last lines it has printed; empty if there is no log, or not any more."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - 300 * lines))
                text = log.read().decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _halt_orphan(self) -> None:
        # It is the supervisor's child, not ours, so only its id tells whether it has ended. It leads the group of that id.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            for number, seconds in self._stop_signals:
                os.kill(self._pid, number)
                deadline = time.monotonic() + seconds
                while time.monotonic() < deadline:
                    os.kill(self._pid, 0)
                    time.sleep(POLL_SECONDS)
            os.killpg(self._pid, signal.SIGKILL)

    def _ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        with self._lock:
            if not self._end.alive:
                raise EngineError(f"{self.name}: already stopped", reason=EngineFailure.LOST)
            self._asked += 1
            try:
                request = {"do": operation, "number": self._asked, **arguments}
                self._link.sendall(json.dumps(request).encode() + b"\n")
                answer = self._next_answer()
                while answer["number"] != self._asked:
                    # Ctrl-C came between an earlier question and its answer.
                    answer = self._next_answer()
            except OSError as error:
                raise EngineError(f"{self.name}: {error}", reason=EngineFailure.LOST) from error
            if "error" in answer:
                raise EngineError(f"{self.name}: {answer['error']}", reason=EngineFailure.EXITED)
            return answer

    def _next_answer(self) -> dict[str, Any]:
        while b"\n" not in self._unread:
            received = self._link.recv(65536)
            if not received:
                raise ConnectionResetError("its supervisor is gone")
            self._unread += received
        line, self._unread = self._unread.split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        return answer


def _end(link: socket.socket, supervisor: subprocess.Popen[bytes], seconds: float, owner: int) -> None:
    """End the supervisor, and with it the child and the folder. Also runs when a `Child` is dropped, and at exit."""
    if os.getpid() != owner:
        return  # We are a fork that exits: the child is not ours.
    with contextlib.suppress(OSError):
        link.shutdown(socket.SHUT_WR)
    link.close()
    try:
        supervisor.wait(seconds)
    except subprocess.TimeoutExpired:
        supervisor.kill()
        supervisor.wait()
