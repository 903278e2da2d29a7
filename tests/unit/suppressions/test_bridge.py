"""The bridge from Python's warnings to events and a metric."""

from __future__ import annotations

import gc
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from quickwins.core.clock import FakeClock
from quickwins.core.errors import ConfigError
from quickwins.suppressions import AuditConfig, _counts, audit, bridge

HERE = __file__


def old(text: str = "old") -> None:
    warnings.warn(text, DeprecationWarning, stacklevel=1)


LINE = old.__code__.co_firstlineno + 1


class Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.fields: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "event", "") == "python.warning":
            self.fields.append(record.__dict__["fields"])


@pytest.fixture
def records() -> Iterator[list[dict[str, Any]]]:
    handler = Records()
    logger = logging.getLogger("quickwins")
    logger.addHandler(handler)
    yield handler.fields
    logger.removeHandler(handler)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture(autouse=True)
def filters() -> Iterator[None]:
    """Python's own filters for each test, and what was there before back afterwards."""
    with warnings.catch_warnings():
        warnings.resetwarnings()
        yield
        bridge.uninstall()


def counted(registry: CollectorRegistry, category: str = "DeprecationWarning") -> float:
    labels = {"service": "feed", "name": "", "category": category, "origin": "first_party", "package": ""}
    return registry.get_sample_value("python_warnings_total", labels) or 0.0


def installed(registry: CollectorRegistry, **options: Any) -> bridge.Bridge:
    return bridge.install(service="feed", registry=registry, **options)


def test_a_warning_becomes_an_event_and_a_count(
    registry: CollectorRegistry, records: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    installed(registry)
    old()
    assert [
        (one["kind"], one["category"], one["file"], one["line"], one["count"], one["hidden_by"])
        for one in records
    ] == [("warning", "DeprecationWarning", HERE, LINE, 1, "")]
    assert counted(registry) == 1
    assert capsys.readouterr().err == "", "nothing is shown besides"


def test_no_event_and_no_label_has_the_message(
    registry: CollectorRegistry, records: list[dict[str, Any]]
) -> None:
    installed(registry)
    old("the password is hunter2")
    assert "hunter2" not in str(records)
    assert all("hunter2" not in str(sample) for family in registry.collect() for sample in family.samples)


def test_repeated_warnings_are_counted_and_reported_once_a_minute(
    registry: CollectorRegistry, records: list[dict[str, Any]]
) -> None:
    clock = FakeClock()
    installed(registry, clock=clock)
    for _ in range(10):
        old()
    clock.now += _counts.QUIET_SECONDS
    old()
    assert [one["count"] for one in records] == [1, 10]
    assert counted(registry) == 11


def test_counts_not_yet_reported_are_reported_at_the_end(
    registry: CollectorRegistry, records: list[dict[str, Any]]
) -> None:
    installed(registry)
    for _ in range(3):
        old()
    bridge.uninstall()
    assert [one["count"] for one in records] == [1, 2]


def test_ignored_warnings_are_counted_with_the_place_of_the_filter(
    registry: CollectorRegistry, records: list[dict[str, Any]]
) -> None:
    made = installed(registry)
    warnings.simplefilter("ignore")
    site = f"{HERE}:{sys._getframe().f_lineno - 1}"
    old()
    old()
    assert counted(registry) == 2
    assert records[0]["hidden_by"] == site
    assert [(one.site, one.category, one.line, one.count) for one in made.hidden()] == [
        (site, "DeprecationWarning", LINE, 2)
    ]


def test_filters_older_than_the_bridge_are_called_pythons_own(registry: CollectorRegistry) -> None:
    warnings.simplefilter("ignore")
    made = installed(registry)
    old()
    assert [one.site for one in made.hidden()] == ["Python's defaults"]


def test_it_tells_which_suppression_in_the_code_has_hidden_what(
    registry: CollectorRegistry, tmp_path: Path
) -> None:
    (tmp_path / "pack").mkdir()
    module = tmp_path / "pack" / "app.py"
    module.write_text(
        "import warnings\n\n\ndef start():\n    warnings.filterwarnings('ignore')\n\n\n"
        "def serve():\n    warnings.warn('old', FutureWarning)\n"
    )
    made = installed(registry)
    names: dict[str, Any] = {"__name__": "pack.app"}
    exec(compile(module.read_text(), str(module), "exec"), names)  # noqa: S102 -- the module that is written above; until=never
    names["start"]()
    names["serve"]()
    report = audit([tmp_path], AuditConfig(root=tmp_path))
    assert [
        (finding.check.value, finding.line, one.category, one.count) for finding, one in made.join(report)
    ] == [("SUP008", 5, "FutureWarning", 1)]


def test_a_warning_that_a_filter_turns_into_an_error_is_raised(registry: CollectorRegistry) -> None:
    installed(registry)
    warnings.simplefilter("error")
    with pytest.raises(DeprecationWarning, match="old"):
        old()
    assert counted(registry) == 1


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ({"action": "error", "message": "ol"}, True),
        ({"action": "error", "message": "new"}, False),
        ({"action": "error", "category": UserWarning}, False),
        ({"action": "error", "category": Warning}, True),
        ({"action": "error", "module": r".*test_bridge$"}, True),
        ({"action": "error", "module": "other"}, False),
        ({"action": "error", "lineno": LINE}, True),
        ({"action": "error", "lineno": LINE + 1}, False),
    ],
)
def test_filters_are_asked_as_python_asks_them(
    registry: CollectorRegistry, spec: dict[str, Any], error: bool
) -> None:
    def raised() -> bool:
        try:
            old()
        except DeprecationWarning:
            return True
        return False

    with warnings.catch_warnings(record=True):
        warnings.filterwarnings(**spec)
        assert raised() is error, "Python itself"
    installed(registry)
    warnings.filterwarnings(**spec)
    assert raised() is error


def test_while_the_flag_is_off_warnings_are_shown_as_before(
    registry: CollectorRegistry, records: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(warnings, "showwarning", lambda *args, **_options: shown.append(str(args[0])))
    flag: Any = SimpleNamespace(state=SimpleNamespace(on=False))
    installed(registry, flag=flag)
    warnings.simplefilter("default")
    old("one")
    old("one")
    warnings.simplefilter("ignore")
    old("two")
    assert shown == ["one"]
    assert records == []
    assert counted(registry) == 0
    flag.state.on = True
    old("three")
    assert counted(registry) == 1


def test_uninstalling_puts_everything_back(registry: CollectorRegistry) -> None:
    def everything() -> list[Any]:
        return [
            warnings.showwarning, warnings.filterwarnings, warnings.simplefilter, sys.unraisablehook, threading.excepthook,
            list(warnings.filters),
        ]  # fmt: skip

    before = everything()
    installed(registry)
    assert everything() != before
    bridge.uninstall()
    assert everything() == before
    bridge.uninstall()
    assert bridge.installed() is None


def test_uninstalled_inside_catch_warnings_it_stays_away_when_the_filters_come_back(
    registry: CollectorRegistry,
) -> None:
    before = list(warnings.filters)
    installed(registry)
    with warnings.catch_warnings():
        bridge.uninstall()
    assert list(warnings.filters) == before


def test_a_hook_wrapped_around_ours_stays_and_works(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = []
    monkeypatch.setattr(warnings, "showwarning", lambda *args, **_options: shown.append(args[1]))
    installed(registry)
    ours = warnings.showwarning

    def around(*args: Any, **options: Any) -> None:
        ours(*args, **options)

    monkeypatch.setattr(warnings, "showwarning", around)
    bridge.uninstall()
    assert warnings.showwarning is around
    warnings.simplefilter("always")
    old()
    assert shown == [DeprecationWarning]
    assert counted(registry) == 0


def test_one_process_has_one_bridge(registry: CollectorRegistry) -> None:
    made = installed(registry)
    with pytest.raises(ConfigError, match="installed already"):
        installed(registry)
    assert bridge.installed() is made


def test_a_recorder_sees_what_it_asked_for(registry: CollectorRegistry) -> None:
    installed(registry)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("ignore")
        old()
    assert seen == []
    with pytest.warns(DeprecationWarning, match="old"):
        old()


def test_unraisable_exceptions_are_counted_and_still_shown(
    registry: CollectorRegistry, records: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", shown.append)
    installed(registry)

    class Broken:
        def __del__(self) -> None:
            raise ValueError("no")

    Broken()
    gc.collect()
    assert counted(registry, "ValueError") == 1
    assert [(one["kind"], one["category"]) for one in records] == [("unraisable", "ValueError")]
    assert len(shown) == 1


def test_exceptions_that_end_a_thread_are_counted_and_still_shown(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", shown.append)
    installed(registry)

    def fail() -> None:
        raise KeyError("no")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert counted(registry, "KeyError") == 1
    assert len(shown) == 1


def test_a_warning_raised_while_one_is_reported_is_counted_and_nothing_hangs(
    registry: CollectorRegistry,
) -> None:
    class Warns(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            warnings.warn(f"from a handler: {record.name}", UserWarning, stacklevel=1)

    handler = Warns()
    logger = logging.getLogger("quickwins")
    logger.addHandler(handler)
    try:
        installed(registry)
        old()
    finally:
        logger.removeHandler(handler)
    assert counted(registry) == 1
    assert counted(registry, "UserWarning") >= 1


def test_a_warning_raised_while_another_is_counted_does_not_block(registry: CollectorRegistry) -> None:
    """As the garbage collector may raise one anywhere."""

    noise = iter(range(5))

    class Noisy(type):
        def __subclasscheck__(cls, other: type) -> bool:
            if next(noise, None) is not None:
                warnings.warn("from within", UserWarning, stacklevel=1)
            return False

    class NoisyWarning(UserWarning, metaclass=Noisy):
        pass

    installed(registry)
    bridge.budget(NoisyWarning, 0)
    thread = threading.Thread(target=old, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert counted(registry) == 1
    assert counted(registry, "UserWarning") == 5


def test_a_warning_raised_while_the_counts_are_read_does_not_block(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = installed(registry)
    real = _counts.Hidden

    def noisy(*args: Any) -> Any:
        old()
        return real(*args)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old()
        monkeypatch.setattr(_counts, "Hidden", noisy)
        thread = threading.Thread(target=made.hidden, daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
    made.flush()
    assert counted(registry) == 2


def test_threads_that_warn_at_once_are_all_counted(
    registry: CollectorRegistry, records: list[dict[str, Any]]
) -> None:
    made = installed(registry)
    each, threads = 2_000, 8
    start = threading.Barrier(threads)

    def warn() -> None:
        start.wait()
        for _ in range(each):
            old()

    running = [threading.Thread(target=warn) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    made.flush()
    assert counted(registry) == each * threads
    assert sum(one["count"] for one in records) == each * threads


def test_places_are_bounded_and_no_count_is_lost(
    registry: CollectorRegistry, records: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_counts, "MAX_PLACES", 10)
    made = installed(registry)
    for round_ in range(3):
        for line in range(50):
            warnings.warn_explicit("old", DeprecationWarning, HERE, 1_000 + line)
            if round_ == 0:
                warnings.warn_explicit("old", DeprecationWarning, HERE, 1_000 + line)
    made.flush()
    assert sum(one["count"] for one in records) == 200
    assert len(made._counts._places) <= 10


def test_packages_and_categories_are_capped(registry: CollectorRegistry) -> None:
    installed(registry)
    for number in range(200):
        category = type(f"Warning{number}", (UserWarning,), {})
        warnings.warn_explicit("x", category, HERE, number)
    family = next(one for one in registry.collect() if one.name == "python_warnings")
    values = {sample.labels["category"] for sample in family.samples}
    assert len(values) <= 65
    assert "other" in values


def test_third_parties_are_counted_by_package(registry: CollectorRegistry) -> None:
    installed(registry)
    warnings.warn_explicit("x", UserWarning, str(Path(pytest.__file__)), 1)
    warnings.warn_explicit("x", UserWarning, logging.__file__, 1)
    family = next(one for one in registry.collect() if one.name == "python_warnings")
    found = {
        (one.labels["origin"], one.labels["package"]) for one in family.samples if one.name.endswith("_total")
    }
    assert found == {("third_party", "pytest"), ("third_party", "python")}


def test_first_party_is_what_was_configured(registry: CollectorRegistry, tmp_path: Path) -> None:
    installed(registry, first_party=[tmp_path])
    warnings.warn_explicit("x", UserWarning, str(tmp_path / "a.py"), 1)
    warnings.warn_explicit("x", UserWarning, "/elsewhere/b.py", 1)
    family = next(one for one in registry.collect() if one.name == "python_warnings")
    found = {one.labels["origin"] for one in family.samples if one.name.endswith("_total")}
    assert found == {"first_party", "third_party"}


def test_filters_that_ignore_are_counted(registry: CollectorRegistry) -> None:
    installed(registry)
    labels = {"service": "feed", "name": ""}
    assert registry.get_sample_value("python_warning_filters_installed", labels) == 0
    warnings.simplefilter("ignore")
    warnings.filterwarnings("ignore", message="x")
    assert registry.get_sample_value("python_warning_filters_installed", labels) == 2


def test_a_budget_knows_when_it_is_exceeded(registry: CollectorRegistry) -> None:
    with pytest.raises(ConfigError, match="no bridge"):
        bridge.budget(DeprecationWarning, 0)
    installed(registry)
    budget = bridge.budget(DeprecationWarning, 1)
    old()
    warnings.warn("another", UserWarning, stacklevel=1)
    assert not budget.exceeded
    old()
    assert (budget.count, budget.exceeded) == (2, True)


@pytest.mark.parametrize(("category", "limit"), [(ValueError, 0), (DeprecationWarning, -1), ("x", 0)])
def test_a_budget_that_makes_no_sense_is_refused(
    registry: CollectorRegistry, category: Any, limit: int
) -> None:
    installed(registry)
    with pytest.raises(ConfigError, match="a budget needs"):
        bridge.budget(category, limit)


def test_the_bridge_shows_its_state(registry: CollectorRegistry) -> None:
    made = installed(registry)
    assert repr(made) == "<Bridge 'feed', on, 0 filters ignore>"
    warnings.filterwarnings("ignore", "x", UserWarning)
    assert repr(made) == "<Bridge 'feed', on, 1 filters ignore>"
    bridge.uninstall()
    assert repr(made) == "<Bridge 'feed', uninstalled, 1 filters ignore>"
