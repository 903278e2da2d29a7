"""The budget for warnings, in runs of pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

TEST = """
import warnings

def test_it():
    warnings.warn("old", DeprecationWarning)
    warnings.warn("older", PendingDeprecationWarning)
"""


def run(folder: Path, *arguments: str, ini: str = "") -> tuple[int, str]:
    (folder / "test_it.py").write_text(TEST)
    (folder / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder, capture_output=True, text=True, check=False, timeout=60,
        env={name: value for name, value in os.environ.items() if not name.startswith(("COV_", "PYTEST_", "COVERAGE_"))},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_within_the_budget_the_run_passes(tmp_path: Path) -> None:
    code, said = run(tmp_path, "--warning-budget=DeprecationWarning=1")
    assert code == 0, said
    assert "over the budget" not in said


def test_above_the_budget_the_run_fails_and_says_by_how_much(tmp_path: Path) -> None:
    code, said = run(tmp_path, "--warning-budget=DeprecationWarning=0", "--warning-budget=UserWarning=0")
    assert code == 1
    assert "DeprecationWarning: 1 warnings, the budget is 0" in said
    assert "UserWarning" not in said


def test_the_budget_may_stand_in_the_settings(tmp_path: Path) -> None:
    code, said = run(tmp_path, ini="warning_budget =\n    PendingDeprecationWarning=0\n    UserWarning=3")
    assert code == 1
    assert "PendingDeprecationWarning: 1 warnings, the budget is 0" in said


@pytest.mark.parametrize(
    "given", ["DeprecationWarning", "Nothing=1", "ValueError=1", "UserWarning=-1", "no.module.X=1"]
)
def test_a_budget_that_makes_no_sense_ends_the_run(tmp_path: Path, given: str) -> None:
    code, said = run(tmp_path, f"--warning-budget={given}")
    assert code == 4
    assert given in said


def test_without_a_budget_nothing_changes(tmp_path: Path) -> None:
    assert run(tmp_path)[0] == 0
