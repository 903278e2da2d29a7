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


def test_without_a_folder_the_mistake_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("", str(tmp_path / "missing")):
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", folder)
        with pytest.raises(ValueError, match="not a directory"):
            exposed_registry()
