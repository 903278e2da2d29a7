"""No call of our loggers raises, whether logging is on, off, killed or was never configured."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any

import pytest
import structlog
from prometheus_client import REGISTRY

from quickwins.core.flags import Flags, FlagSettings, MemorySource
from quickwins.logs import annotate, bound, get_logger
from quickwins.logs._logger import Logger
from tests.unit.logs.conftest import Configure, Written

SECRET = "opaque-4Zk8"
log = get_logger("app")


class Broken:
    def _raise(self, *args: object) -> Any:
        raise RuntimeError(SECRET)

    __class__ = property(_raise)
    __str__ = __repr__ = __bool__ = __len__ = __iter__ = __eq__ = __format__ = __int__ = _raise
    __hash__ = None  # type: ignore[assignment]  # -- as any class that has `__eq__`; until=never


class BrokenText(str):
    __slots__ = ()

    def _raise(self, *args: object) -> Any:
        raise RuntimeError(SECRET)

    __str__ = __repr__ = __format__ = __len__ = __eq__ = __mod__ = lower = _raise
    __hash__ = str.__hash__


class Name(StrEnum):
    PASSWORD = "password"


class Keeping(logging.Handler):
    def __init__(self, seen: list[logging.LogRecord]) -> None:
        super().__init__()
        self.emit = seen.append  # type: ignore[assignment]  # -- as its method; until=never


def broken_processor(*args: object) -> Any:
    raise OSError(SECRET)


@pytest.fixture
def text() -> Iterator[io.StringIO]:
    """Where an application writes plain text, from DEBUG on."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    written = io.StringIO()
    root.handlers[:] = [logging.StreamHandler(written)]
    root.setLevel(logging.DEBUG)
    yield written
    root.handlers[:], root.level = before
    structlog.reset_defaults()


@pytest.fixture(params=["never configured", "on", "off by flag", "killed", "closed", "structlog instead"])
def mode(request: pytest.FixtureRequest, configure: Configure, text: io.StringIO, registry: Any) -> str:
    match request.param:
        case "on":
            configure(level="debug")
        case "off by flag" | "killed":
            source = MemorySource({"logs": {"enabled": request.param == "killed"}})
            flags = Flags({"logs": FlagSettings}, [source], registry=registry)
            configure(level="debug", flag=flags.flag("logs"))
            source.set("logs", killed=request.param == "killed")
            flags.poll()
        case "closed":
            configure(level="debug").close()
        case "structlog instead":
            structlog.configure(
                processors=[structlog.processors.JSONRenderer(default=lambda one: "?")],
                logger_factory=structlog.PrintLoggerFactory(text),
            )
    return str(request.param)


CALLS: list[Any] = [
    pytest.param(lambda: log.info("x", a=Broken()), id="a field"),
    pytest.param(lambda: log.info("x", a=[{"b": Broken()}]), id="within a field"),
    pytest.param(lambda: log.info("x", a=BrokenText("t")), id="a text"),
    pytest.param(lambda: log.info("x", **{BrokenText("t"): 1}), id="a name"),
    pytest.param(lambda: log.info(Broken()), id="an event"),  # type: ignore[arg-type]  # -- the mistake; until=never
    pytest.param(lambda: log.info(BrokenText("t")), id="an event that is a text"),
    pytest.param(lambda: log.info(None, a=1), id="no event"),  # type: ignore[arg-type]  # -- the mistake; until=never
    pytest.param(log.info, id="nothing"),
    pytest.param(lambda: log.info([1]), id="a list"),  # type: ignore[arg-type]  # -- the mistake; until=never
    pytest.param(lambda: log.error("x %s", 1), id="an argument"),
    pytest.param(lambda: log.error("x %s %d", Broken(), Broken()), id="arguments that break"),
    pytest.param(lambda: log.error(*("%s", 1, Broken())), id="an argument too many"),
    pytest.param(lambda: log.error("100% of %(a)s", 1), id="a template that is none"),
    pytest.param(lambda: log.error(Broken(), 1), id="a template that breaks"),  # type: ignore[arg-type]  # -- the mistake; until=never
    pytest.param(lambda: log.warning("x"), id="warn"),
    pytest.param(lambda: log.fatal("x"), id="fatal"),
    pytest.param(lambda: log.log("info", "x"), id="a level by name"),
    pytest.param(lambda: log.log(BrokenText("info"), "x"), id="a level's name that breaks"),
    pytest.param(lambda: log.log(Broken(), "x"), id="a level that breaks"),  # type: ignore[arg-type]  # -- the mistake; until=never
    pytest.param(lambda: log.log(None, "x"), id="no level"),  # type: ignore[arg-type]  # -- the mistake; until=never
    pytest.param(lambda: log.log(20.5, "x"), id="a level between"),  # type: ignore[arg-type]  # -- the mistake; until=never
    pytest.param(lambda: log.is_enabled_for("info"), id="asked by name"),
    pytest.param(lambda: log.is_enabled_for(Broken()), id="asked for nothing"),  # type: ignore[arg-type]  # -- the mistake; until=never
    pytest.param(lambda: log.info("x", exc_info=Broken()), id="exc_info"),
    pytest.param(lambda: log.info("x", stack_info=Broken(), stacklevel=Broken()), id="logging's other words"),
    pytest.param(lambda: log.error("x"), id="an exception, and there is none"),
    pytest.param(lambda: log.error("x", exc_info=(1, 2, 3)), id="an exception that is none"),
    pytest.param(
        lambda: log.info(
            "x", **dict.fromkeys(("self", "event", "level", "logger", "name", "msg", "args", "extra"), 1)
        ),
        id="names of parameters",
    ),
    pytest.param(lambda: log.bind(self=1).info("x"), id="bind"),
    pytest.param(lambda: log.new(self=1).info("x"), id="new"),
    pytest.param(lambda: log.bind(a=Broken()).info("x"), id="bound to a logger"),
    pytest.param(lambda: annotate(a=Broken()), id="annotate"),
]


@pytest.mark.usefixtures("mode")
@pytest.mark.parametrize("call", CALLS)
def test_no_call_raises(call: Callable[[], object], capfd: pytest.CaptureFixture[str]) -> None:
    call()
    with bound(self=1, worse=Broken(), correlation_id=Broken()):
        call()
    assert SECRET not in capfd.readouterr().err


def test_each_call_is_written(mode: str, text: io.StringIO, written: Written) -> None:
    log.info("first", a=Broken())
    log.log("warning", "second %s", 1)
    log.bind(self=1).fatal("third")
    log.info(event="fourth")
    lines = written.raw.decode() if mode == "on" else text.getvalue()
    assert [one for one in ("first", "second 1", "third", "fourth") if one in lines] == [
        "first",
        "second 1",
        "third",
        "fourth",
    ]
    assert SECRET not in lines


def test_what_has_a_private_name_is_hidden_in_every_mode(
    mode: str, text: io.StringIO, written: Written
) -> None:
    mine = log.bind(api_key="hunter2")
    mine.info("login", password="hunter2", kept="kept", form={"pwd": "hunter2"})
    mine.warning("login", headers=[("Cookie", "hunter2")], **{Name.PASSWORD: "hunter2"})
    lines = written.raw.decode() if mode == "on" else text.getvalue()
    assert "hunter2" not in lines
    assert "kept" in lines
    assert lines.count("[redacted:key]") == 6


def test_handlers_see_hidden_fields_as_well(text: io.StringIO) -> None:
    assert text.getvalue() == ""
    seen: list[logging.LogRecord] = []
    handler = Keeping(seen)
    logging.getLogger("app").addHandler(handler)
    log.info("login", password="hunter2", user=7)
    logging.getLogger("app").removeHandler(handler)
    (record,) = seen
    assert vars(record)["fields"] == {"password": "[redacted:key]", "user": 7}
    assert (record.filename, record.funcName) == (
        "test_never_raises.py",
        "test_handlers_see_hidden_fields_as_well",
    )


@pytest.mark.parametrize("structlog_too", [False, True])
def test_what_handlers_and_processors_raise_is_counted_and_said_once(
    text: io.StringIO, capsys: pytest.CaptureFixture[str], structlog_too: bool
) -> None:
    if structlog_too:
        structlog.configure(processors=[broken_processor])
    else:
        logging.getLogger().handlers[:] = [_Raising()]
    before = _failures()
    log.error("x")
    log.info("x")
    assert _failures() - before == 2
    assert capsys.readouterr().err.count("could not be logged") <= 1
    assert text.getvalue() == ""


class _Raising(logging.Handler):
    def handle(self, record: logging.LogRecord) -> bool:
        raise OSError(SECRET)


def _failures() -> float:
    labels = {"service": "", "name": "", "event": "log.failed"}
    return REGISTRY.get_sample_value("quickwins_report_failures_total", labels) or 0.0


@pytest.mark.no_cover  # tracing needs a frame more
@pytest.mark.usefixtures("mode")
@pytest.mark.parametrize("method", ["debug", "info", "warning", "error", "exception", "critical"])
def test_close_to_the_recursion_limit_no_call_raises(method: str) -> None:
    call = getattr(log, method)
    call("x")  # what is imported at the first call needs more room
    places: list[int] = []
    raised: list[int] = []

    def deeper() -> None:
        try:
            deeper()
        except RecursionError:
            places.append(0)
        if 0 < len(places) < 80:
            try:
                call("x", a=[{"b": 1}])
            except RecursionError:
                raised.append(len(places))
            places.append(0)

    deeper()
    assert len(places) == 80
    assert raised in ([], [1]), "in the very last frame there is no room for the call itself"
    call("x")


def test_a_logger_that_is_off_takes_the_names_that_the_file_calls_private(
    tmp_path: Any, text: io.StringIO
) -> None:
    from quickwins import QuickWins

    path = tmp_path / "quickwins.toml"
    path.write_text(
        'service = "x"\n[logs]\nkilled = true\nredact_keys = ["nickname"]\n# quickwins: complete\n'
    )
    QuickWins.load(path, env={})
    log.info("x", nickname="bobby", password="hunter2")
    QuickWins.load(path, env={})
    assert text.getvalue().strip().endswith("x nickname=[redacted:key] password=[redacted:key]")


def test_a_logger_has_what_structlogs_and_the_standard_librarys_have() -> None:
    assert Logger.warn is Logger.warning
    assert Logger.fatal is Logger.critical
