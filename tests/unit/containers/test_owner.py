from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.containers import owner
from tests.containers.owner import MACHINE, RUN, is_orphan, labels, started


def ended() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_what_this_process_started_is_no_orphan() -> None:
    assert not is_orphan(labels())


def test_what_a_process_that_is_gone_started_is_one() -> None:
    assert is_orphan({**labels(), RUN: f"{ended()}:1"})


def test_a_later_process_of_the_same_id_is_somebody_else() -> None:
    assert is_orphan({**labels(), RUN: f"{os.getpid()}:1"})


def test_a_process_that_ended_and_was_not_reaped_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    run = f"{process.pid}:{started(process.pid)}"
    assert not is_orphan({**labels(), RUN: run})
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    try:
        assert is_orphan({**labels(), RUN: run})
    finally:
        process.communicate()


@pytest.mark.parametrize(
    "found",
    [
        pytest.param({}, id="no-labels"),
        pytest.param({RUN: "1:1"}, id="no-machine"),
        pytest.param({RUN: "1:1", MACHINE: "elsewhere:"}, id="another-machine"),
        pytest.param({RUN: "other", MACHINE: owner.machine()}, id="not-a-process"),
    ],
)
def test_what_cannot_be_judged_from_here_is_left_alone(found: dict[str, str]) -> None:
    assert not is_orphan(found)
