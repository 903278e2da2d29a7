"""What was said last of the standard library's logging wins: the table in `docs/logs.md`, one row after the other."""

from __future__ import annotations

import contextlib
import io
import logging
import logging.config
import logging.handlers
import queue
from pathlib import Path

import pytest
import structlog
from prometheus_client import CollectorRegistry

from quickwins.core.events import POOL_REJECTED, Reporter
from quickwins.logs import Sink, configure_logging, get_logger
from tests.unit.logs.conftest import Configure, Written
from tests.unit.logs.takeover.conftest import SECRET, Seen, bodies, events

pytestmark = pytest.mark.usefixtures("untouched")


def test_dict_config_that_disables_loggers_silences_neither_our_events_nor_the_takeover(
    configure: Configure, written: Written
) -> None:
    reporter = Reporter(service="feed", name="main")
    configure()
    logging.config.dictConfig({"version": 1})
    reporter.report(POOL_REJECTED, reason="limit", limit=1, inflight=1, count=1)
    get_logger().info("ours")
    logging.getLogger("made.since").warning("theirs")
    assert events(written) == ["pool.rejected", "ours", "log.record"]


def test_file_config_that_disables_loggers_silences_neither(
    configure: Configure, written: Written, tmp_path: Path
) -> None:
    file = tmp_path / "logging.ini"
    file.write_text(
        "[loggers]\nkeys=root\n[handlers]\nkeys=console\n[formatters]\nkeys=\n[logger_root]\nlevel=INFO\n"
        "handlers=console\n[handler_console]\nclass=StreamHandler\nargs=(sys.stderr,)\n"
    )
    reporter = Reporter(service="feed", name="main")
    configure()
    logging.config.fileConfig(file)
    reporter.report(POOL_REJECTED, reason="limit", limit=1, inflight=1, count=1)
    logging.getLogger("made.since.that").info("theirs")
    assert events(written) == ["pool.rejected", "log.record"]


def test_dict_config_after_us_says_nothing_in_clear_and_holds_when_ours_is_off(
    configure: Configure, written: Written, plain: io.StringIO
) -> None:
    pipeline = configure()
    for _ in range(2):
        logging.config.dictConfig(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "handlers": {"console": {"class": "logging.StreamHandler", "stream": plain}},
                "root": {"handlers": ["console"], "level": "INFO"},
                "loggers": {"a_server": {"handlers": ["console"], "propagate": False, "level": "INFO"}},
            }
        )
        pipeline.adopt()
    logging.getLogger("a_server").info("password=%s", SECRET)
    logging.getLogger("x").info("password=%s", SECRET)
    assert plain.getvalue() == ""
    assert SECRET.encode() not in written.raw
    assert len(written.lines) == 2
    pipeline.close()
    logging.getLogger("a_server").info("once")
    logging.getLogger("x").info("once, too")
    assert plain.getvalue() == "once\nonce, too\n"


def test_a_handler_that_its_owner_took_away_does_not_come_back(
    configure: Configure, plain: io.StringIO
) -> None:
    root = logging.getLogger()
    console = root.handlers[0]
    pipeline = configure()
    root.removeHandler(console)
    console.close()
    pipeline.close()
    assert console not in root.handlers


def test_basic_config_after_us_holds_when_ours_is_off(
    configure: Configure, written: Written, plain: io.StringIO
) -> None:
    logging.getLogger().handlers[:] = []
    pipeline = configure()
    logging.basicConfig(stream=plain, format="basic: %(message)s")
    logging.warning("one")  # noqa: LOG015 -- what basicConfig is for; until=never
    assert plain.getvalue() == ""
    pipeline.close()
    logging.warning("two")  # noqa: LOG015 -- what basicConfig is for; until=never
    assert plain.getvalue() == "basic: two\n"
    assert bodies(written) == ["one"]


def test_a_root_level_that_was_set_after_us_stays(configure: Configure) -> None:
    pipeline = configure()
    logging.getLogger().setLevel(logging.ERROR)
    pipeline.close()
    assert logging.getLogger().level == logging.ERROR


def test_where_nobody_has_a_handler_records_are_ours(
    configure: Configure, written: Written, plain: io.StringIO
) -> None:
    logging.getLogger().handlers[:] = []
    configure()
    logging.getLogger("x").info("a")
    assert bodies(written) == ["a"]
    assert plain.getvalue() == ""


def test_a_librarys_own_file_is_left_alone(configure: Configure, written: Written, tmp_path: Path) -> None:
    audit = logging.getLogger("audit")
    handler = logging.FileHandler(tmp_path / "audit.log")
    audit.addHandler(handler)
    audit.propagate = False
    try:
        configure()
        audit.warning("paid")
    finally:
        audit.removeHandler(handler)
        audit.propagate = True
        handler.close()
    assert (tmp_path / "audit.log").read_text() == "paid\n"
    assert written.raw == b""


@pytest.mark.parametrize("before", [True, False], ids=["before us", "after us"])
def test_handlers_that_go_elsewhere_see_everything_once(
    configure: Configure, written: Written, before: bool
) -> None:
    seen = Seen()
    if before:
        logging.getLogger().addHandler(seen)
    configure()
    if not before:
        logging.getLogger().addHandler(seen)
    logging.getLogger("x").warning("standard %s", "library")
    structlog.get_logger().warning("structlogs", a=1)
    get_logger().warning("ours", password=SECRET, a=1)
    Reporter(service="feed", name="main").report(POOL_REJECTED, reason="limit", limit=1, inflight=1, count=1)
    assert seen.texts[:3] == ["standard library", "structlogs a=1", "ours password=[redacted:key] a=1"]
    assert len(seen.texts) == len(written.lines) == 4
    assert (vars(seen.records[2])["event"], vars(seen.records[2])["fields"]["a"]) == ("ours", 1)


def test_a_handler_that_raises_or_logs_itself_harms_no_call_of_our_logger(
    configure: Configure, written: Written
) -> None:
    class Raises(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            get_logger().info("from within")
            raise OSError(SECRET)

    logging.getLogger().addHandler(Raises())
    configure()
    get_logger().info("a")
    assert events(written) == ["from within", "a"]


def test_an_exception_of_ours_comes_to_other_handlers_too(configure: Configure) -> None:
    seen = Seen()
    logging.getLogger().addHandler(seen)
    configure()
    try:
        int("x")
    except ValueError:
        get_logger().exception("failed")
    get_logger().error("failed", exc_info=ValueError())
    assert [record.exc_info and record.exc_info[0] for record in seen.records] == [ValueError, ValueError]


@pytest.mark.parametrize("before", [True, False], ids=["before us", "after us"])
def test_what_is_logged_into_a_stand_in_for_standard_error_is_there_and_there_is_a_line_besides(
    configure: Configure, written: Written, capsys: pytest.CaptureFixture[str], before: bool
) -> None:
    if not before:
        configure()
    logging.basicConfig(force=True, format="%(message)s")
    if before:
        configure()
    logging.getLogger("x").warning("theirs")
    get_logger().warning("ours", password=SECRET)
    assert capsys.readouterr().err == "theirs\nours password=[redacted:key]\n"
    assert events(written) == ["log.record", "ours"]


def test_a_handler_made_before_such_a_stand_in_is_a_console_still(
    configure: Configure, written: Written, capfd: pytest.CaptureFixture[str]
) -> None:
    logging.basicConfig(force=True)
    configure()
    with contextlib.redirect_stderr(io.StringIO()) as theirs:
        logging.getLogger("x").warning("a")
        logging.getLogger().handlers[:] = []
        logging.getLogger("x").warning("b")
    assert (theirs.getvalue(), capfd.readouterr().err) == ("", "")
    assert bodies(written) == ["a", "b"]


def test_pytests_caplog_has_what_is_logged(written: Written, caplog: pytest.LogCaptureFixture) -> None:
    with configure_logging(sink=Sink.file(written.path, inline=True), registry=CollectorRegistry()):
        logging.getLogger("x").warning("theirs")
        get_logger().warning("ours", password=SECRET)
    assert caplog.messages == ["theirs", "ours password=[redacted:key]"]
    assert events(written) == ["log.record", "ours"]


@pytest.mark.parametrize("by_name", [True, False], ids=["by its name", "itself"])
def test_a_handler_that_is_to_be_kept_is(
    configure: Configure, written: Written, plain: io.StringIO, by_name: bool
) -> None:
    console = logging.StreamHandler(plain)
    console.name = "console"
    logging.getLogger().handlers[:] = [console]
    configure(keep=["console"] if by_name else [console])
    logging.getLogger("x").warning("a")
    assert plain.getvalue() == "a\n"
    assert bodies(written) == ["a"]


@pytest.mark.parametrize("propagates", [True, False])
def test_what_the_filters_of_consoles_refuse_is_no_line_and_what_they_remove_stays_removed(
    configure: Configure, written: Written, plain: io.StringIO, propagates: bool
) -> None:
    def censor(record: logging.LogRecord) -> bool:
        record.msg = str(record.msg).replace("Maria", "X")
        return "/health" not in record.msg

    console, errors = logging.StreamHandler(plain), logging.StreamHandler(plain)
    console.addFilter(censor)
    errors.addFilter(lambda record: record.levelno >= logging.ERROR)
    logger = logging.getLogger(f"filtered.{propagates}")
    logger.propagate = propagates
    (logging.getLogger() if propagates else logger).handlers[:] = [console, errors]
    configure()
    logger.warning("GET /health")
    logger.warning("Maria")
    logger.error("/health failed")
    assert bodies(written) == ["X", "/health failed"]
    assert plain.getvalue() == ""


def test_a_level_of_a_console_gives_way_to_ours(
    configure: Configure, written: Written, plain: io.StringIO
) -> None:
    logging.getLogger().handlers[0].setLevel(logging.ERROR)
    configure()
    logging.getLogger("x").info("a")
    assert bodies(written) == ["a"]
    assert plain.getvalue() == ""


def test_a_handler_that_raises_takes_no_line_away(configure: Configure, written: Written) -> None:
    class Raises(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError(record.name)

    logging.getLogger().handlers[:] = [Raises()]
    configure()
    with pytest.raises(OSError, match="x"):
        logging.getLogger("x").warning("a")
    assert bodies(written) == ["a"]


def test_what_goes_through_a_queue_to_the_console_is_a_line_once(
    configure: Configure, written: Written, plain: io.StringIO
) -> None:
    for propagates in (True, False):
        records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
        logger = logging.getLogger(f"queued.{propagates}")
        seen = Seen()
        logger.handlers[:] = [logging.handlers.QueueHandler(records)]
        logger.propagate = propagates
        listener = logging.handlers.QueueListener(records, logging.StreamHandler(plain), seen)
        pipeline = configure()
        logger.warning("%s", propagates)
        listener.start()
        listener.stop()
        pipeline.close()
        assert seen.texts == [str(propagates)]
    assert plain.getvalue() == ""
    assert bodies(written) == ["True", "False"]


def test_what_a_buffer_keeps_for_the_console_is_a_line_once(
    configure: Configure, written: Written, plain: io.StringIO
) -> None:
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    seen = Seen()
    console, elsewhere = (
        logging.handlers.MemoryHandler(9, target=one) for one in (logging.StreamHandler(plain), seen)
    )
    logging.getLogger().handlers[:] = [console, logging.handlers.QueueHandler(records), elsewhere]
    pipeline = configure()
    logging.getLogger("buffered").warning("kept")
    get_logger().warning("ours")
    for one in (console, elsewhere):
        one.flush()
    pipeline.close()
    assert seen.texts == ["kept", "ours"]
    assert plain.getvalue() == ""
    assert events(written) == ["log.record", "ours"]


def test_whoever_patches_the_same_method_stays_in_the_chain(
    configure: Configure, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    pipeline = configure()
    inner = logging.Logger.callHandlers

    def patched(self: logging.Logger, record: logging.LogRecord) -> None:
        seen.append(record.getMessage())
        inner(self, record)

    with monkeypatch.context() as patches:
        patches.setattr(logging.Logger, "callHandlers", patched)
        logging.getLogger("x").warning("on")
        pipeline.close()
        logging.getLogger("x").warning("off")
        configure()
        logging.getLogger("x").warning("on again")
    assert seen == ["on", "off", "on again"]
    assert bodies(written) == ["on", "on again"]
