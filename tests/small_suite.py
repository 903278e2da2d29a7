"""A small suite in a folder of its own, run by another pytest with our fixtures."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
"""Where the command is to be run."""


def command(folder: Path, suite: str, *options: str) -> list[str]:
    """Write `suite` into `folder`; what runs it."""
    (folder / "test_small.py").write_text(suite)
    return [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.conftest",
        "-c",
        "pyproject.toml",
        *options,
        str(folder),
    ]
