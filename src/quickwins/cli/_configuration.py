"""The configuration that a command works on, as the processes in this environment would see it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from quickwins.core.config import Section
from quickwins.core.flags import FileSource, FlagSettings, FlagsSettings, Snapshot, SourceError
from quickwins.core.flags.errors import no_flag
from quickwins.core.flags.loading import audit_log, config_path, read_settings, sources_of
from quickwins.core.flags.text import followed
from quickwins.facade import SECTIONS

if TYPE_CHECKING:
    from pathlib import Path

    from quickwins.core.audit import AuditLog
    from quickwins.core.clock import Clock
    from quickwins.core.flags import Source

S = TypeVar("S", bound=Section)


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
        """The configuration at `path`, else where `QUICKWINS_CONFIG` or the default says."""
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

    def refused(self) -> str:
        """Why a process that is running would not follow the file, valid or not; empty: it would."""
        try:
            followed(FileSource(self.path).read(), str(self.path), None)
        except SourceError as error:
            return str(error)
        return ""

    def about_flags(self) -> FlagsSettings:
        """The section `[flags]`, as much of it as can be understood: a kill needs it whatever else is wrong."""
        return self.about("flags", FlagsSettings)

    def about(self, name: str, model: type[S]) -> S:
        """The section `name`, as much of it as can be understood."""
        given: dict[str, Any] = {}
        for source in reversed(self.sources):
            try:
                source.read()
                section = source.layer().values.get(name)
            except SourceError:
                continue
            given |= section if isinstance(section, dict) else {}
        return model.model_validate(
            {key: value for key, value in given.items() if _is_valid(model, key, value)}
        )

    def audit(self) -> AuditLog | None:
        """The audit file; `None` when `[flags] audit` is false."""
        return audit_log(self.about_flags(), self.path)


def _is_valid(model: type[Section], key: str, value: object) -> bool:
    try:
        model.model_validate({key: value})
    except ValidationError:
        return False
    return True


def flag_section(feature: str) -> type[FlagSettings]:
    """The model of the flag's section.

    Raises:
        ConfigError: There is no such flag.
    """
    flags = {name: model for name, model in SECTIONS.items() if issubclass(model, FlagSettings)}
    if feature not in flags:
        raise no_flag(feature, flags)
    return flags[feature]


def flag_settings(snapshot: Snapshot, feature: str) -> FlagSettings:
    """The section of `feature`.

    Raises:
        ConfigError: There is no such flag.
    """
    return snapshot.settings.section(feature, flag_section(feature))
