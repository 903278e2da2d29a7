"""The configuration that a command works on, as the processes in this environment would see it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickwins.core.errors import ConfigError
from quickwins.core.flags import FlagsSettings, Snapshot
from quickwins.core.flags._state import FlagSettings
from quickwins.core.flags.loading import audit_log, config_path, read_settings, sources_of
from quickwins.facade import SECTIONS

if TYPE_CHECKING:
    from pathlib import Path

    from quickwins.core.audit import AuditLog
    from quickwins.core.clock import Clock
    from quickwins.core.flags import Source


@dataclass(frozen=True, slots=True)
class Configuration:
    """The file and the sources, strongest first.

    Attributes:
        path: The file.
        sources: The same as `QuickWins.load` has.
        clock: For expiry and timestamps.
    """

    path: Path
    sources: list[Source]
    clock: Clock

    @classmethod
    def at(cls, path: Path | None, clock: Clock) -> Configuration:
        """The configuration at `path`, else where `QUICKWINS_CONFIG` or the default says.

        Raises:
            ConfigError: The environment has a setting that does not exist.
        """
        file = config_path(path, os.environ)
        return cls(file, sources_of(file, os.environ, SECTIONS), clock)

    def read(self, *, version: int = 1) -> Snapshot:
        """What holds now.

        Raises:
            ConfigError: A source cannot be read, or the whole is not valid.
        """
        return Snapshot.build(
            read_settings(self.sources, SECTIONS), version=version, wall_now=self.clock.wall()
        )

    def spell(self, layer: str, dotted: str) -> str:
        """How the source called `layer` writes the key `dotted`; call `read` before."""
        found = (one for one in (source.layer() for source in self.sources) if one.name == layer)
        return next((one.spell(dotted) for one in found), dotted)

    def audit(self, snapshot: Snapshot) -> AuditLog | None:
        """The audit file; `None` when `[flags] audit` is false."""
        return audit_log(snapshot.settings, self.path)


def flag_settings(snapshot: Snapshot, feature: str) -> FlagSettings:
    """The section of `feature`.

    Raises:
        ConfigError: There is no such flag.
    """
    if feature not in snapshot.flags:
        raise ConfigError(f"no flag {feature!r}; known: {', '.join(sorted(snapshot.flags))}")
    return snapshot.settings.section(feature, FlagSettings)


def write_command(snapshot: Snapshot) -> tuple[str, ...]:
    """What runs instead of writing the file; empty: the file is written."""
    return snapshot.settings.section("flags", FlagsSettings).write_command
