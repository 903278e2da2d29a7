"""What was said last of structlog wins: the table in `docs/logs.md`, one row after the other."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import logging.config
import logging.handlers
import subprocess
import sys
from typing import Any

import pytest
import structlog

from quickwins.logs import bound
from tests.unit.logs.conftest import Configure, Written
from tests.unit.logs.takeover.conftest import SECRET, Loud, Seen, events

pytestmark = pytest.mark.usefixtures("untouched")


def test_everything_public_of_structlogs_loggers_works(configure: Configure, written: Written) -> None:
    configure(level="debug")
    log: Any = structlog.get_logger().bind(a=1)
    bases: tuple[type, ...] = type(log).__mro__
    assert structlog.BoundLoggerBase in bases
    assert structlog.get_context(log) == {"a": 1}
    assert structlog.contextvars.get_merged_contextvars(log) == {"a": 1}
    assert log.is_enabled_for(logging.INFO)
    assert log.get_effective_level() == 0
    for method in ("debug", "info", "warning", "warn", "error", "critical", "fatal", "msg"):
        getattr(log, method)("said")
    log.info(event="by name")
    log.info({"a": "mapping", "password": SECRET})
    log.log(logging.WARNING, "at a level")
    assert [line["severity_text"] for line in written.lines[:8]] == [
        *("DEBUG", "INFO", "WARN", "WARN", "ERROR", "FATAL", "FATAL", "INFO")
    ]
    assert events(written)[8:] == ["by name", "log.record", "at a level"]
    assert written.lines[9]["body"] == {"a": "mapping", "password": "[redacted:key]"}
    assert not [line for line in written.lines if "timestamp" in line.get("attributes", {})]


@pytest.mark.parametrize(
    "method", ["adebug", "ainfo", "awarning", "awarn", "aerror", "acritical", "afatal", "amsg"]
)
def test_its_asynchronous_methods_work(configure: Configure, written: Written, method: str) -> None:
    configure(level="debug")
    with bound(tenant="t1"):
        asyncio.run(getattr(structlog.get_logger(), method)("said %s", "so", a=1))
    line = written.last
    assert (line["event.name"], line["a"], line["tenant"]) == ("said so", 1, "t1")


def test_what_is_bound_to_its_context_variables_reaches_the_line(
    configure: Configure, written: Written
) -> None:
    configure()
    structlog.contextvars.bind_contextvars(request="r1")
    with structlog.contextvars.bound_contextvars(step=2):
        structlog.get_logger().info("a")
    structlog.get_logger().info("b")
    structlog.contextvars.clear_contextvars()
    first, second = written.lines
    assert (first["request"], first["step"]) == ("r1", 2)
    assert (second["request"], "step" in second) == ("r1", False)


def test_structlogs_configuration_is_not_ours(configure: Configure, plain: io.StringIO) -> None:
    before = structlog.get_config()
    with configure():
        assert structlog.get_config() == before
        assert not structlog.is_configured()
        structlog.configure_once(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    assert structlog.get_config()["wrapper_class"] is structlog.make_filtering_bound_logger(logging.ERROR)


PROCESSORS: list[Any] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(),
    structlog.processors.format_exc_info,
    structlog.processors.JSONRenderer(),
]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"wrapper_class": structlog.make_filtering_bound_logger(0)}, id="wrapper class"),
        pytest.param({"wrapper_class": structlog.BoundLogger}, id="generic"),
        pytest.param({"processors": PROCESSORS}, id="processors"),
        pytest.param({"logger_factory": structlog.WriteLoggerFactory()}, id="logger factory"),
        pytest.param({"cache_logger_on_first_use": True}, id="cached"),
        pytest.param(
            {
                "processors": PROCESSORS,
                "wrapper_class": structlog.make_filtering_bound_logger(0),
                "logger_factory": structlog.PrintLoggerFactory(),
                "context_class": dict,
                "cache_logger_on_first_use": True,
            },
            id="everything",
        ),
    ],
)
@pytest.mark.parametrize("before", [True, False], ids=["before us", "after us"])
def test_whatever_is_configured_nothing_goes_round_redaction_and_it_holds_afterwards(
    configure: Configure,
    written: Written,
    capfd: pytest.CaptureFixture[str],
    options: dict[str, Any],
    before: bool,
) -> None:
    if before:
        structlog.configure(**options)
    pipeline = configure()
    if not before:
        structlog.configure(**options)
    log = structlog.get_logger()
    try:
        int(SECRET)
    except ValueError:
        log.bind(shard=1).error("failed", password=SECRET, exc_info=True)
    line = written.last
    assert (line["event.name"], line["shard"], line["exception.type"]) == ("failed", 1, "ValueError")
    assert SECRET.encode() not in written.raw
    assert capfd.readouterr().out == ""
    pipeline.close()
    assert structlog.is_configured()
    for name, value in options.items():
        assert structlog.get_config()[name] is value
    log.error("off")
    assert "off" in capfd.readouterr().out
    assert len(written.lines) == 1


@pytest.mark.parametrize(
    "wrapper", [structlog.make_filtering_bound_logger(0), structlog.BoundLogger], ids=["native", "generic"]
)
def test_a_logger_that_was_bound_and_used_before_us_is_redacted_and_has_the_context(
    configure: Configure, written: Written, capfd: pytest.CaptureFixture[str], wrapper: Any
) -> None:
    structlog.configure(wrapper_class=wrapper, cache_logger_on_first_use=True)
    log = structlog.get_logger().bind(module="m")
    log.info("before")
    assert "before" in capfd.readouterr().out
    structlog.configure(processors=[structlog.processors.JSONRenderer()])
    configure()
    with bound(tenant="t1"):
        log.info("x", password=SECRET)
    assert capfd.readouterr().out == ""
    assert {"module": "m", "tenant": "t1", "password": "[redacted:key]"}.items() <= written.last.items()


def test_a_processor_of_the_application_still_changes_drops_and_sees_events(
    configure: Configure, written: Written
) -> None:
    seen: list[str] = []

    def censor(_: object, __: str, event: Any) -> Any:
        seen.append(event["event"])
        if event["event"] == "noise":
            raise structlog.DropEvent
        del event["patient"]
        return {**event, "release": "r7"}

    structlog.configure(processors=[censor, structlog.processors.JSONRenderer()])
    configure()
    structlog.get_logger().info("noise")
    structlog.get_logger().info("seen", patient="Maria")
    assert seen == ["noise", "seen"]
    assert (written.last["release"], "patient" in written.last) == ("r7", False)
    assert events(written) == ["seen"]


def test_a_processor_that_fails_fails_no_call(configure: Configure, written: Written) -> None:
    def fails(*_: object) -> Any:
        raise OSError(SECRET)

    configure()
    structlog.configure(processors=[fails])
    structlog.get_logger().info("a", password=SECRET)
    assert (written.last["event.name"], written.last["kind"]) == ("log.failed", "OSError")
    assert SECRET.encode() not in written.raw


def test_capture_logs_sees_everything_and_nothing_is_written(configure: Configure, written: Written) -> None:
    configure()
    log = structlog.get_logger().bind(a=1)
    with structlog.testing.capture_logs() as captured:
        log.debug("bound")
        structlog.get_logger().info("fresh")
    assert [one["event"] for one in captured] == ["bound", "fresh"]
    log.info("written")
    assert events(written) == ["written"]


def test_a_logger_wrapped_by_hand_is_its_owners(configure: Configure, written: Written) -> None:
    file = io.StringIO()
    audit = structlog.wrap_logger(
        structlog.WriteLogger(file), processors=[structlog.processors.KeyValueRenderer(sort_keys=True)]
    )
    configure()
    audit.info("paid", amount=1)
    assert file.getvalue() == "amount=1 event='paid'\n"
    assert written.raw == b""


def test_a_configured_output_of_the_applications_own_has_its_text_and_ours_has_a_line(
    configure: Configure, written: Written
) -> None:
    file = io.StringIO()
    configure()
    structlog.configure(
        logger_factory=structlog.WriteLoggerFactory(file), processors=[structlog.processors.JSONRenderer()]
    )
    structlog.get_logger().info("a", b=1)
    assert file.getvalue() == '{"b": 1, "event": "a"}\n'
    assert (written.last["event.name"], written.last["b"]) == ("a", 1)


@pytest.mark.parametrize(
    ("output", "there"),
    [
        pytest.param(structlog.PrintLogger, True, id="prints to what it is by then"),
        pytest.param(structlog.WriteLogger, False, id="writes to what it was"),
    ],
)
def test_a_logger_made_before_a_stand_in_for_standard_output_goes_where_it_would(
    configure: Configure, written: Written, output: Any, there: bool
) -> None:
    structlog.configure(processors=[structlog.processors.JSONRenderer()], logger_factory=lambda *_: output())
    log = structlog.get_logger().bind(a=1)
    configure()
    with contextlib.redirect_stdout(io.StringIO()) as theirs:
        log.info("x", password=SECRET)
    log.info("y")
    assert ('"event": "x"' in theirs.getvalue(), "y" in theirs.getvalue()) == (there, False)
    assert events(written) == ["x", "y"]
    assert SECRET.encode() not in written.raw


def test_a_logger_made_in_a_stand_in_stays_there(configure: Configure, written: Written) -> None:
    configure()
    with contextlib.redirect_stdout(io.StringIO()) as theirs:
        log = structlog.wrap_logger(
            structlog.WriteLogger(), processors=[structlog.processors.KeyValueRenderer()]
        )
        log.info("a")
    log.info("b")
    assert theirs.getvalue() == "event='a'\nevent='b'\n"
    assert written.raw == b""


THROUGH_THE_STANDARD_LIBRARY = [
    pytest.param([structlog.processors.JSONRenderer()], id="text"),
    pytest.param([structlog.stdlib.ProcessorFormatter.wrap_for_formatter], id="formatter"),
    pytest.param([structlog.stdlib.render_to_log_kwargs], id="extra"),
    pytest.param(
        [
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        id="recommended",
    ),
]


@pytest.mark.parametrize("processors", THROUGH_THE_STANDARD_LIBRARY)
def test_through_the_standard_library_its_handlers_get_the_text_and_our_line_the_fields(
    configure: Configure, written: Written, plain: io.StringIO, processors: list[Any]
) -> None:
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    seen = Seen()
    logging.getLogger().addHandler(seen)
    configure()
    try:
        int(SECRET)
    except ValueError:
        structlog.get_logger("app").exception("failed %s", Loud(), password=SECRET, shard=1)
    line = written.last
    assert (line["event.name"], line["shard"], line["exception.type"]) == ("failed <Loud>", 1, "ValueError")
    assert SECRET.encode() not in written.raw
    assert plain.getvalue() == ""
    assert len(seen.records) == len(written.lines) == 1
    logging.getLogger("app").warning("plain")
    assert written.last["body"] == "plain"


def test_structlog_has_what_we_patch() -> None:
    from structlog import _native

    assert callable(structlog.BoundLoggerBase._process_event)
    assert callable(_native._maybe_interpolate)
    assert structlog.PrintLogger(sys.__stderr__)._file is sys.__stderr__


def test_structlog_looks_for_callers_behind_us(configure: Configure, written: Written) -> None:
    configure()
    structlog.configure(
        processors=[
            structlog.processors.CallsiteParameterAdder({structlog.processors.CallsiteParameter.MODULE})
        ]
    )
    structlog.get_logger().info("a")
    assert written.last["module"] == "test_last_said_structlog"


def test_a_process_without_standard_output_is_taken_over_too() -> None:
    program = (
        "import os, structlog\n"
        "from quickwins.logs import Sink, configure_logging\n"
        "with configure_logging(sink=Sink.stderr(inline=True)):\n"
        "    structlog.wrap_logger(structlog.WriteLogger(open(os.devnull, 'w'))).info('a')\n"
    )
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" >&-', sys.executable, program],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, '"event.name":"a"' in done.stderr) == (0, True), done.stderr
