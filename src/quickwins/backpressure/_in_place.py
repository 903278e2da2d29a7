"""What a library's own pool has in front of it when it is gated where it stands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from quickwins.backpressure._gate import Gate, checked

if TYPE_CHECKING:
    from typing import Unpack

    from quickwins.backpressure._gate import ShellOptions
    from quickwins.backpressure.rule import Rule
    from quickwins.backpressure.stats import PoolStats


class GatedInPlace(ABC):
    """A pool that is used as before and has a gate all the same.

    Attributes:
        name: On metrics, events and errors.
    """

    def __init__(self, size: int, gate: Gate | None, **options: Unpack[ShellOptions]) -> None:
        gate = Gate.threshold() if gate is None else gate
        checked(gate).bind(size, **options)
        self._gate = gate
        self.name = gate.shell.name

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._gate.shell}>"

    def stats(self) -> PoolStats:
        """What is going on now."""
        return self._gate.stats()

    def reconfigure(self, rule: Rule) -> None:
        """Follow another rule. Permits in use stay in use, and callers in line go on waiting."""
        self._gate.reconfigure(rule)

    @abstractmethod
    async def close(self, *, grace: float = 10.0) -> None:
        """Refuse everybody, then close what is gated, with `grace` seconds for what is in use. Idempotent."""
