"""A schedule performed on real processes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from quickwins.rig import Action, SignalSchedule, Step, perform
from tests.eventually import DEADLINE_SECONDS, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def counting_process() -> Iterator[subprocess.Popen[bytes]]:
    """A process that writes a line at each it reads: alive, and able to show that it is running."""
    with subprocess.Popen(
        [sys.executable, "-u", "-c", "import sys\nfor line in sys.stdin: print(line, end='')"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def answers(process: subprocess.Popen[bytes]) -> bool:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"there?\n")
    process.stdin.flush()
    return process.stdout.readline() == b"there?\n"


def state_of(process: subprocess.Popen[bytes]) -> str:
    """The state letter of a child: `T` when stopped."""
    return subprocess.run(
        ["ps", "-o", "stat=", "-p", str(process.pid)], check=True, capture_output=True, text=True
    ).stdout[0]


@pytest.mark.asyncio
async def test_a_stopped_process_runs_again_after_the_schedule_and_a_killed_one_is_dead() -> None:
    schedule = SignalSchedule(
        0,
        0.1,
        (
            Step(0.0, "stopped", Action.STOP),
            Step(0.0, "killed", Action.KILL),
            Step(0.1, "stopped", Action.CONTINUE),
        ),
    )
    with counting_process() as stopped, counting_process() as killed:
        assert answers(stopped)
        assert await perform(schedule, {"stopped": stopped.pid, "killed": killed.send_signal}) == []
        assert answers(stopped)
        assert killed.wait(DEADLINE_SECONDS) == -9


@pytest.mark.asyncio
async def test_a_process_stopped_when_the_performance_is_cancelled_runs_again() -> None:
    schedule = SignalSchedule(0, 1_000.0, (Step(0.0, "a", Action.STOP), Step(1_000.0, "a", Action.CONTINUE)))
    with counting_process() as process:
        performance = asyncio.create_task(perform(schedule, {"a": process.pid}))
        await eventually(lambda: state_of(process) == "T")
        performance.cancel()
        with pytest.raises(asyncio.CancelledError):
            await performance
        assert answers(process)


@pytest.mark.asyncio
async def test_a_process_id_nobody_has_any_more_is_reported() -> None:
    with counting_process() as process:
        process.kill()
        process.wait(DEADLINE_SECONDS)
        step = Step(0.0, "a", Action.TERMINATE)
        # Reaped, so the id is free; the system hands out ids in order and has not come round to it again.
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, 0)
        assert await perform(SignalSchedule(0, 1.0, (step,)), {"a": process.pid}) == [step]
