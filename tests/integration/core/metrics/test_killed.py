"""In multiprocess mode, what a killed process leaves behind neither fails a scrape nor counts for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from prometheus_client import generate_latest

from quickwins.core.metrics.endpoint import exposed_registry

if TYPE_CHECKING:
    from pathlib import Path

KILLED = """
import os, signal
from prometheus_client import Counter, Gauge
Counter("served", "Requests.").inc(3)
Gauge("in_use", "Permits.", multiprocess_mode="livesum").set(2)
Gauge("most", "Ever.", multiprocess_mode="max").set(5)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of a process that was killed."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    ended = subprocess.run([sys.executable, "-c", KILLED], env=dict(os.environ), check=False)
    assert ended.returncode == -signal.SIGKILL
    return tmp_path


def scraped() -> dict[str, str]:
    text = generate_latest(exposed_registry()).decode()
    return dict(line.split() for line in text.splitlines() if not line.startswith("#"))


def test_what_it_counted_stays_and_what_it_held_is_held_no_more(folder: Path) -> None:
    assert scraped() == {"served_total": "3.0", "most": "5.0"}
    assert any(file.name.startswith("gauge_livesum") for file in folder.iterdir()), "which stays there"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"garbage" * 100, id="no file of theirs"),
        pytest.param(b"\xff\xff\0\0\0\0\0\0\x10\0\0\0not json........" + bytes(64), id="torn"),
    ],
)
def test_a_file_that_it_was_just_making_is_left_out_and_told_once(
    folder: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "counter_4194304.db").write_bytes(content)
    registry = exposed_registry()
    for _ in range(2):
        assert b"served_total 3.0" in generate_latest(registry)
    (told,) = [one for one in caplog.messages if "metrics.file_unreadable" in one]
    assert "file=counter_4194304.db" in told


FORKING = """
import asyncio, os, sys
from pathlib import Path
from prometheus_client import generate_latest
from quickwins import QuickWins

Path("quickwins.toml").write_text('service = "shop"\\n[backpressure]\\nenabled = true\\n# quickwins: complete\\n')
qw = QuickWins.load("quickwins.toml", env={})

async def worker():
    async with qw:
        from quickwins.core.metrics import exposed_registry
        sys.stdout.write(generate_latest(exposed_registry()).decode())

if os.fork() == 0:
    print("worker", os.getpid())
    asyncio.run(worker())
else:
    os.wait()
"""


def test_a_worker_that_was_forked_shows_its_flags_and_the_process_that_forked_it_shows_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    command = [sys.executable, "-c", FORKING]
    said = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=50
    ).stdout
    worker = said.split()[1]
    of = 'feature="backpressure",name="",'
    shown = [line for line in said.splitlines() if line.startswith("quickwins_flag{") and of in line]
    assert shown == [f'quickwins_flag{{{of}pid="{worker}",service="shop"}} 1.0']
    assert f'quickwins_flag_source_up{{name="",pid="{worker}",service="shop",source="file"}} 1.0' in said


def test_without_a_folder_the_mistake_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("", str(tmp_path / "missing")):
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", folder)
        with pytest.raises(ValueError, match="not a directory"):
            exposed_registry()


NAMED = """
from prometheus_client import generate_latest, values
from quickwins.backpressure import Gate
from quickwins.core.metrics import exposed_registry
values.ValueClass = values.MultiProcessValue(process_identifier=lambda: 99_999_999)
gate = Gate.queue(size=7, name="feed")
assert 'db_pool_limit{name="feed",service=""} 7.0' in generate_latest(exposed_registry()).decode()
"""


def test_files_that_bear_other_numbers_than_processes_are_nobodys_who_was_killed(tmp_path: Path) -> None:
    """As prometheus_client advises for uWSGI, whose workers count from 1."""
    env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", NAMED], env=env, check=True)


OLD_NAME = """
import os
from prometheus_client import generate_latest
from quickwins.backpressure import Gate
gate = Gate.queue(size=7, name="feed")
from quickwins.core.metrics import exposed_registry
assert 'db_pool_limit{name="feed",service=""} 7.0' in generate_latest(exposed_registry()).decode()
assert os.listdir(os.environ["prometheus_multiproc_dir"])
"""


COMMAND = """
import os, sys
from quickwins.cli import main
sys.argv[1:] = ["--help"]
main()
assert "prometheus_multiproc_dir" not in os.environ
"""


@pytest.mark.parametrize("program", [OLD_NAME, COMMAND], ids=["a process of the service", "a command"])
def test_the_folder_may_be_named_by_the_variables_older_name(tmp_path: Path, program: str) -> None:
    env = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
    env |= {"prometheus_multiproc_dir": str(tmp_path), "PYTHONWARNINGS": "ignore"}
    subprocess.run([sys.executable, "-c", program], env=env, check=True, stdout=subprocess.DEVNULL)
