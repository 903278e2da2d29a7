"""One caller's right to use the resource: asked for once, given back once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from quickwins.backpressure._deadline import current_deadline
from quickwins.backpressure._ledger import Outcome
from quickwins.core.errors import ConfigError

if TYPE_CHECKING:
    from types import CodeType, FrameType, TracebackType

    from quickwins.backpressure._core.line import Waiter
    from quickwins.backpressure._core.tenants import Tenant
    from quickwins.backpressure._permits import Gate
    from quickwins.backpressure.rule import Priority


class Permit:
    """What `Gate.permit` returns: enter it with `async with`, once.

    Attributes:
        gate: Whom it is asked of.
        timeout_seconds: How long to wait for it; `None`: as long as the gate lets one wait.
        priority: What is lost last, and first.
        tenant_key: Whose it is, as the caller has named it: never for a label, log or error.
        code: Where it was asked for; `None`: unknown.
        instruction: Likewise, inside `code`.
        used: Whether it was asked for. What follows is there from then on.
        tenant: Whose it is, for the core.
        since: When it was given; when its connection came, for a pool's.
        task: Who holds it.
        outer: Another one that the same task took before.
        counted: Whether the core counts it as one in use.
        waiter: In shadow mode: its place in the line that it did not wait in.
        connection: Of a pool's: what it was given for, `None` before and after.
        reset_seconds: Likewise: how long the reset of the connection may take; `None`: as long as it takes.
    """

    __slots__ = (
        "code", "connection", "counted", "gate", "instruction", "outer", "priority", "reset_seconds", "since", "task",
        "tenant", "tenant_key", "timeout_seconds", "used", "waiter",
    )  # fmt: skip

    code: CodeType | None
    instruction: int
    # Given values when it is asked for: an empty slot costs nothing.
    counted: bool
    since: float
    task: asyncio.Task[object] | None
    outer: Permit | None
    tenant: Tenant | None
    waiter: Waiter | None
    connection: Any
    reset_seconds: float | None

    def __init__(
        self,
        gate: Gate,
        timeout_seconds: float | None,
        priority: Priority,
        tenant: str | None,
        frame: FrameType | None,
    ) -> None:
        self.gate = gate
        self.timeout_seconds = timeout_seconds
        self.priority = priority
        self.tenant_key = tenant
        self.used = False
        self.connection = None
        self.asked_from(frame)

    def asked_from(self, frame: FrameType | None) -> None:
        """Note where the caller is."""
        # Not the frame: it would keep alive whatever the caller has. Not the line: finding it takes a while.
        self.code = None if frame is None else frame.f_code
        self.instruction = 0 if frame is None else frame.f_lasti

    @property
    def site_key(self) -> tuple[int, int]:
        """Tells call sites apart while their code is alive; comparing code objects would compare their contents."""
        return id(self.code), self.instruction

    @property
    def site(self) -> str:
        """Where it was asked for, in words."""
        if self.code is None:
            return "an unknown place"
        return (
            f"{self.code.co_filename}:{_line_number(self.code, self.instruction)} in {self.code.co_qualname}"
        )

    async def __aenter__(self) -> None:
        if self.used:
            raise ConfigError("a permit is entered once; ask the gate for another one")
        gate = self.gate
        now = gate.now()
        timeout_seconds = self.timeout_seconds
        if current_deadline() is not None:
            timeout_seconds = gate.bounded(timeout_seconds, now)
        waiter = gate.ask(self, now, timeout_seconds)
        if waiter is None:
            gate.ledger.given_at_once[0] += 1
        else:
            await gate.wait(self, waiter, timeout_seconds)
            gate.ledger.acquired[Outcome.ACQUIRED].observe(waiter.ended_at - now)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.gate.leave(self)
        else:
            self.give_back(error)

    def give_back(self, error: BaseException | None = None) -> None:
        """What leaving the block does; `error` is what it was left with."""
        sample = not isinstance(error, asyncio.CancelledError)
        self.gate.leave(
            self, sample=sample, dropped=sample and isinstance(error, (TimeoutError, ConnectionError))
        )


def _line_number(code: CodeType, instruction: int) -> int:
    for start, end, line_number in code.co_lines():
        if start <= instruction < end and line_number is not None:
            return line_number
    return code.co_firstlineno
