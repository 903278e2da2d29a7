"""What an edge must know of the refusals below it, where a framework between the two answers errors itself."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

from quickwins.core.lazy import shows

if TYPE_CHECKING:
    from quickwins.core.errors import Rejected

__all__ = ["REQUEST", "Refused", "known"]
__dir__ = shows(__name__)


class Refused:
    """The last refusal of one request; shared by the tasks and threads that serve it.

    Attributes:
        error: `None`: nothing was refused.
    """

    __slots__ = ("error",)

    def __init__(self) -> None:
        self.error: Rejected | None = None


REQUEST: ContextVar[Refused | None] = ContextVar("quickwins_refused", default=None)
"""Of the request at hand; `None`: no edge wants to know."""

_R = TypeVar("_R", bound="Rejected")


def known(error: _R) -> _R:
    """`error`, which the edge of the request at hand knows from now on."""
    request = REQUEST.get()
    if request is not None:
        request.error = error
    return error
