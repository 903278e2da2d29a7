"""Prometheus's own tool checks the rules, and runs their cases."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.monitoring import program
from tests.promql import RULES, TESTS

CASES = sorted(TESTS.glob("*_test.yml"))


@pytest.fixture(scope="module")
def promtool() -> str:
    return program("promtool")


def run(*command: str | Path) -> str:
    done = subprocess.run(
        [*command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_rules_are_well_formed(promtool: str) -> None:
    assert run(promtool, "check", "rules", *RULES).count("SUCCESS") == len(RULES)


def test_the_example_of_a_configuration_is_well_formed(promtool: str) -> None:
    example = TESTS.parent / "prometheus.example.yml"
    assert "SUCCESS" in run(promtool, "check", "config", "--syntax-only", example)


DAYS = {"days_test"}
"""Cases over days of series take long."""


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "cases",
    [
        pytest.param(path, id=path.stem, marks=[pytest.mark.volume] if path.stem in DAYS else [])
        for path in CASES
    ],
)
def test_each_alert_fires_and_keeps_quiet_as_its_cases_say(promtool: str, cases: Path) -> None:
    assert "SUCCESS" in run(promtool, "test", "rules", cases)


def test_a_case_that_does_not_hold_is_noticed(promtool: str, tmp_path: Path) -> None:
    """Else the cases above would prove nothing."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "tests").mkdir()
    text = RULES[0].with_name("resources.yml").read_text()
    (tmp_path / "rules" / "resources.yml").write_text(text.replace("> 0.85", "> 0.96"))
    copied = shutil.copy(TESTS / "resources_test.yml", tmp_path / "tests")
    done = subprocess.run([promtool, "test", "rules", copied], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "QuickWinsPoolUtilization" in done.stdout + done.stderr
