"""What frameworks and servers report of a failed request, where a line of ours tells it already, or where it is none. Pure.

A refusal is policy: whoever reports one as an error, with a stack, says it as a fact, to all handlers. Within a request or a
call of ours it needs no line of its own, since the request has one.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar

from quickwins.core.errors import refusal_in
from quickwins.logs._context import CONTEXT

_GRAPHQL = "strawberry.execution"
_REPORTERS = frozenset(
    {
        "asyncio",
        "daphne.server",
        "django.request",
        "grpc._cython.cygrpc",
        "gunicorn.error",
        "hypercorn.error",
        "litestar",
        "_granian",
        "uvicorn.error",
        _GRAPHQL,
    }
)
"""Whose records tell of exceptions that nobody handled. An application's own loggers say what it wants to say."""

OPERATION: ContextVar[object | None] = ContextVar("quickwins_log_operation", default=None)
"""The GraphQL operation whose errors leave events of their own; `None`: there is none."""


def tells(record: logging.LogRecord) -> bool:
    """Whether a line of ours tells what `record` does. If it reports a refusal, it is made a fact for everybody."""
    if record.name not in _REPORTERS:
        return False
    if not _is_refused(record.exc_info):
        return record.name == _GRAPHQL and OPERATION.get() is not None
    record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
    record.exc_info = record.exc_text = None
    return CONTEXT.get().canonical is not None or OPERATION.get() is not None


def _is_refused(raised: object) -> bool:
    try:
        return isinstance(raised, tuple) and raised[1] is not None and refusal_in(raised[1]) is not None
    except Exception:  # noqa: BLE001 -- an exception of anybody's; until=never
        return False
