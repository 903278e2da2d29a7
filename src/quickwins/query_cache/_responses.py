"""Results and responses of what is stored: in the place of those that Strawberry makes of what it has executed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from quickwins.core.errors import needs_extra

with needs_extra("query-cache"):
    from starlette.responses import Response
    from strawberry.types import ExecutionResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quickwins.query_cache._core.memory import Slot

NOT_MODIFIED = 304
_JSON = "application/json"


class Stored(ExecutionResult):
    """A result that is stored already.

    Attributes:
        slot: Where.
    """

    slot: Slot

    @classmethod
    def of(cls, slot: Slot, *, decoded: bool) -> Stored:
        """The result of `slot`; with its data, for those who want to see it."""
        stored: Mapping[str, Any] = json.loads(slot.entry.body) if decoded else {}
        made = cls(data=stored.get("data"), errors=None, extensions=stored.get("extensions"))
        made.slot = slot
        return made


class StoredAnswer(dict[str, Any]):
    """In the place of a response's data: the bytes are there already."""

    slot: Slot


class StoredResponse(Response):
    """A response that is made already."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        # Not Starlette's own, which makes headers of a type and a length.
        self.status_code = status
        self.raw_headers = headers
        self.body = body
        self.background = None


def made_of(body: bytes, sub_response: Any) -> Response:
    """What Strawberry makes of `body` and what the application has set."""
    status = sub_response.status_code or 200
    if status == NOT_MODIFIED:
        body = b""
    response = Response(body, status_code=status, media_type=_JSON)
    if status == NOT_MODIFIED:
        del response.headers["content-type"]
    response.headers.raw.extend(sub_response.headers.raw)
    if sub_response.background:
        response.background = sub_response.background
    return response


def state_of(sub_response: Any) -> tuple[Any, ...]:
    """What an application can set of a response, to be compared."""
    return tuple(sub_response.headers.raw), sub_response.status_code, sub_response.background
