"""A configuration file that is mounted by itself, as `docker -v quickwins.toml:/app/quickwins.toml` does it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from quickwins.core.flags.loading import load_flags
from quickwins.core.flags.writer import FlagWriter, WriteError, WriteReason
from quickwins.facade import SECTIONS

TEXT = 'service = "feed"\n\n[backpressure]\nenabled = true\n\n# quickwins: complete\n'


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """The file as the host has it."""
    file = tmp_path / "host.toml"
    file.write_text(TEXT)
    return file


@pytest.fixture
def mounted(host: Path, tmp_path: Path) -> Iterator[Path]:
    """The same file where a container has it, in a folder with a blank in its name."""
    file = tmp_path / "the app" / "quickwins.toml"
    file.parent.mkdir()
    file.touch()
    done = subprocess.run(["mount", "--bind", host, file], check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    yield file
    subprocess.run(["umount", file], check=True)


def test_a_kill_and_what_makes_the_text_shorter_again_reach_the_processes_on_both_sides(
    host: Path, mounted: Path
) -> None:
    sides = [load_flags(SECTIONS, file, {}, registry=CollectorRegistry()) for file in (host, mounted)]
    writer = FlagWriter(mounted, SECTIONS)
    writer.check()

    for killed, on in ((True, False), (None, True)):
        writer.set("backpressure", killed=killed)
        assert [flags.poll() for flags in sides] == [True, True]
        assert [flags.flag("backpressure").state.on for flags in sides] == [on, on]
    assert host.read_text().split() == TEXT.split()
    writer.kill("backpressure")
    assert [flags.poll() and flags.flag("backpressure").state.on for flags in sides] == [False, False]
    assert "killed = true" in host.read_text()
    assert [*mounted.parent.glob(".*")] == []


def test_one_that_is_mounted_read_only_says_so_before_anybody_relies_on_it(mounted: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro,bind", mounted], check=True)
    writer = FlagWriter(mounted, SECTIONS)
    for asked in (writer.check, lambda: writer.kill("backpressure")):
        with pytest.raises(WriteError, match="is mounted by itself, read-only: change it where") as refused:
            asked()
        assert refused.value.reason is WriteReason.READ_ONLY
    assert mounted.read_text() == TEXT
