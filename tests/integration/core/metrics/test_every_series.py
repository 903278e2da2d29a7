"""In multiprocess mode every declared series of every feature is in the files while the process runs, not at its end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]


def test_every_declared_series_is_in_the_files_while_the_process_runs(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "files")}
    program = [
        sys.executable,
        "-m",
        "tests.integration.core.metrics.everything",
        str(tmp_path / "quickwins.toml"),
    ]
    done = subprocess.run(program, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[] 2"], done.stderr
