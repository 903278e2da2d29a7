"""However the parent ends, no process, port or folder is left."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM, Signals
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from quickwins.engines import PostgresServer, ValkeyServer
from tests.eventually import wait_until
from tests.integration.engines.traces import ALL, AnyServer, Traces, alive, assert_all_gone

if TYPE_CHECKING:
    from collections.abc import Callable

PARENT = Path(__file__).with_name("parent.py")


def start_parent(engine: type[AnyServer], *options: str, **more: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(PARENT), engine.name, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        **more,
    )


def traces_of(parent: subprocess.Popen[str]) -> tuple[Traces, int]:
    assert parent.stdout is not None
    said = json.loads(parent.stdout.readline())
    forked = said.pop("forked")
    return Traces(**said), forked


@pytest.mark.parametrize(
    ("engine", "number"),
    [
        pytest.param(
            engine,
            number,
            id=f"{engine.name}-{number.name}",
            # One of each: which signal it is makes no difference to a server, nor which server to the signal.
            marks=() if engine is ValkeyServer or number is SIGKILL else pytest.mark.volume,
        )
        for engine in ALL
        for number in (SIGKILL, SIGTERM, SIGINT)
    ],
)
def test_a_signal_that_ends_the_parent_ends_its_server(engine: type[AnyServer], number: Signals) -> None:
    with start_parent(engine) as parent:
        traces, _ = traces_of(parent)
        running = traces.left()
        parent.send_signal(number)
    assert {f"process {traces.pids[1]}", f"port {traces.port}", traces.folder} <= set(running)
    assert parent.returncode == -number
    assert_all_gone([traces])


def test_a_terminal_that_is_closed_or_interrupts_the_whole_group_ends_everything_once() -> None:
    for number in (SIGINT, SIGTERM, SIGKILL):
        with start_parent(ValkeyServer, start_new_session=True) as parent:
            traces, _ = traces_of(parent)
            os.killpg(parent.pid, number)
        assert_all_gone([traces])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_of_the_parent_that_holds_its_descriptors_does_not_keep_the_server_alive() -> None:
    with start_parent(ValkeyServer, "fork") as parent:
        traces, forked = traces_of(parent)
        try:
            parent.kill()
            parent.wait()
            assert_all_gone([traces])
            assert alive(forked)
        finally:
            os.kill(forked, SIGKILL)


def test_a_fork_that_leaves_the_block_and_exits_does_not_end_the_server() -> None:
    with start_parent(ValkeyServer, "fork-and-exit") as parent:
        traces, _ = traces_of(parent)
        running = traces.left()
        parent.kill()
    assert len(running) == 4
    assert_all_gone([traces])


def named(name: str) -> Callable[[list[psutil.Process]], bool]:
    def condition(below: list[psutil.Process]) -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            return any(process.name() == name for process in below)
        return False

    return condition


@pytest.mark.parametrize(
    "reached",
    [
        pytest.param(lambda below: len(below) > 0, id="supervisor-forked"),
        pytest.param(named("initdb"), id="initdb"),
        pytest.param(named("postgres"), id="first-postgres-of-initdb"),
        pytest.param(lambda below: named("postgres")(below) and not named("initdb")(below), id="server"),
        pytest.param(lambda below: len(below) > 4, id="backends"),
    ],
)
def test_a_parent_killed_in_the_middle_of_a_start_leaves_nothing(
    reached: Callable[[list[psutil.Process]], bool], open_folder: Path
) -> None:
    with start_parent(PostgresServer, env={**os.environ, "TMPDIR": str(open_folder)}) as parent:
        process = psutil.Process(parent.pid)
        below: list[psutil.Process] = []

        def there() -> bool:
            below[:] = process.children(recursive=True)
            return reached(below)

        try:
            wait_until(there, "never came so far")
        finally:
            parent.kill()
    wait_until(lambda: not any(alive(one.pid) for one in below), f"left behind: {below}")
    wait_until(lambda: not any(open_folder.iterdir()), "the folder was left behind")
