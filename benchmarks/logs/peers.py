"""The same record through each peer, each in its documented fastest configuration, all to /dev/null.

structlog: what its page "Performance" says: orjson, bytes, a filtering logger that is bound locally, and its context variables.
python-json-logger: its orjson formatter. loguru: `serialize=True`. What is bound is in each record of each of them.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

import loguru
import orjson
import structlog
from prometheus_client import CollectorRegistry
from pythonjsonlogger.orjson import OrjsonFormatter

from quickwins.core.clock import SystemClock
from quickwins.logs import Redaction, Sink, _logger, get_logger
from quickwins.logs._context import CONTEXT, EMPTY
from quickwins.logs._pipeline import Pipeline
from quickwins.logs._trace.w3c import Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Log = Callable[..., None]

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
BOUND = {"correlation_id": "0af7651916cd43dd8448eb211c80319c", "tenant": "t1"}
CONTEXT_FIELDS = {"trace_id": TRACE_ID, "span_id": SPAN_ID, **BOUND}
EVENT = "feed.served"
NOWHERE = Path("/dev/null")


@contextmanager
def our_pipeline(redaction: Redaction | None = None, sink: Sink | None = None) -> Iterator[Pipeline]:
    """Ours, for our loggers alone: `configure_logging` would take the peers' handlers over. To nowhere by default."""
    pipeline = Pipeline(
        service="feed",
        level="info",
        sink=Sink.file(NOWHERE) if sink is None else sink,
        redaction=Redaction.strict() if redaction is None else redaction,
        sampling=None,
        flag=None,
        registry=CollectorRegistry(),
        clock=SystemClock(),
        strict=False,
    )
    pipeline.sink.start()
    _logger.current = pipeline
    try:
        yield pipeline
    finally:
        _logger.current = None
        pipeline.sink.close()


def ours() -> Log:
    """What logs, with what is bound."""
    CONTEXT.set(EMPTY.with_(BOUND, trace=Trace(TRACE_ID, SPAN_ID, 1)))
    return get_logger().info


def structlogs(to: BinaryIO | None = None) -> tuple[Any, Any]:
    """structlog's logger as `get_logger` gives it, and bound once more, which is faster. To nowhere by default."""
    structlog.configure(
        cache_logger_on_first_use=True,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        logger_factory=structlog.BytesLoggerFactory(NOWHERE.open("wb") if to is None else to),
    )
    structlog.contextvars.bind_contextvars(**CONTEXT_FIELDS, service="feed")
    logger = structlog.get_logger()
    logger.info(EVENT)  # from here on it is cached, whatever structlog is configured for next
    return logger, logger.bind()


def json_loggers(to: TextIO | None = None) -> logging.Logger:
    """A logger of the standard library with python-json-logger's faster formatter; it does not propagate.

    To nowhere by default.
    """
    handler = logging.StreamHandler(NOWHERE.open("w", encoding="utf-8") if to is None else to)
    handler.setFormatter(OrjsonFormatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("benchmark.json")
    logger.handlers[:], logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
    return logger


def logurus() -> Any:
    """loguru's logger, with what is bound."""
    loguru.logger.remove()
    loguru.logger.add(NOWHERE.open("w", encoding="utf-8"), serialize=True, level="INFO")
    return loguru.logger.bind(**CONTEXT_FIELDS, service="feed")
