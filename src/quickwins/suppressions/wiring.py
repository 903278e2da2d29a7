"""The part of the warnings' bridge in `QuickWins`: it is there while `[suppressions]` is on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.feature import OnePerProcess
from quickwins.suppressions.settings import SuppressionsSettings

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from quickwins.core.clock import Clock
    from quickwins.core.flags import Flags, Snapshot
    from quickwins.suppressions.bridge import Bridge

_WARNINGS = OnePerProcess()


class Suppressions:
    """A `core.feature.Feature`: the process's bridge, which several may want."""

    section = "suppressions"
    model = SuppressionsSettings

    def __init__(self, flags: Flags, *, registry: CollectorRegistry | None, clock: Clock | None) -> None:
        self._flags = flags
        self._registry = registry
        self._clock = clock
        self._bridge: Bridge | None = None

    def apply(self, snapshot: Snapshot) -> None:
        """Have the bridge while the flag is on, and nothing at all while it is off."""
        _WARNINGS.follow(self, snapshot)

    async def close(self) -> None:
        """Take the bridge out."""
        _WARNINGS.leave(self)

    def begin(self) -> None:
        """See `OnePerProcess`. A bridge that the service has installed by hand stays, and is the only one."""
        from quickwins.suppressions import bridge

        if bridge.installed() is None:
            settings = self._flags.snapshot.settings
            self._bridge = bridge.install(
                service=settings.service,
                registry=self._registry,
                clock=self._clock,
                first_party=settings.section(self.section, self.model).first_party,
            )

    def end(self) -> None:
        """See `OnePerProcess`."""
        mine, self._bridge = self._bridge, None
        if mine is None:
            return
        from quickwins.suppressions import bridge

        if bridge.installed() is mine:
            bridge.uninstall()
