"""What a record of the standard library says: an event and its fields. Pure.

We put arguments into a message ourselves: `getMessage` would write what objects say about themselves.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

FREE_TEXT = "log.record"
"""The event of a record that is a sentence and not a fact."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "event", "fields"}
_ACCESS = ("uvicorn.access", 5)
_REPR_FREE = re.compile(r"[^\n(<]*")
"""asyncio's messages end in the `repr` of tasks, callbacks and their arguments."""


def said(record: logging.LogRecord, shown: Callable[[object], object]) -> tuple[str, dict[str, object]]:
    """The event and the fields of `record`.

    Args:
        record: As a handler gets it.
        shown: What may be shown of an argument.
    """
    attributes = record.__dict__
    event, given = attributes.get("event"), attributes.get("fields")
    fields: dict[str, object]
    if type(event) is str and isinstance(given, Mapping):  # what `core.events` reports
        fields = dict(given)
        fields.pop("service", None)
    elif record.name == _ACCESS[0] and isinstance(record.args, tuple) and len(record.args) == _ACCESS[1]:
        _, method, _, _, status = (
            record.args
        )  # nobody's business: whose address it was, and what is in the path
        event = "http.access"
        fields = {
            "http.request.method": method,
            "http.response.status_code": status,
            "logger": record.name,
        }
    else:
        body = message(record, shown)
        if record.name == "asyncio":
            body = (_REPR_FREE.match(body) or [""])[0].rstrip()
        event = FREE_TEXT
        fields = {"body": body, "logger": record.name}
    if len(attributes) > len(_STANDARD) - 5:  # something may have come with `extra=`
        for name, value in attributes.items():
            if name not in _STANDARD:
                fields[name] = value
    if record.exc_info:
        fields["exc_info"] = record.exc_info
    return event, fields


def message(record: logging.LogRecord, shown: Callable[[object], object]) -> str:
    """The message of `record` with its arguments in it; the bare template where they don't fit."""
    template: Any = record.msg
    if type(template) is not str:
        made = shown(template)
        return made if type(made) is str else str(made)
    arguments: Any = record.args
    if not arguments:
        return template
    try:
        if isinstance(arguments, Mapping):
            return template % {key: shown(value) for key, value in arguments.items()}
        return template % tuple(shown(value) for value in arguments)
    except Exception:  # noqa: BLE001 -- templates that don't fit their arguments are common, and no reason to lose a line; until=never
        return template
