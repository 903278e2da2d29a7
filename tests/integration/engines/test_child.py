"""Supervised children in general: what the demo's processes rely on."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from signal import SIGCONT, SIGINT, SIGKILL, SIGSTOP, SIGTERM
from typing import Any

import psutil
import pytest

from quickwins.engines import Child, EngineError, EngineFailure
from tests.eventually import wait_until
from tests.integration.engines.traces import alive, processes

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


def start(tmp_path: Path, code: str, **more: Any) -> Child:
    return Child.start([sys.executable, "-c", code], name="child", log_path=tmp_path / "log", **more)


def test_it_runs_says_its_exit_status_and_what_it_printed(tmp_path: Path) -> None:
    with start(tmp_path, "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)") as child:
        assert child.wait(30) == 7
        assert child.poll() == 7
        assert sorted(child.log_tail().splitlines()) == ["err", "out"]
        assert not child.signal(SIGTERM)
    assert child.stop() == 7


def test_environment_and_folder_are_the_childs_own(tmp_path: Path) -> None:
    with start(
        tmp_path, "import os; print(os.environ['A'], os.getcwd())", env={"A": "b"}, cwd=tmp_path
    ) as child:
        assert child.wait(30) == 0
        assert child.log_tail() == f"b {tmp_path}"


def test_only_the_last_lines_of_a_log_are_told(tmp_path: Path) -> None:
    with start(tmp_path, "for n in range(100000): print(n)") as child:
        assert child.wait(30) == 0
        assert child.log_tail(3) == "99997\n99998\n99999"
    (tmp_path / "log").unlink()
    assert child.log_tail() == ""


def test_the_stop_signal_comes_first_and_sigkill_after_its_time(tmp_path: Path) -> None:
    polite = "import signal; signal.signal(signal.SIGINT, lambda *_: exit(3)); print('up', flush=True); signal.pause()"
    with start(tmp_path, polite, stop_signal=SIGINT) as child:
        wait_until(lambda: child.log_tail() == "up", "not up")
    assert child.poll() == 3

    stubborn = (
        "import signal; signal.signal(15, lambda *_: 0); print('up', flush=True)\nwhile True: signal.pause()"
    )
    (tmp_path / "log").unlink()
    with start(tmp_path, stubborn, stop_timeout_seconds=0.2) as child:
        wait_until(lambda: child.log_tail() == "up", "not up")
    assert child.poll() == -SIGKILL


def test_waiting_has_a_limit_and_then_says_nothing(tmp_path: Path) -> None:
    with Child.start(SLEEP, name="sleep", log_path=tmp_path / "log") as child:
        assert child.wait(0.05) is None
        assert child.signal(SIGSTOP)
        wait_until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_STOPPED, "still runs")
        assert child.signal(SIGCONT)
        assert child.signal(SIGTERM)
        assert child.wait(30) == -SIGTERM


def test_one_thread_may_wait_while_another_stops_it(tmp_path: Path) -> None:
    with Child.start(SLEEP, name="sleep", log_path=tmp_path / "log") as child:
        waiting = threading.Thread(target=child.wait)
        waiting.start()
        child.stop()
        waiting.join(30)
        assert not waiting.is_alive()


def test_restart_gives_a_new_process_of_the_same_command(tmp_path: Path) -> None:
    with Child.start(SLEEP, name="sleep", log_path=tmp_path / "log") as child:
        first = child.pid
        child.restart()
        assert child.pid != first
        assert not alive(first)
        assert child.poll() is None


def test_its_own_children_end_with_it_even_in_sessions_of_their_own(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, signal, time\n"
        "signal.signal(15, lambda *_: 0)\n"
        "sleep = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        "subprocess.Popen(sleep); subprocess.Popen(sleep, start_new_session=True); print('up', flush=True)\n"
        "while True: time.sleep(1)\n"
    )
    with start(tmp_path, code, stop_timeout_seconds=0.2) as child:
        wait_until(lambda: child.log_tail() == "up", "not up")
        pids = processes(child)
        assert len(pids) == 4
    assert not any(map(alive, pids))


def test_what_a_child_leaves_in_its_group_is_killed_when_it_ends(tmp_path: Path) -> None:
    code = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid)"
    with start(tmp_path, code) as child:
        assert child.wait(30) == 0
        left = int(child.log_tail())
        assert alive(left)
    wait_until(lambda: not alive(left), "left behind")


def test_a_cleanup_folder_is_made_private_and_removed(tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    with Child.start(SLEEP, name="sleep", log_path=folder / "log", cleanup_folder=folder) as child:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert child.owns_folder
        (folder / "below").mkdir()
    assert not folder.exists()


def test_a_cleanup_folder_that_exists_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(EngineError, match="exists"):
        Child.start(SLEEP, name="sleep", log_path=tmp_path / "log", cleanup_folder=tmp_path)
    assert (tmp_path / "kept").read_text() == "mine"


def test_a_program_that_is_not_there_is_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    with pytest.raises(EngineError, match="no-such-program") as caught:
        Child.start(["/no-such-program"], name="none", log_path=folder / "log", cleanup_folder=folder)
    assert caught.value.reason is EngineFailure.EXITED
    assert not folder.exists()


def test_after_stop_it_can_be_asked_but_not_used(tmp_path: Path) -> None:
    child = Child.start(SLEEP, name="sleep", log_path=tmp_path / "log")
    assert child.stop() == -SIGTERM
    assert child.stop() == -SIGTERM
    assert child.poll() == -SIGTERM
    with pytest.raises(EngineError, match="already stopped"):
        child.restart()


def test_an_answer_that_ctrl_c_left_unread_is_not_taken_for_the_next(tmp_path: Path) -> None:
    with Child.start(SLEEP, name="sleep", log_path=tmp_path / "log") as child:
        child._link.sendall(b'{"do": "poll", "number": -1}\n')
        assert child.signal(SIGCONT)


def test_none_of_our_descriptors_reaches_other_children(tmp_path: Path) -> None:
    with Child.start(SLEEP, name="sleep", log_path=tmp_path / "log") as child:
        assert not os.get_inheritable(child._link.fileno())
