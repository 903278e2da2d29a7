"""The warnings of one test run, counted against its budget."""

from __future__ import annotations

import builtins
import importlib
from collections import Counter
from contextlib import ExitStack
from difflib import get_close_matches
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

import pytest

from quickwins.suppressions._tap import recorder, tapped

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

MAX_PLACES = 10
"""How many places are named for each category: those with the most warnings."""

_OUTPUT = "quickwins_warnings"


class RunBudget:
    """A pytest plugin that counts warnings from its creation to the end of the run.

    In a parallel run (pytest-xdist) each worker counts, and the process that started them adds up what tests have raised. What
    is raised outside of them, by imports while tests are collected, every worker sees: it counts once.
    """

    def __init__(self, config: pytest.Config, given: Sequence[str]) -> None:
        self._given = given
        self._limits: dict[str, tuple[type[Warning], int]] = {}
        self._in_tests: Counter[tuple[type[Warning], str]] = Counter()
        self._outside: Counter[tuple[type[Warning], str]] = Counter()
        self._in_workers_tests: Counter[tuple[str, str]] = Counter()
        self._in_workers_outside: Counter[tuple[str, str]] = Counter()
        self._lock = RLock()
        self._pytests: object = None
        """While a test runs: what records the warnings that pytest shows at the end."""
        stack = ExitStack()
        stack.enter_context(tapped(self._see))
        config.add_cleanup(stack.close)

    def _see(self, category: type[Warning], place: str) -> None:
        outside = self._pytests is None
        if outside or recorder() is self._pytests:
            with self._lock:
                (self._outside if outside else self._in_tests)[category, place] += 1

    def pytest_configure(self) -> None:
        """Parse what was given, now that the project's modules can be imported."""
        self._limits = dict(map(_parsed, self._given))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        """Runs inside the block in which pytest records: any other recorder is the test's own."""
        self._pytests = recorder()
        try:
            return (yield)
        finally:
            self._pytests = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Add what a worker has counted; one that crashed tells nothing."""
        for name, place, in_tests, outside in getattr(node, "workeroutput", {}).get(_OUTPUT, ()):
            self._in_workers_tests[name, place] += in_tests
            self._in_workers_outside |= Counter({(name, place): outside})

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a run that would have passed; in a worker, pass the counts on."""
        output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            told = output[_OUTPUT] = []
            for name in self._limits:
                in_tests, outside = self._of(name, self._in_tests), self._of(name, self._outside)
                told += [(name, place, in_tests[place], outside[place]) for place in in_tests | outside]
        elif self._exceeded() and session.exitstatus in {
            pytest.ExitCode.OK,
            pytest.ExitCode.NO_TESTS_COLLECTED,
        }:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the categories over budget, and where their warnings come from."""
        exceeded = self._exceeded()
        if not exceeded:
            return
        terminalreporter.section("over the budget for warnings", red=True, bold=True)
        for name, counts in exceeded.items():
            terminalreporter.write_line(f"{name}: {counts.total()}, the budget is {self._limits[name][1]}")
            for place, count in counts.most_common(MAX_PLACES):
                terminalreporter.write_line(f"  {place}: {count}")
            if len(counts) > MAX_PLACES:
                terminalreporter.write_line(f"  and {len(counts) - MAX_PLACES} more places")

    def _exceeded(self) -> dict[str, Counter[str]]:
        counts = {name: self._places(name) for name in self._limits}
        return {name: one for name, one in counts.items() if one.total() > self._limits[name][1]}

    def _places(self, name: str) -> Counter[str]:
        """How many warnings of a category each place has raised."""
        outside = self._of(name, self._outside) | _of_workers(name, self._in_workers_outside)
        return self._of(name, self._in_tests) + _of_workers(name, self._in_workers_tests) + outside

    def _of(self, name: str, raised: Counter[tuple[type[Warning], str]]) -> Counter[str]:
        category = self._limits[name][0]
        found: Counter[str] = Counter()
        with self._lock:
            items = list(raised.items())
        for (kind, place), count in items:
            if issubclass(kind, category):
                found[_relative(place)] += count
        return found


def _of_workers(name: str, told: Counter[tuple[str, str]]) -> Counter[str]:
    return Counter({place: count for (of, place), count in told.items() if of == name})


def _relative(place: str) -> str:
    path = Path(place)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else place


def _parsed(given: str) -> tuple[str, tuple[type[Warning], int]]:
    """The category's name, the category and the limit.

    Raises:
        pytest.UsageError: `given` makes no sense; the message says why.
    """
    name, _, number = (part.strip() for part in given.partition("="))
    if not name or not number.isdecimal():
        raise _refused(given, "write CATEGORY=NUMBER, such as DeprecationWarning=0")
    module, _, attribute = name.rpartition(".")
    try:
        home = importlib.import_module(module or "builtins")
    except Exception as error:
        raise _refused(given, f"cannot import {module!r}: {error}") from error
    category = getattr(home, attribute, None)
    if category is None:
        raise _refused(given, f"module {module!r} has no {attribute!r}" if module else _unknown(attribute))
    if not (isinstance(category, type) and issubclass(category, Warning)):
        raise _refused(given, f"{name} is not a warning category")
    return name, (category, int(number))


def _unknown(name: str) -> str:
    known = [
        one for one, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, Warning)
    ]
    alike = get_close_matches(name, known, n=1)
    return f"Python has no warning category {name!r}; " + (
        f"did you mean {alike[0]}?"
        if alike
        else f"name one of your own with its module, such as package.{name}"
    )


def _refused(given: str, because: str) -> pytest.UsageError:
    return pytest.UsageError(f"warning budget {given!r}: {because}")
