"""How a process finds its configuration: the file, the sources over it, the audit file beside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from quickwins.core.audit import AuditLog
from quickwins.core.config import CONFIG_PATH_VARIABLE, resolve
from quickwins.core.errors import ConfigError
from quickwins.core.flags.errors import SourceError
from quickwins.core.flags.live import Flags
from quickwins.core.flags.settings import FlagsSettings
from quickwins.core.flags.sources import EnvironmentSource, FileSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prometheus_client import CollectorRegistry

    from quickwins.core.clock import Clock
    from quickwins.core.config import Layer, Section, Settings
    from quickwins.core.flags.sources import Source

DEFAULT_PATH = "quickwins.toml"


def config_path(path: str | os.PathLike[str] | None, env: Mapping[str, str]) -> Path:
    """The configuration's path: the argument, else `QUICKWINS_CONFIG`, else `quickwins.toml` in this folder."""
    return Path(path or env.get(CONFIG_PATH_VARIABLE) or DEFAULT_PATH)


def sources_of(file: Path, env: Mapping[str, str], sections: Mapping[str, type[Section]]) -> list[Source]:
    """The environment over the file, strongest first; nothing is read yet from the file."""
    return [EnvironmentSource(env, sections), FileSource(file)]


def read_settings(sources: Sequence[Source], sections: Mapping[str, type[Section]]) -> Settings:
    """What `sources` say together, once, without following them.

    Raises:
        ConfigError: A source cannot be read, or the whole is not valid; the message names every mistake of all of them.
    """
    layers: list[Layer] = []
    failures: list[SourceError] = []
    for source in sources:
        try:
            source.read()
            layers.append(source.layer())
        except SourceError as error:
            failures.append(error)
    if not failures:
        return resolve(layers, sections)
    lines = [str(error) for error in failures]
    try:
        resolve(layers, sections)
    except ConfigError as error:
        lines.append(str(error))
    first = failures[0]
    raise SourceError("\n".join(lines), source=first.source, reason=first.reason, kills=first.kills)


def audit_log(settings: FlagsSettings, file: Path) -> AuditLog | None:
    """The audit file of the configuration in `file`; `None` when it is turned off."""
    if not settings.audit:
        return None
    path = settings.audit_path or file.with_name(file.name + ".audit.jsonl")
    return AuditLog(path, max_bytes=settings.audit_max_bytes)


def load_flags(
    sections: Mapping[str, type[Section]],
    path: str | os.PathLike[str] | None,
    env: Mapping[str, str] | None = None,
    *,
    registry: CollectorRegistry | None = None,
    clock: Clock | None = None,
) -> Flags:
    """The flags of a process, with its audit file.

    Args:
        sections: The known sections, `FlagsSettings` as `flags` among them.
        path: The file; when `None`, what `QUICKWINS_CONFIG` names, else `quickwins.toml`.
        env: The environment; the process's own when `None`.
        registry: For the flags' series; the default registry when `None`.
        clock: For waiting and for expiry.

    Raises:
        ConfigError: The file is missing or not valid; the message has a line for each mistake.
    """
    env = os.environ if env is None else env
    file = config_path(path, env)
    sources = sources_of(file, env, sections)
    audit = audit_log(read_settings(sources, sections).section("flags", FlagsSettings), file)
    return Flags(sections, sources, audit=audit, registry=registry, clock=clock)
