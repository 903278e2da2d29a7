"""The part of migrations in `QuickWins`: runners that follow `[indexes]`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.indexes.settings import IndexesSettings

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from quickwins.core.clock import Clock
    from quickwins.core.flags import Flags, Snapshot
    from quickwins.indexes.runner import Runner


class Indexes:
    """A `core.feature.Feature`: it has nothing to close, since a runner opens what it needs for each call."""

    section = "indexes"
    model = IndexesSettings

    def __init__(self, flags: Flags, *, registry: CollectorRegistry | None, clock: Clock | None) -> None:
        self._flags = flags
        self._registry = registry
        self._clock = clock

    def runner(self, dsn: str | None = None, *, name: str = "") -> Runner:
        """A runner with the section's window and patience as they are now; it obeys the flag whenever it applies something.

        Args:
            dsn: The database; by default what `QUICKWINS_INDEXES__DSN` says, else the `PG*` variables.
            name: On its series and events.
        """
        from quickwins.indexes.runner import Runner

        settings = self._flags.snapshot.settings
        ours = settings.section(self.section, self.model)
        if dsn is None and ours.dsn is not None:
            dsn = ours.dsn.get_secret_value()
        return Runner(
            dsn,
            window=ours.window,
            max_wait_seconds=ours.max_wait_seconds,
            flag=self._flags.flag(self.section),
            service=settings.service,
            name=name,
            registry=self._registry,
            clock=self._clock,
        )

    def apply(self, snapshot: Snapshot) -> None:
        """Nothing to follow: runners read the flag when they apply something."""

    async def close(self) -> None:
        """Nothing to close."""
