"""A budget for warnings in a test run: `--warning-budget DeprecationWarning=0`, or `warning_budget` in pytest's settings.

Unlike `filterwarnings = error` it lets tests pass that warn, and fails the run when there are more than agreed: for code
bases that cannot have none yet. Warnings that filters ignore are not counted.
"""

from __future__ import annotations

import importlib
from collections import Counter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import warnings

    from _pytest.terminal import TerminalReporter


def pytest_addoption(parser: pytest.Parser) -> None:
    """Know the option and the setting."""
    text = "How many warnings of a category a run may have, CATEGORY=NUMBER; may be given more than once."
    parser.getgroup("warnings").addoption(
        "--warning-budget", action="append", default=[], metavar="CATEGORY=NUMBER", help=text
    )
    parser.addini("warning_budget", type="linelist", default=[], help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Count only where there is a budget."""
    given = [*config.getini("warning_budget"), *config.getoption("--warning-budget")]
    if given:
        config.pluginmanager.register(_Counting(dict(map(_parsed, given))))


class _Counting:
    def __init__(self, limits: dict[type[Warning], int]) -> None:
        self.limits = limits
        self.counts: Counter[type[Warning]] = Counter()

    @property
    def exceeded(self) -> list[str]:
        return [
            f"{category.__name__}: {self.counts[category]} warnings, the budget is {limit}"
            for category, limit in self.limits.items()
            if self.counts[category] > limit
        ]

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        for category in self.limits:
            if issubclass(warning_message.category, category):
                self.counts[category] += 1

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.exceeded and session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        if self.exceeded:
            terminalreporter.section("over the budget for warnings", red=True, bold=True)
            for line in self.exceeded:
                terminalreporter.write_line(line)


def _parsed(given: str) -> tuple[type[Warning], int]:
    name, _, number = given.partition("=")
    module, _, attribute = name.strip().rpartition(".")
    try:
        category = getattr(importlib.import_module(module or "builtins"), attribute)
        limit = int(number)
    except (ImportError, AttributeError, ValueError) as error:
        raise pytest.UsageError(
            f"warning budget {given!r}: CATEGORY=NUMBER is needed, such as DeprecationWarning=0"
        ) from error
    if not (isinstance(category, type) and issubclass(category, Warning)) or limit < 0:
        raise pytest.UsageError(
            f"warning budget {given!r}: a class of warnings and a number from 0 are needed"
        )
    return category, limit
