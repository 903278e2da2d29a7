"""What frameworks report of a failed request, where a line of ours tells it, or where it is policy."""

from __future__ import annotations

import logging
import queue
from collections.abc import Iterator
from logging.handlers import QueueHandler, QueueListener

import pytest

from quickwins.backpressure import PoolExhausted, RejectReason
from quickwins.core.edge import REQUEST, Refused
from quickwins.logs import get_logger
from quickwins.logs._context import CONTEXT, Canonical, Context
from quickwins.logs._takeover.told import OPERATION
from tests.unit.logs.conftest import Configure, Written
from tests.unit.logs.takeover.conftest import Console, Seen

REFUSAL = PoolExhausted("pool 'secret' is full", reason=RejectReason.QUEUE_FULL, retry_after_seconds=1)


class Hostile(ExceptionGroup[Exception]):
    @property
    def exceptions(self) -> tuple[Exception, ...]:
        raise OSError


@pytest.fixture
def elsewhere() -> Iterator[Seen]:
    """A handler that sends mails or keeps a file, on the root logger."""
    seen = Seen()
    logging.getLogger().addHandler(seen)
    yield seen
    logging.getLogger().removeHandler(seen)


@pytest.fixture
def in_a_request() -> Iterator[None]:
    token = CONTEXT.set(Context({}, canonical=Canonical()))
    yield
    CONTEXT.reset(token)


@pytest.mark.parametrize("raised", [REFUSAL, ExceptionGroup("all", [REFUSAL, REFUSAL])], ids=["one", "group"])
def test_a_frameworks_report_of_a_refusal_is_a_fact_for_everybody(
    configure: Configure, written: Written, elsewhere: Seen, raised: Exception
) -> None:
    configure()
    logging.getLogger("django.request").error("Internal Server Error: %s", "/feed", exc_info=raised)
    (record,) = elsewhere.records
    assert (record.levelname, record.levelno, record.exc_info) == ("INFO", logging.INFO, None)
    assert written.last["severity_text"] == "INFO"
    assert "exception.type" not in written.last


@pytest.mark.parametrize(
    ("status", "refused", "level"),
    [(503, True, "INFO"), (503, False, "ERROR"), (500, True, "ERROR"), ("503", True, "ERROR")],
)
def test_a_frameworks_report_of_a_503_is_a_fact_where_the_service_makes_it_of_a_refusal(
    configure: Configure, elsewhere: Seen, status: object, refused: bool, level: str
) -> None:
    configure()
    request = Refused()
    request.error = REFUSAL if refused else None
    token = REQUEST.set(request)
    logging.getLogger("django.request").error("Service Unavailable", extra={"status_code": status})
    REQUEST.reset(token)
    assert [record.levelname for record in elsewhere.records] == [level]


@pytest.mark.usefixtures("in_a_request")
@pytest.mark.parametrize("propagates", [True, False])
def test_within_a_request_the_requests_line_is_the_only_one(
    configure: Configure, written: Written, elsewhere: Seen, propagates: bool
) -> None:
    configure()
    logger = logging.getLogger("litestar")
    logger.propagate, logger.handlers[:] = propagates, [logging.StreamHandler(Console())]
    try:
        logger.error("Uncaught exception", exc_info=REFUSAL)
    finally:
        logger.propagate, logger.handlers[:] = True, []
    assert written.lines == []
    assert len(elsewhere.records) == propagates


@pytest.mark.usefixtures("in_a_request")
@pytest.mark.parametrize(
    ("logger", "raised"),
    [("uvicorn.error", ValueError()), ("shop.feed", REFUSAL), ("django.request", Hostile("all", [REFUSAL]))],
    ids=["a failure", "an application's own record", "an exception that breaks"],
)
def test_everything_else_stays_as_it_was_said(
    configure: Configure, written: Written, elsewhere: Seen, logger: str, raised: Exception
) -> None:
    configure()
    logging.getLogger(logger).error("failed", exc_info=raised)
    assert written.last["severity_text"] == "ERROR"
    assert written.last["exception.type"].endswith(type(raised).__name__)
    assert elsewhere.records[0].exc_info is not None


def test_strawberrys_record_of_an_error_is_left_out_where_the_operation_tells_it(
    configure: Configure, written: Written, elsewhere: Seen
) -> None:
    configure()
    logger = logging.getLogger("strawberry.execution")
    token = OPERATION.set(object())
    logger.error("failed", exc_info=ValueError())
    get_logger().error("graphql.error")
    OPERATION.reset(token)
    assert [line["event.name"] for line in written.lines] == ["graphql.error"]
    assert [(one.name, one.levelname) for one in elsewhere.records] == [("strawberry.execution", "ERROR")]
    logger.error("failed", exc_info=ValueError())
    assert written.last["exception.type"] == "ValueError"


def test_while_it_is_off_a_refusal_is_what_the_framework_says(elsewhere: Seen) -> None:
    logging.getLogger("django.request").error("failed", exc_info=REFUSAL)
    assert elsewhere.records[0].levelname == "ERROR"


def test_an_event_that_goes_through_a_queue_to_a_console_is_written_once(
    configure: Configure, written: Written
) -> None:
    configure()
    lines: queue.Queue[logging.LogRecord] = queue.Queue()
    hands_on = QueueHandler(lines)
    listener = QueueListener(lines, logging.StreamHandler(Console()))
    logging.getLogger().addHandler(hands_on)
    listener.start()
    get_logger().warning("shop.opened")
    logging.getLogger("shop").warning("open")
    listener.stop()
    logging.getLogger().removeHandler(hands_on)
    assert [line["event.name"] for line in written.lines] == ["shop.opened", "log.record"]
