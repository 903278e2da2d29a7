"""What is kept of one ramp, and what every store promises."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from quickwins.rollout._core.state import STATE, State

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager


@dataclass(frozen=True, slots=True)
class Record:
    """One ramp, and who decides about it.

    Attributes:
        state: Where it stands.
        version: Counts the changes: another state is taken only from one who has seen this one.
        holder: The controller that has the lease; empty: nobody has had it.
        token: Counts the holders. A controller that was away writes with an old one, which is refused: the fence.
        until: When the lease ends, in wall seconds.
    """

    state: State
    version: int = 1
    holder: str = ""
    token: int = 0
    until: float = 0.0

    def with_state(self, state: State) -> Record:
        """The next version, with `state`."""
        return replace(self, state=state, version=self.version + 1)

    def led_by(self, holder: str, now: float, seconds: float) -> Record | None:
        """With the lease given to `holder`, or renewed; `None`: another one has it."""
        if self.holder == holder:
            return replace(self, until=now + seconds)
        if self.until > now:
            return None
        return replace(self, holder=holder, token=self.token + 1, until=now + seconds)

    def as_json(self) -> dict[str, Any]:
        """For `from_json`."""
        return {
            "state": STATE.dump_python(self.state, mode="json"),
            "version": self.version,
            "holder": self.holder,
            "token": self.token,
            "until": self.until,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Record:
        """What `as_json` made.

        Raises:
            ValueError: It is something else.
        """
        return cls(**{**values, "state": STATE.validate_python(values["state"])})


class Held(Protocol):
    """One ramp while nobody else can touch it."""

    @property
    def record(self) -> Record | None:
        """As it is kept; `None`: there is none."""
        ...

    @property
    def others(self) -> Mapping[str, State]:
        """The states of all other ramps."""
        ...

    async def put(self, record: Record) -> None:
        """Keep `record`: with a file at once, with a database when `exclusive` is left."""
        ...


class Store(Protocol):
    """Where ramps are kept. Used by one event loop."""

    def exclusive(self, feature: str) -> AbstractAsyncContextManager[Held]:
        """One ramp, for a moment: another store waits, or is refused.

        Raises:
            RolloutBlocked: Somebody else has it for too long.
            OSError: It cannot be read or written.
        """
        ...
