"""`quickwins flags set`, `kill` and `revive`: write a flag, and say whether that takes effect."""

from collections.abc import Mapping
from datetime import date, time
from typing import Annotated

import typer

from quickwins.cli._configuration import Configuration, flag_settings, write_command
from quickwins.cli.flags._explain import obstacles, parse_assignments, values
from quickwins.cli.options import ConfigOption, FeatureArgument, JsonOption
from quickwins.cli.output import note, print_json, print_table
from quickwins.core.clock import SystemClock
from quickwins.core.errors import ConfigError
from quickwins.core.events import FLAG_WRITTEN
from quickwins.core.flags import Snapshot
from quickwins.core.flags.history import audit_record, change_fields
from quickwins.core.flags.writer import FlagWriter
from quickwins.facade import SECTIONS


def write(
    feature: FeatureArgument,
    assignments: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY=VALUE",
            help="What to set, e.g. enabled=true percent=10 expires_at=2030-01-31T18:00:00Z. "
            "KEY= removes a key, which brings back its default.",
            show_default=False,
        ),
    ],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change settings of a feature.

    Running processes follow within their poll interval, 0.5 s by default. Nothing is written that would not load. Writes to the configuration file, or through the
    write_command in its section [flags]. Warns if another source overrides what was written.
    """
    _write(Configuration.at(config, SystemClock()), feature, parse_assignments(assignments), as_json=as_json)


def kill(feature: FeatureArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Turn a feature off at once.

    For everybody, whatever its other settings and other sources say. Sets killed=true.
    """
    _write(Configuration.at(config, SystemClock()), feature, {"killed": True}, as_json=as_json)


def revive(feature: FeatureArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Undo a kill.

    The other settings apply again. Sets killed=false. Warns if another source still kills the feature.
    """
    _write(Configuration.at(config, SystemClock()), feature, {"killed": False}, as_json=as_json)


def _write(
    configuration: Configuration, feature: str, fields: Mapping[str, object], *, as_json: bool
) -> None:
    old = configuration.read(version=1)
    flag_settings(old, feature)
    writer = FlagWriter(configuration.path, SECTIONS, command=write_command(old))
    try:
        written = writer.set(feature, **fields)
    except OSError as error:
        raise ConfigError(f"{configuration.path}: {error.strerror}; nothing was written") from error
    new = configuration.read(version=2)
    warnings = obstacles(new, feature, fields, file=str(configuration.path), spell=configuration.spell)
    warnings += _record(configuration, feature, old, new, fields, written.where)
    before, after = values(old, feature), values(new, feature)
    states = (str(old.flags[feature]), str(new.flags[feature]))
    if as_json:
        document = {
            "feature": feature,
            "old": states[0],
            "new": states[1],
            "settings": {key: {"old": before.get(key), "new": after.get(key)} for key in fields},
            "written_to": written.where,
            "digest": new.digest,
            "warnings": warnings,
        }
        print_json(document)
    else:
        settings = [(f"{feature}.{key}", before.get(key), after.get(key)) for key in fields]
        print_table(("what", "old", "new"), [(feature, *states), *settings])
    note(f"written to {written.where}")
    if written.settings is None and old.digest == new.digest:
        note("it takes effect when that store hands it out; `quickwins flags watch` shows when")
    for warning in warnings:
        note(f"warning: {warning}")


def _record(
    configuration: Configuration,
    feature: str,
    old: Snapshot,
    new: Snapshot,
    fields: Mapping[str, object],
    where: str,
) -> list[str]:
    """Add the line that says who wrote; if that fails, return a warning, since the flag is written already."""
    audit = configuration.audit(new)
    if audit is None:
        return []
    said = {
        **change_fields(feature, old, new),
        "changes": {key: _json(value) for key, value in fields.items()},
        "where": where,
    }
    service = new.settings.service
    try:
        audit.append(audit_record(FLAG_WRITTEN, said, service=service, wall_now=configuration.clock.wall()))
    except OSError as error:
        return [f"{audit.path}: {error.strerror}: this change is not in the history"]
    return []


def _json(value: object) -> object:
    return value.isoformat() if isinstance(value, (date, time)) else value
