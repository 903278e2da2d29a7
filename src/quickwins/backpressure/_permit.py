"""The right to use a resource: asked for once, given back once."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from quickwins.backpressure._core.verdict import DONE, FAILED, IGNORED, Ending
from quickwins.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from types import CodeType, FrameType, TracebackType

    from quickwins.backpressure._core.line import Waiter
    from quickwins.backpressure._core.tenants import Tenant
    from quickwins.backpressure.rule import Priority


class Named(Protocol):
    """What guards a resource.

    Attributes:
        name: The resource's.
    """

    name: str


class Giver(Named, Protocol):
    """What a permit is asked of and given back to."""

    async def enter(self, permit: Permit, gone: Callable[[], Awaitable[object]] | None) -> Permit:
        """Return `permit` when it is in use."""

    def leave(self, hold: Hold[Any], ending: Ending) -> None:
        """Take back what is in use."""


_G = TypeVar("_G", bound=Named)


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
    """One use of the resource, from before it is asked for until it is over.

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

    code: CodeType
    instruction: int
    # They get values when it is asked for: an empty slot costs nothing.
    counted: bool
    since: float
    task: asyncio.Task[object] | None
    outer: Hold[Any] | None
    tenant: Tenant | None
    waiter: Waiter | None

    def __init__(
        self,
        giver: _G,
        timeout_seconds: float | None,
        priority: Priority,
        tenant: str | None,
        frame: FrameType,
    ) -> None:
        self.giver = giver
        self.timeout_seconds = timeout_seconds
        self.priority = priority
        self.tenant_key = tenant
        self.state = NEW
        # Not the frame: it would keep alive all that the caller has. Not the line: finding it takes a while.
        self.code = frame.f_code
        self.instruction = frame.f_lasti

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


class Permit(Hold[Giver]):
    """What `Gate.permit` returns: enter it with `async with`, once.

    Leaving the block gives it back: as `failed` after a time-out or a lost connection, as `ignored` when cancelled, and
    as `done` otherwise. The block may do so earlier itself; giving it back again does nothing.

    Example:
        async with gate.permit() as permit:
            answer = await client.get("/search")
            if answer.status == 504:
                permit.failed()
    """

    __slots__ = ()

    # Not `async def`: that would put one more coroutine around the one that does the work.
    def entered(self, gone: Callable[[], Awaitable[object]] | None = None) -> Coroutine[Any, Any, Permit]:
        """Wait for it as entering the block does, but no longer than for what `gone` returns; `None`: nobody watches.

        Raises (when awaited):
            CallerGone: The one that it is for has gone.
        """
        if self.state is not NEW:
            raise ConfigError("a permit is entered once; ask the gate for another one")
        return self.giver.enter(self, gone)

    __aenter__ = entered

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.giver.leave(self, DONE if error is None else ending_of(error))

    def done(self) -> None:
        """Give it back after an ordinary use. How long it was held counts in the mean, and an adaptive gate learns from it."""
        self.giver.leave(self, DONE)

    def failed(self) -> None:
        """Give it back: its use timed out or lost its connection, a sign that too many are in use."""
        self.giver.leave(self, FAILED)

    def ignored(self) -> None:
        """Give it back: its use says nothing about others, as one that was cancelled."""
        self.giver.leave(self, IGNORED)

    def end(self, error: BaseException | None) -> None:
        """Give it back as leaving the block with `error` does."""
        self.giver.leave(self, DONE if error is None else ending_of(error))


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
