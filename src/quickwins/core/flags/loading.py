"""How a process finds its configuration: the file, the sources over it, the audit file beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from quickwins.core.audit import AuditLog
from quickwins.core.config import CONFIG_PATH_VARIABLE, resolve
from quickwins.core.flags.live import Flags
from quickwins.core.flags.settings import FlagsSettings
from quickwins.core.flags.sources import EnvironmentSource, FileSource

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from prometheus_client import CollectorRegistry

    from quickwins.core.clock import Clock
    from quickwins.core.config import Section, Settings
    from quickwins.core.flags.sources import Source

DEFAULT_PATH = "quickwins.toml"


def config_path(path: str | os.PathLike[str] | None, env: Mapping[str, str]) -> Path:
    """The configuration's path: the argument, else `QUICKWINS_CONFIG`, else `quickwins.toml` in this folder."""
    return Path(path or env.get(CONFIG_PATH_VARIABLE) or DEFAULT_PATH)


def sources_of(file: Path, env: Mapping[str, str], sections: Mapping[str, type[Section]]) -> list[Source]:
    """The environment over the file, strongest first; nothing is read yet from the file.

    Raises:
        ConfigError: The environment has a setting that does not exist.
    """
    return [EnvironmentSource(env, sections), FileSource(file)]


def read_settings(sources: Sequence[Source], sections: Mapping[str, type[Section]]) -> Settings:
    """What `sources` say together, once, without following them.

    Raises:
        ConfigError: A source cannot be read, or the whole is not valid.
    """
    for source in sources:
        source.read()
    return resolve([source.layer() for source in sources], sections)


def audit_log(settings: Settings, file: Path) -> AuditLog | None:
    """The audit file of the configuration in `file`; `None` when it is turned off."""
    flags = settings.section("flags", FlagsSettings)
    if not flags.audit:
        return None
    path = flags.audit_path or file.with_name(file.name + ".audit.jsonl")
    return AuditLog(path, max_bytes=flags.audit_max_bytes)


def load_flags(
    sections: Mapping[str, type[Section]],
    path: str | os.PathLike[str] | None,
    env: Mapping[str, str],
    *,
    registry: CollectorRegistry | None = None,
    clock: Clock | None = None,
) -> Flags:
    """The flags of a process, with its audit file.

    Args:
        sections: The known sections, `FlagsSettings` as `flags` among them.
        path: The file; when `None`, what `QUICKWINS_CONFIG` names, else `quickwins.toml`.
        env: The environment.
        registry: For the flags' series; the default registry when `None`.
        clock: For waiting and for expiry.

    Raises:
        ConfigError: The file is missing or not valid; the message has a line for each mistake.
    """
    file = config_path(path, env)
    sources = sources_of(file, env, sections)
    audit = audit_log(read_settings(sources, sections), file)
    return Flags(sections, sources, audit=audit, registry=registry, clock=clock)
