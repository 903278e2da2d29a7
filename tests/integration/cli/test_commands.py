"""The command line as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.engines import Target

pytestmark = pytest.mark.usefixtures("children_untraced")

LIMIT_SECONDS = 60
COMMAND = (sys.executable, "-m", "quickwins")
CONFIG = "service = 'feed'\n\n[backpressure]\nenabled = true\npercent = 10\n\n[flags]\npoll_interval_seconds = 0.05\n"

SERVICE = """
import asyncio, sys
from quickwins import QuickWins

async def main():
    qw = QuickWins.load()
    seen = asyncio.Event()
    qw.flags.subscribe(lambda snapshot: seen.set())
    async with qw:
        print("ready", flush=True)
        await seen.wait()

asyncio.run(main())
"""

BLOCKED = """
import sys
for name in ("typer", "rich", "tomlkit", "click"):
    sys.modules[name] = None
from quickwins.cli import main
sys.exit(main())
"""

INTERRUPTED = """
import sys

class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == "quickwins.cli.app":
            raise KeyboardInterrupt

sys.meta_path.insert(0, CtrlC())
from quickwins.cli import main
sys.exit(main())
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in [name for name in os.environ if name.startswith("QUICKWINS_")]:
        monkeypatch.delenv(variable)
    (tmp_path / "quickwins.toml").write_text(CONFIG)
    return tmp_path


def ran(folder: Path, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        input=stdin,
    )


@contextmanager
def running(folder: Path, *command: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_installed_command_and_the_module_are_the_same(folder: Path) -> None:
    script = Path(sys.executable).with_name("quickwins")

    by_name, by_module = (ran(folder, *one, "flags", "show") for one in ((str(script),), COMMAND))

    assert by_name.returncode == by_module.returncode == 0
    assert by_name.stdout == by_module.stdout
    assert by_name.stdout.splitlines()[1].startswith("backpressure\t10% (percent)\tquickwins.toml\t")


def test_a_configuration_error_is_a_message_and_2(folder: Path) -> None:
    done = ran(folder, *COMMAND, "flags", "set", "backpressure", "percnt=5")

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("quickwins: quickwins.toml: backpressure.percnt: unknown key")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_on_a_full_disk_a_kill_is_done_and_what_is_not_is_said(folder: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "flags", "kill", "backpressure"],
            cwd=folder,
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=LIMIT_SECONDS,
        )
    assert done.returncode == 5
    assert done.stderr.splitlines() == [
        "quickwins: written to quickwins.toml",
        "quickwins: not everything could be written: No space left on device",
    ]
    assert "killed = true" in (folder / "quickwins.toml").read_text()


@pytest.mark.parametrize(
    ("closed", "said"),
    [
        pytest.param(">&-", "quickwins: quickwins.toml: backpressure.percnt", id="stdout"),
        pytest.param("2>&-", "", id="stderr"),
    ],
)
def test_a_standard_stream_that_is_closed_changes_nothing_else(folder: Path, closed: str, said: str) -> None:
    shell = f'"$0" -m quickwins flags set backpressure percnt=5 {closed}'
    done = ran(folder, "sh", "-c", shell, sys.executable)

    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith(said)


def test_without_its_extra_the_command_names_it_in_one_line(folder: Path) -> None:
    done = ran(folder, sys.executable, "-c", BLOCKED)

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "quickwins: the command line needs the extra 'cli': typer is not installed: pip install 'quickwins[cli]'\n"
    )


def test_ctrl_c_while_the_command_is_being_loaded_ends_it_with_130_and_says_nothing(folder: Path) -> None:
    done = ran(folder, sys.executable, "-c", INTERRUPTED)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_watch_ends_with_130_on_ctrl_c_and_says_nothing_more(folder: Path) -> None:
    with running(folder, *COMMAND, "flags", "watch") as watcher:
        assert watcher.stderr is not None
        assert "watching" in watcher.stderr.readline()
        watcher.send_signal(signal.SIGINT)
        out, err = watcher.communicate(timeout=LIMIT_SECONDS)

    assert watcher.returncode == 130
    assert (out, err.strip()) == ("", "")


def test_watch_sees_what_another_process_sets(folder: Path) -> None:
    with running(folder, *COMMAND, "flags", "watch", "--json", "--count", "1") as watcher:
        assert watcher.stderr is not None
        assert "watching" in watcher.stderr.readline()
        assert ran(folder, *COMMAND, "flags", "kill", "backpressure").returncode == 0
        out, _ = watcher.communicate(timeout=LIMIT_SECONDS)

    assert watcher.returncode == 0
    assert json.loads(out)["new"] == "0% (killed)"


def test_history_folds_the_write_and_what_every_process_saw_of_it(folder: Path) -> None:
    service = (sys.executable, "-c", SERVICE)
    with running(folder, *service) as one, running(folder, *service) as two:
        for process in (one, two):
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        assert ran(folder, *COMMAND, "flags", "set", "backpressure", "percent=50").returncode == 0
        assert [process.wait(LIMIT_SECONDS) for process in (one, two)] == [0, 0]

    (row,) = json.loads(ran(folder, *COMMAND, "flags", "history", "--json").stdout)

    assert (row["old"], row["new"], row["processes"]) == ("10% (percent)", "50% (percent)", 2)
    assert row["written"] == {"percent": 50}


def test_a_reader_that_has_seen_enough_is_no_error(folder: Path) -> None:
    command = (*COMMAND, "flags", "simulate", "backpressure", "--to", "100", "--list", "--count", "100000")
    with running(folder, *command) as writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        assert writer.stdout.readline().startswith("added\t")
        writer.stdout.close()
        assert writer.wait(LIMIT_SECONDS) == 0
        assert writer.stderr.read() == ""


def test_stdin_is_read_as_keys(folder: Path) -> None:
    command = (*COMMAND, "flags", "simulate", "backpressure", "--from", "0", "--to", "100", "--keys", "-")

    done = ran(folder, *command, stdin="ada\nbob\n")

    assert "added\t2" in done.stdout.splitlines()


def test_doctor_starts_the_real_servers_and_says_what_answered(folder: Path) -> None:
    done = ran(folder, *COMMAND, "doctor", "--start", "--json")

    found = {one["check"]: one for one in json.loads(done.stdout)["findings"]}
    assert done.returncode == 0, done.stdout
    assert found["server postgres"]["detail"].startswith("answered: version 18.")
    assert found["server valkey"]["detail"].startswith("answered: version 9.")
    assert found["server kafka"]["detail"].startswith("answered: version ")


@pytest.mark.engines("postgres")
def test_doctor_asks_the_server_whether_it_takes_all_connections(folder: Path, postgres: Target) -> None:
    (folder / "quickwins.toml").write_text("[backpressure]\nreplicas = 3\n")

    def connections(pool_size: int, dsn: str) -> tuple[int, dict[str, Any]]:
        done = ran(folder, *COMMAND, "doctor", "--json", "--pool-size", str(pool_size), "--dsn", dsn)
        return done.returncode, json.loads(done.stdout)["findings"][-1]

    code, found = connections(10, postgres.url)
    assert (code, found["check"], found["ok"]) == (0, "connections", True)
    assert found["detail"].startswith("3 replicas x 10 connections = 30, the server accepts ")
    code, found = connections(10_000, postgres.url)
    assert (code, found["ok"]) == (3, False)
    code, found = connections(10, "postgresql://ada:hunter2@127.0.0.1:1/none")
    assert (code, found["ok"]) == (3, False)
    assert "hunter2" not in json.dumps(found)
