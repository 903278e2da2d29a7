"""Structured logging: one JSON line for each fact, nothing private in it, and never in a request's way.

    configure_logging(service="feed")
    log = get_logger()
    with bound(tenant="t1"):
        log.info("cache.access", cache="feed", hit=True)

To turn it off: `enabled = false` in `[logs]`, or `close()` what `configure_logging` returned; the application's
previous logging is back at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.logs._configure import configure_logging
    from quickwins.logs._context import annotate, bound, in_context
    from quickwins.logs._logger import Logger, get_logger
    from quickwins.logs._pipeline import Pipeline
    from quickwins.logs._sampling import Sampling
    from quickwins.logs._sigterm import close_on_sigterm
    from quickwins.logs.redaction import Redaction, RedactionRule
    from quickwins.logs.settings import LogsSettings
    from quickwins.logs.sink import Sink

__all__ = [
    "Logger",
    "LogsSettings",
    "Pipeline",
    "Redaction",
    "RedactionRule",
    "Sampling",
    "Sink",
    "annotate",
    "bound",
    "close_on_sigterm",
    "configure_logging",
    "get_logger",
    "in_context",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "Logger": "_logger",
        "LogsSettings": "settings",
        "Pipeline": "_pipeline",
        "Redaction": "redaction",
        "RedactionRule": "redaction",
        "Sampling": "_sampling",
        "Sink": "sink",
        "annotate": "_context",
        "bound": "_context",
        "close_on_sigterm": "_sigterm",
        "configure_logging": "_configure",
        "get_logger": "_logger",
        "in_context": "_context",
    },
    modules=(
        "asgi",
        "events",
        "grpc",
        "kafka",
        "redaction",
        "sentry",
        "sink",
        "strawberry",
        "testing",
        "timeline",
    ),
)
