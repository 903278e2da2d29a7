"""One use of a resource, as its gate sees it."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from quickwins.backpressure._core.verdict import DONE, FAILED, IGNORED, Ending
from quickwins.backpressure.rule import Priority
from quickwins.core.errors import ConfigError
from quickwins.core.given import seconds

if TYPE_CHECKING:
    from types import CodeType, FrameType

    from quickwins.backpressure._core.line import Waiter
    from quickwins.backpressure._core.tenants import Tenant


class Named(Protocol):
    """What guards a resource.

    Attributes:
        name: The resource's.
    """

    name: str


_G = TypeVar("_G", bound=Named)
_H = TypeVar("_H", bound="Hold[Any]")

_new = object.__new__


class State(StrEnum):
    """How far a hold has come; in the words of its `repr`."""

    NEW = "not in use"
    WAITING = "in line"
    HELD = "in use"
    ENDED = "given back"
    TAKEN = "taken back by the pool"


# As in `_core.verdict`: none of them is looked up on a hot path.
NEW: Final = State.NEW
WAITING: Final = State.WAITING
HELD: Final = State.HELD
ENDED: Final = State.ENDED
TAKEN: Final = State.TAKEN


class Hold(Generic[_G]):
    """One use of the resource, from before it is asked for until it is over; made by `wanted`.

    Attributes:
        giver: Whom it is asked of.
        timeout_seconds: How long to wait for it; `None`: as long as the gate lets callers wait.
        priority: How much the work matters: what goes first in line, and is shed last.
        tenant_key: Whose work it is, in the caller's words: never for a label, log or error.
        code: Where it was asked for.
        instruction: The place inside `code`.
        state: How far it has come. What follows is there once it is in use.
        tenant: Whose work it is, for the core.
        since: When it was given; when its connection came, for a pool's.
        task: Who holds it.
        outer: Another one that the same task took before.
        counted: Whether the core counts it as one in use.
        waiter: In shadow mode: its place in the line that it did not wait in.
    """

    __slots__ = (
        "code", "counted", "giver", "instruction", "outer", "priority", "since", "state", "task", "tenant", "tenant_key",
        "timeout_seconds", "waiter",
    )  # fmt: skip

    giver: _G
    timeout_seconds: float | None
    priority: Priority
    tenant_key: str | None
    code: CodeType
    instruction: int
    state: State
    # They get values when it is asked for: an empty slot costs nothing.
    counted: bool
    since: float
    task: asyncio.Task[object] | None
    outer: Hold[Any] | None
    tenant: Tenant | None
    waiter: Waiter | None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.giver.name!r}: {self.state}>"

    @property
    def site_key(self) -> tuple[int, int]:
        """What tells call sites apart while their code is alive; comparing code objects compares their contents."""
        return id(self.code), self.instruction

    @property
    def site(self) -> str:
        """Where it was asked for, in words."""
        return (
            f"{self.code.co_filename}:{_line_number(self.code, self.instruction)} in {self.code.co_qualname}"
        )


# Not `__init__`: calling a class that has one takes CPython 3.11 through its C code and back, longer than all that is done there.
def wanted(
    kind: type[_H],
    giver: Named,
    timeout_seconds: float | None,
    priority: Priority,
    tenant: str | None,
    frame: FrameType,
) -> _H:
    """A hold of a `kind` that is not asked for yet; `Hold` says what it is made of, and `frame` is its caller's."""
    hold = _new(kind)
    hold.giver = giver
    hold.timeout_seconds = timeout_seconds
    hold.priority = priority
    hold.tenant_key = tenant
    hold.state = NEW
    # Not the frame: it would keep alive all that the caller has. Not the line: finding it takes a while.
    hold.code = frame.f_code
    hold.instruction = frame.f_lasti
    return hold


def wishes(timeout: object, priority: object) -> None:
    """Nothing, if one may wait for so long, and so much may matter.

    Raises:
        ConfigError: One of them isn't what it should be; asked only where it may not be.
    """
    seconds("timeout", timeout)
    if not isinstance(priority, int) or not Priority.CRITICAL <= priority <= Priority.SHEDDABLE:
        raise ConfigError(f"priority={priority!r} is not allowed: a Priority, such as Priority.CRITICAL")


def ending_of(error: BaseException) -> Ending:
    """How a use ended that ended in `error`."""
    if isinstance(error, asyncio.CancelledError):
        return IGNORED
    return FAILED if isinstance(error, (TimeoutError, ConnectionError)) else DONE


def _line_number(code: CodeType, instruction: int) -> int:
    for start, end, line_number in code.co_lines():
        if start <= instruction < end and line_number is not None:
            return line_number
    return code.co_firstlineno
