"""A budget for warnings in a test run: `--warning-budget DeprecationWarning=0`, or `warning_budget` in pytest's settings.

Unlike `filterwarnings = error` it lets tests that warn pass, and fails the run when there are more warnings than agreed:
for code bases that can't have none yet. Filters don't matter: what they hide counts as well. What a test records itself,
with `pytest.warns`, `recwarn` or `catch_warnings(record=True)`, doesn't count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator


_OPTION, _SETTING = "--warning-budget", "warning_budget"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option and the setting."""
    text = (
        "How many warnings of a category a run may have, hidden ones included: CATEGORY=NUMBER, such as "
        "DeprecationWarning=0. May be given more than once."
    )
    parser.getgroup("warnings").addoption(
        _OPTION, action="append", default=[], metavar="CATEGORY=NUMBER", help=text
    )
    parser.addini(_SETTING, type="linelist", default=[], help=text)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, object, object]:
    """Start counting if there is a budget, outside the blocks in which pytest itself catches warnings."""
    given = [*early_config.getini(_SETTING), *early_config.known_args_namespace.warning_budget]
    if given:
        from quickwins.suppressions._budget import RunBudget

        early_config.pluginmanager.register(RunBudget(early_config, given))
    return (yield)
