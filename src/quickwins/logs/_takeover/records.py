"""What a record of the standard library says: an event and its fields. Pure.

We put arguments into a message ourselves: `getMessage` would write what objects say about themselves.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

from quickwins.core.events import LOGGER
from quickwins.logs._takeover.access import access

if TYPE_CHECKING:
    from quickwins.logs._render.values import Walk

FREE_TEXT = "log.record"
"""The event of a record that is a sentence and not a fact."""
ACCESS = "http.access"
"""The event of a record in a server's own access log."""

_OPENTELEMETRYS = frozenset({"otelServiceName", "otelSpanID", "otelTraceID", "otelTraceSampled"})
"""What its instrumentation of `logging` adds to each record; a line has the ids under names of its own."""
_STANDARD = (
    frozenset(vars(logging.makeLogRecord({})))
    | {"message", "asctime", "taskName", "color_message"}
    | _OPENTELEMETRYS
)
_OURS = frozenset({"body", "logger", "exc_info"})
"""What a line says of a record itself: a field of that name that came with `extra=` is `extra.body`, and so on."""
_REPR_FREE = re.compile(r"[^\n(<]*")
"""asyncio's messages end in the `repr` of tasks, callbacks and their arguments."""


class Saying(NamedTuple):
    """An event on its way through the standard library, which makes a record of it.

    Attributes:
        message: What the record's `msg` will be.
        event: What was logged.
        args: For the `%` in it.
        fields: Of the event.
    """

    message: object
    event: str
    args: tuple[object, ...]
    fields: dict[str, object]


saying: ContextVar[Saying | None] = ContextVar("quickwins_structlog_saying", default=None)


def said(record: logging.LogRecord, walk: Walk) -> tuple[str, dict[str, object]]:
    """The event and the fields of `record`.

    Args:
        record: As a handler gets it.
        walk: What makes the message, of what may be shown.
    """
    attributes = record.__dict__
    event, given = attributes.get("event"), attributes.get("fields")
    fields: dict[str, object]
    extra = attributes.keys() - _STANDARD
    if record.name == LOGGER and type(event) is str and isinstance(given, Mapping):  # of `core.events`
        fields = dict(given)
        fields.pop("service", None)
        if not fields.get("name"):
            fields.pop("name", None)
        extra -= {"event", "fields"}
    elif (of_access := access(record)) is not None:
        event, fields, extra = ACCESS, of_access, set()
    else:
        body = walk.filled(record.msg, record.args)
        if record.name == "asyncio":
            body = (_REPR_FREE.match(body) or [""])[0].rstrip()
        event = FREE_TEXT
        fields = {"body": body, "logger": record.name}
    for name in extra:
        fields[f"extra.{name}" if name in _OURS else name] = attributes[name]
    if record.exc_info:
        fields["exc_info"] = record.exc_info
    return event, fields
