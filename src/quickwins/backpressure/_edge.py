"""What an edge must know of the refusals below it, where a framework between the two answers errors itself."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quickwins.backpressure.errors import PoolExhausted


class Refused:
    """The last refusal of one request; shared by the tasks and threads that serve it.

    Attributes:
        error: `None`: nothing was refused.
    """

    __slots__ = ("error",)

    def __init__(self) -> None:
        self.error: PoolExhausted | None = None


REQUEST: ContextVar[Refused | None] = ContextVar("quickwins_refused", default=None)
"""Of the request at hand; `None`: no edge wants to know."""


def known(error: PoolExhausted) -> PoolExhausted:
    """`error`, which the edge of the request at hand knows from now on."""
    request = REQUEST.get()
    if request is not None:
        request.error = error
    return error
