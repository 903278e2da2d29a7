"""What frameworks and servers report of a failed request, where a line of ours tells it already, or where it is none. Pure.

A refusal is policy: one that is reported as an error, with a stack, reaches all handlers as a plain fact. Within a request or a
call of ours it needs no line of its own, since the request has one. Nor does a failure that has left a request of ours: its
line has told the exception, with its stack.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from http import HTTPStatus
from types import TracebackType

from quickwins.core.edge import REQUEST
from quickwins.core.errors import refusal_in
from quickwins.logs._context import CONTEXT, Context

_ADAPTERS = {("quickwins.logs.asgi", "__call__"), ("quickwins.logs.grpc._server", "answer")}
_MAX_FRAMES = 100
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

GRAPHQL_ERROR = "graphql.error"
"""The event that is written in the place of Strawberry's record."""

OPERATION: ContextVar[object | None] = ContextVar("quickwins_log_operation", default=None)
"""The GraphQL operation whose errors leave events of their own; `None`: there is none."""


def tells(record: logging.LogRecord) -> bool:
    """Whether a line of ours tells what `record` does. If it reports a refusal, it is made a fact for everybody."""
    if record.name not in _REPORTERS:
        return False
    told = left(record.exc_info) is not None
    if not _reports_refusal(record):
        return told or (record.name == _GRAPHQL and OPERATION.get() is not None)
    record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
    record.exc_info = record.exc_text = None
    return told or CONTEXT.get().canonical is not None or OPERATION.get() is not None


def _reports_refusal(record: logging.LogRecord) -> bool:
    """Whether a framework reports a refusal that it did not handle, or, as Django does, a 503 that a service makes of one."""
    if isinstance(record.exc_info, tuple) and record.exc_info[0] is not None:
        return is_refusal(record.exc_info[1])
    request = REQUEST.get()
    status = record.__dict__.get("status_code")
    answered = type(status) is int and status == HTTPStatus.SERVICE_UNAVAILABLE
    return answered and request is not None and request.error is not None


def is_told_by_others(event: object) -> bool:
    """Whether the application's other handlers have the record that `event` is written for; asks nothing but text."""
    return type(event) is str and event == GRAPHQL_ERROR and OPERATION.get() is not None


def left(raised: object) -> Context | None:
    """The context of the request or call that an exception has left, as its traceback shows; `None`: of none.

    Servers and error handlers outside of everything report it when the context is gone, or before the call has its line.
    """
    trace = raised[2] if isinstance(raised, tuple) else None
    for _ in range(_MAX_FRAMES):
        if not isinstance(trace, TracebackType):
            break
        frame = trace.tb_frame
        if (frame.f_globals.get("__name__"), frame.f_code.co_name) in _ADAPTERS:
            found = getattr(frame.f_locals.get("call"), "context", frame.f_locals.get("context"))
            return found if isinstance(found, Context) else None
        trace = trace.tb_next
    return None


def is_refusal(raised: BaseException | None) -> bool:
    """Whether an exception is a refusal, or comes from one."""
    try:
        return raised is not None and refusal_in(raised) is not None
    except Exception:  # noqa: BLE001 -- an exception of anybody's; until=never
        return False
