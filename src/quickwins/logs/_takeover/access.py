"""What servers say of each request in a log of their own: method and status, and neither the client's address nor the path.

Within a request of ours they say it once more, since `http.request` and `websocket.session` do: then it's left out.

Sources: the access loggers of uvicorn, hypercorn, gunicorn, granian, aiohttp, Sanic and Django's development server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import logging

_METHODS = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"}
)
_WHERE: Mapping[str, tuple[object, object]] = {
    "uvicorn.access": (1, 4),
    "django.server": (0, 1),
    "gunicorn.access": ("m", "s"),
    "hypercorn.access": ("m", "s"),
    "granian.access": ("method", "status"),
    "aiohttp.access": ("first_request_line", "response_status"),
    "sanic.access": ("request", "status"),
}
"""By loggers: where a record has the method, or a line that begins with it, and the status: the arguments' places or
names, or the record's attributes."""
_WEBSOCKET = '%s - "WebSocket %s" '
"""How uvicorn begins what it says of each WebSocket, with its address and path."""
_STATUSES = range(100, 600)
_ACCEPTED, _REFUSED = 101, 403


def access(record: logging.LogRecord) -> dict[str, object] | None:
    """What may be shown of a line of an access log; `None` if `record` isn't one."""
    where = _WHERE.get(record.name)
    if where is not None:
        method, status = (_found(record, place) for place in where)
    elif record.name == "uvicorn.error" and str.startswith(_text(record.msg), _WEBSOCKET):
        method = "GET"
        status = _found(record, 2) or (_ACCEPTED if "[accepted]" in record.msg else _REFUSED)
    else:
        return None
    fields: dict[str, object] = {"logger": record.name}
    word = _text(method).partition(" ")[0]
    if word:
        fields["http.request.method"] = word if word in _METHODS else "_OTHER"
    number = int(status) if type(status) is str and status.isdecimal() and len(status) == 3 else status  # noqa: PLR2004 -- digits of a status; until=never
    if type(number) is int and number in _STATUSES:
        fields["http.response.status_code"] = number
    return fields


def _found(record: logging.LogRecord, place: Any) -> object:
    arguments: Any = record.args
    if isinstance(arguments, Mapping):
        return arguments.get(place)
    if type(place) is str:
        return record.__dict__.get(place)
    return arguments[place] if isinstance(arguments, tuple) and place < len(arguments) else None


def _text(value: object) -> str:
    return value if type(value) is str else ""
