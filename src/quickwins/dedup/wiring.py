"""Deduplication's part in `QuickWins`: what is made here follows the flag of `[dedup]`, live."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from quickwins.core.errors import ConfigError
from quickwins.dedup.settings import DedupSettings

if TYPE_CHECKING:
    from typing import NotRequired, Unpack

    from prometheus_client import CollectorRegistry

    from quickwins.core.clock import Clock
    from quickwins.core.flags import Flags, Snapshot
    from quickwins.dedup import DeadLetterTable, Deduplicator, Identity, Store


class DedupOptions(TypedDict):
    """What `Deduplicator` takes, as keywords; explained there."""

    identity: Identity
    store: Store
    cluster: NotRequired[str]
    poison: NotRequired[DeadLetterTable | None]


class Dedup:
    """A `core.feature.Feature`: deduplicators by consumer group."""

    section = "dedup"
    model = DedupSettings

    def __init__(self, flags: Flags, *, registry: CollectorRegistry | None, clock: Clock | None) -> None:
        self._flags = flags
        self._registry = registry
        self._clock = clock
        self._made: dict[str, Deduplicator] = {}

    def dedup(self, *, group: str, **options: Unpack[DedupOptions]) -> Deduplicator:
        """A deduplicator for a consumer group.

        Args:
            group: The consumer group.
            options: What `Deduplicator` takes besides.

        Raises:
            ConfigError: There is one for that group, or an argument is wrong.
        """
        from quickwins.dedup import Deduplicator

        if group in self._made:
            raise ConfigError(f"there is a deduplicator for {group!r} already: one consumer group has one")
        made = self._made[group] = Deduplicator(
            group=group,
            **options,
            flag=self._flags.flag(self.section),
            service=self._flags.snapshot.settings.service,
            registry=self._registry,
            clock=self._clock,
        )
        return made

    def apply(self, snapshot: Snapshot) -> None:
        """Nothing to do: each batch asks the flag."""

    async def close(self) -> None:
        """Have every consumer return once what is in progress has had its effect."""
        made, self._made = self._made, {}
        for one in made.values():
            await one.stop()
