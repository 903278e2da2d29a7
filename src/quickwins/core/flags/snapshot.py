"""The immutable whole that is swapped by reference: every flag's state and every section's settings."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from quickwins.core.digest import digest
from quickwins.core.flags._state import FlagSettings, FlagState, Why, decide, next_expiry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quickwins.core.config import Settings


_DECIDED_BY = {
    Why.KILLED: ("killed",),
    Why.DISABLED: ("enabled",),
    Why.EXPIRED: ("fallback_percent", "expires_at"),
    Why.PERCENT: ("percent", "enabled"),
    Why.ON: ("percent", "enabled"),
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What holds between two changes.

    Attributes:
        version: Counts the changes this process has seen; 1 is the start.
        digest: Of everything in it, so that two processes which see the same have the same; 16 hex digits.
        settings: The whole configuration.
        flags: Feature to its decided state.
        expires_at: When, in wall seconds, some flag's state changes by itself; `None`: never.
        partial: Whether some flag is on for a part of the keys, so that requests need one.
    """

    version: int
    digest: str
    settings: Settings
    flags: Mapping[str, FlagState]
    expires_at: float | None
    partial: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "partial", any(state.is_partial for state in self.flags.values()))

    @classmethod
    def build(cls, settings: Settings, *, version: int, wall_now: float) -> Snapshot:
        """Decide every flag of `settings` at `wall_now`."""
        flagged = {name: one for name, one in settings.sections.items() if isinstance(one, FlagSettings)}
        flags = {name: decide(name, one, wall_now) for name, one in flagged.items()}
        canonical = json.dumps(
            {
                "service": settings.service,
                # Secrets dump as asterisks: they are in no digest.
                "sections": {name: one.model_dump(mode="json") for name, one in settings.sections.items()},
                "limits": {name: state.limit for name, state in flags.items()},
            },
            sort_keys=True,
        )
        return cls(
            version,
            digest(canonical, size_bytes=8).hex(),
            settings,
            MappingProxyType(flags),
            next_expiry(flagged.values(), wall_now),
        )

    def origin(self, feature: str) -> str:
        """The source that decided `feature`'s state, for people; `default` when nobody named the key that did."""
        for key in _DECIDED_BY[self.flags[feature].why]:
            if found := self.settings.origins.get(f"{feature}.{key}"):
                return found
        return "default"

    def decider(self, section: str, old: Snapshot) -> str:
        """The source that decided what is different in `section` since `old`.

        That is the flag's state; where that is the same, the first key that has another value.
        """
        changed = next(iter(self.settings.changes(section, old.settings)), None)
        if section in self.flags and (changed is None or self.flags[section] != old.flags[section]):
            return self.origin(section)
        return self.settings.origin(section, changed or "")
