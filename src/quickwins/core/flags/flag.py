"""The handle on one feature's flag: what a request asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from quickwins.core.flags.metrics import MISSING_KEY
from quickwins.core.flags.pin import PIN, Live

if TYPE_CHECKING:
    from collections.abc import Callable

    from quickwins.core.flags._state import FlagState
    from quickwins.core.flags.snapshot import Snapshot
    from quickwins.core.metrics import Metrics


class Following(Live, Protocol):
    """What a flag is one of: `Flags`."""

    def subscribe(self, subscriber: Callable[[Snapshot], None]) -> Callable[[], None]:
        """Call `subscriber` with each new snapshot; what comes back ends that."""
        ...


class Flag:
    """A handle on one feature's flag. Any thread may ask.

    Attributes:
        feature: Its name.
        state: Its state in the newest snapshot. `flag.state.on` is the unkeyed evaluation, two attribute reads, for
            what concerns the whole process; inside a request ask `active()`.
    """

    __slots__ = ("_flags", "_missing", "_say", "_told", "feature", "state")

    def __init__(
        self,
        feature: str,
        flags: Following,
        state: FlagState,
        metrics: Metrics,
        *,
        say: Callable[[FlagState], None],
    ) -> None:
        """Use `Flags.flag` instead.

        Args:
            feature: Its name.
            flags: What it is one of.
            state: Its state now.
            metrics: For evaluations without a key.
            say: Told of the first one of each state.
        """
        self._say = say
        self._told: FlagState | None = None
        self.feature = feature
        self.state = state
        self._flags = flags
        self._missing = metrics.counter(MISSING_KEY, feature=feature)

    def __repr__(self) -> str:
        return f"<Flag {self.feature} {self.state}>"

    def active(self) -> bool:
        """Whether the feature is on for the current request: by its pinned snapshot and key, if it has a pin.

        Below 100 %, without a key, it is off. That is counted, and reported once for each state that the flag has.
        """
        pin = PIN.get()
        if pin is None:
            state = self.state
            key = None
        else:
            state = pin.snapshot(self._flags).flags[self.feature]
            key = pin.key
        if state.on:
            return True
        if state.limit == 0:
            return False
        if key is None:
            self._missing.inc()
            if state is not self._told and state != self._told:
                self._told = state
                self._say(state)
            return False
        return state.admits(key)

    def active_for(self, key: str) -> bool:
        """Whether the feature is on for `key`, whatever key the request has pinned; its snapshot still counts."""
        pin = PIN.get()
        state = self.state if pin is None else pin.snapshot(self._flags).flags[self.feature]
        return state.admits(key)

    def subscribe(self, subscriber: Callable[[], None]) -> None:
        """Call `subscriber` after each change of any flag or setting, on the polling loop. It must not block."""
        self._flags.subscribe(lambda _: subscriber())
