"""What a view tells the middleware in front of it: which stored answer a request was answered with."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quickwins.query_cache._core.memory import Slot
    from quickwins.query_cache._known import Known


class Passed:
    """One request that went through the middleware.

    Attributes:
        served: The stored answers of its operations, each with its document and its owner's pseudonym.
    """

    __slots__ = ("served",)

    def __init__(self) -> None:
        self.served: list[tuple[Slot, Known, str | None]] = []


PASSED: ContextVar[Passed | None] = ContextVar("quickwins_query_cache_passed", default=None)
"""Of the request at hand; `None`: no middleware wants to know."""
