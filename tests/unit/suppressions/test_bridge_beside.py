"""The bridge beside others who show, record or reset warnings: on, off and uninstalled, against Python without it."""

from __future__ import annotations

import logging
import unittest
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from quickwins.suppressions import bridge

HERE = __file__


def old(text: str = "old") -> None:
    warnings.warn(text, DeprecationWarning, stacklevel=1)


@pytest.fixture(autouse=True)
def filters() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.resetwarnings()
        yield
        bridge.uninstall()
        logging.captureWarnings(False)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def counted(registry: CollectorRegistry, category: str = "DeprecationWarning") -> float:
    labels = {"service": "feed", "name": "", "category": category, "origin": "first_party", "package": ""}
    return registry.get_sample_value("python_warnings_total", labels) or 0.0


class Shown(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())

    def __call__(self, message: object, *_rest: object, **_options: object) -> None:
        self.texts.append(str(message))


def captured(seen: list[str], act: Callable[[], None]) -> None:
    """Run `act` while the logger `py.warnings` is listened to."""
    handler = Shown()
    logger = logging.getLogger("py.warnings")
    logger.addHandler(handler)
    logging.captureWarnings(True)
    try:
        act()
    finally:
        logging.captureWarnings(False)
        logger.removeHandler(handler)
    seen += [one.split(": ", 2)[-1].splitlines()[0] for one in handler.texts]


def twice() -> None:
    for _ in range(2):
        old()


# What happens, and what is seen of it; `seen` takes it.


def captures_ignored(seen: list[str]) -> None:
    warnings.simplefilter("ignore")
    captured(seen, twice)


def captures_shown_once(seen: list[str]) -> None:
    warnings.simplefilter("default")
    captured(seen, twice)


def captures_errors(seen: list[str]) -> None:
    warnings.simplefilter("error")

    def act() -> None:
        with pytest.raises(DeprecationWarning):
            old()
        seen.append("raised")

    captured(seen, act)


def shows_by_itself(seen: list[str]) -> None:
    shown = Shown()
    was, warnings.showwarning = warnings.showwarning, shown
    try:
        warnings.simplefilter("ignore")
        old("ignored")
        warnings.simplefilter("always")
        old("shown")
        warnings.simplefilter("error")
        with pytest.raises(DeprecationWarning):
            old("raised")
    finally:
        warnings.showwarning = was
    seen += shown.texts


def records(seen: list[str]) -> None:
    with warnings.catch_warnings(record=True) as recorded:
        old("default")
        old("default")
        warnings.simplefilter("ignore")
        old("ignored")
    seen += [f"{one.message} {one.filename == HERE}" for one in recorded]


def records_with_the_filters_around(seen: list[str]) -> None:
    warnings.simplefilter("ignore")
    with warnings.catch_warnings(record=True) as recorded:
        old()
    seen += [str(one.message) for one in recorded]


def filters_by_module(seen: list[str]) -> None:
    warnings.simplefilter("ignore")
    warnings.filterwarnings("error", module=r"shop\.orders$")
    for module in ("shop.orders", "shop.stock"):
        try:
            warnings.warn_explicit("old", UserWarning, "orders.py", 7, module=module)
        except UserWarning:
            seen.append(module)


def filters_by_line(seen: list[str]) -> None:
    warnings.simplefilter("ignore")
    warnings.filterwarnings("error", lineno=7)
    for line in (7, 8):
        try:
            warnings.warn_explicit("old", UserWarning, "orders.py", line)
        except UserWarning:
            seen.append(str(line))


def asserts_warns(seen: list[str]) -> None:
    case = unittest.TestCase()
    warnings.simplefilter("ignore")
    with case.assertWarns(DeprecationWarning) as context:
        old("first")
    seen.append(f"{context.warning} {context.filename == HERE}")
    with pytest.raises(AssertionError, match="not triggered"), case.assertWarns(FutureWarning):
        seen.append("none")


def pytest_warns(seen: list[str]) -> None:
    with pytest.warns(DeprecationWarning, match="old") as recorded:
        twice()
    seen += [str(one.message) for one in recorded]
    with pytest.deprecated_call():
        old()
    with pytest.raises(pytest.fail.Exception, match="DID NOT WARN"), pytest.warns(FutureWarning):
        seen.append("none")


def resets(seen: list[str]) -> None:
    warnings.simplefilter("error")
    warnings.resetwarnings()
    seen += [str(len(warnings.filters)), str(list(warnings.filters))]
    warnings.simplefilter("ignore")
    seen.append(str(warnings.filters == [("ignore", None, Warning, None, 0)]))


def adds_and_takes_away(seen: list[str]) -> None:
    warnings.simplefilter("ignore", UserWarning)
    warnings.simplefilter("error", append=True)
    warnings.filterwarnings("ignore", "x")
    warnings.simplefilter("ignore", UserWarning)
    seen += [str(one[0]) for one in [*warnings.filters, *reversed(warnings.filters)]]


CASES = {
    one.__name__: one
    for one in (
        captures_ignored, captures_shown_once, captures_errors, shows_by_itself, records, records_with_the_filters_around,
        filters_by_module, filters_by_line, asserts_warns, pytest_warns, resets, adds_and_takes_away,
    )
}  # fmt: skip


def observed(case: Callable[[list[str]], None]) -> list[str]:
    seen: list[str] = []
    globals().pop("__warningregistry__", None)
    with warnings.catch_warnings():
        case(seen)
    return seen


def installed(registry: CollectorRegistry, *, on: bool = True) -> Any:
    flag: Any = SimpleNamespace(state=SimpleNamespace(on=on))
    bridge.install(service="feed", registry=registry, flag=flag)
    return flag


@pytest.mark.parametrize("state", ["on", "off", "uninstalled", "uninstalled inside a block"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_others_see_what_they_see_without_it(
    registry: CollectorRegistry, case: Callable[[list[str]], None], state: str
) -> None:
    without = [*observed(case), "end"]
    if state == "uninstalled inside a block":
        installed(registry)
        with ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(warnings.catch_warnings())
            bridge.uninstall()
    else:
        installed(registry, on=state == "on")
        if state == "uninstalled":
            bridge.uninstall()
    assert [*observed(case), "end"] == without
    if state != "on":
        assert counted(registry) == 0


def test_what_is_captured_ignored_or_raised_beside_it_is_counted(registry: CollectorRegistry) -> None:
    installed(registry)
    observed(captures_ignored)
    assert counted(registry) == 2
    observed(captures_errors)
    assert counted(registry) == 3
    observed(shows_by_itself)
    assert counted(registry) == 6
    assert [(one.file, one.count) for one in bridge.installed().hidden()] == [(HERE, 2), (HERE, 1)]  # type: ignore[union-attr]  # -- it is installed; until=never


def test_what_others_record_is_not_counted(registry: CollectorRegistry) -> None:
    installed(registry)
    observed(records)
    observed(pytest_warns)
    assert counted(registry) == 0


def test_after_a_reset_it_still_counts(registry: CollectorRegistry) -> None:
    installed(registry)
    warnings.resetwarnings()
    old()
    old()
    assert counted(registry) == 2


def test_a_filter_set_by_a_function_that_was_imported_before_is_named(registry: CollectorRegistry) -> None:
    from warnings import simplefilter

    installed(registry)
    simplefilter("ignore")
    old()
    (hidden,) = bridge.installed().hidden()  # type: ignore[union-attr]  # -- it is installed; until=never
    assert hidden.site.startswith(HERE)


def test_a_flag_that_comes_on_counts_what_was_shown_before(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warnings, "showwarning", Shown())
    flag = installed(registry, on=False)
    for _ in range(3):
        old("again")
    flag.state.on = True
    old("another")
    for _ in range(3):
        old("again")
    assert counted(registry) == 4


def test_uninstalled_inside_blocks_it_takes_itself_out_at_the_next_warning(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warnings, "showwarning", Shown())
    warnings.simplefilter("always")
    shows, before = warnings.showwarning, warnings.filters
    installed(registry)
    with warnings.catch_warnings(), warnings.catch_warnings():
        bridge.uninstall()
        assert warnings.showwarning is shows
    old()
    assert warnings.showwarning is shows
    assert warnings.filters is before
    assert counted(registry) == 0
