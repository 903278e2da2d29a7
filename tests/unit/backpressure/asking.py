"""A caller of a gate's core, as the shell is one: it takes a permit, or else takes what the line has for it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from quickwins.backpressure._core.verdict import ADMITTED, Verdict
from quickwins.backpressure.rule import Priority

if TYPE_CHECKING:
    from quickwins.backpressure._core.gate import GateCore
    from quickwins.backpressure._core.line import Waiter
    from quickwins.backpressure._core.tenants import Tenant
    from quickwins.backpressure.rule import RejectReason


def ask(
    core: GateCore,
    now: float,
    deadline_at: float = math.inf,
    priority: Priority = Priority.NORMAL,
    tenant: Tenant | None = None,
) -> Literal[Verdict.ADMITTED] | RejectReason | Waiter:
    """Take a permit, be refused, or join the line."""
    return ADMITTED if core.take(priority, tenant) else core.line_up(now, deadline_at, priority, tenant)
