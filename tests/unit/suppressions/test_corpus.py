"""The labelled corpus: everything that is a suppression is found, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from typing import TYPE_CHECKING

import pytest

from quickwins.suppressions import scan_text
from tests.unit.suppressions.corpus import Case, cases

if TYPE_CHECKING:
    from pathlib import Path

TODAY = date(2026, 6, 1)
CASES = cases()


def found(case: Case) -> tuple[str, ...]:
    report = scan_text(case.path, case.text, today=TODAY)
    return tuple(sorted(one.check.value for one in report.findings))


def test_the_corpus_has_every_check_and_enough_cases() -> None:
    checks = {check for _, case in CASES for check in case.checks}
    assert checks == {f"SUP{number:03}" for number in range(18)}
    assert len(CASES) >= 200


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES])
def test_finds_what_is_labelled_and_nothing_else(case: Case) -> None:
    assert found(case) == tuple(sorted(case.checks))


def test_finds_all_that_ruff_finds_of_the_same_kind(tmp_path: Path) -> None:
    names = {}
    for number, (name, case) in enumerate(CASES):
        if case.path.endswith(".py"):
            file = tmp_path / f"case_{number}.py"
            file.write_bytes(case.text.encode())
            names[str(file)] = (name, case)
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--ignore-noqa", "--output-format=json", "--no-cache",
         "--select=PGH003,PGH004,S110,S112", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    theirs = [(one["filename"], one["location"]["row"], one["code"]) for one in json.loads(done.stdout)]
    compared = [one for one in theirs if one[2] in {"PGH003", "PGH004", "S110", "S112"}]
    assert {code for _, _, code in compared} == {"PGH003", "PGH004", "S110", "S112"}
    missed = []
    for path, row, code in compared:
        name, case = names[path]
        text = case.text
        lines = {one.line for one in scan_text(case.path, text, today=TODAY).findings}
        # ruff names the line of the clause or comment, as we do.
        if row not in lines:
            missed.append((name, row, code))
    assert missed == []
