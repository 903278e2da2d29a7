"""`quickwins flags set`, `kill` and `revive`: write a flag, and say whether that takes effect."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, time
from typing import Annotated

import typer

from quickwins.cli._configuration import Configuration, flag_section
from quickwins.cli.flags._explain import obstacles, parse_assignments, slips
from quickwins.cli.options import ConfigOption, FeatureArgument, JsonOption
from quickwins.cli.output import note, print_json, print_table
from quickwins.core.clock import SystemClock
from quickwins.core.errors import ConfigError
from quickwins.core.events import FLAG_WRITTEN
from quickwins.core.flags import FlagSettings, Snapshot, decide
from quickwins.core.flags.history import audit_record, change_fields
from quickwins.core.flags.writer import FlagWriter, Written
from quickwins.facade import SECTIONS

UNKNOWN = "unknown"
"""The state before, where the configuration was not valid: each running process has the last one that was."""


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

    For everybody, whatever its other settings and other sources say. Sets killed=true. Mistakes in the file or in the environment don't stop it; they are named afterwards.
    """
    flag_section(feature)
    configuration = Configuration.at(config, SystemClock())
    old, _ = _as_it_is(configuration, version=1)
    writer = FlagWriter(configuration.path, SECTIONS, command=configuration.about_flags().write_command)
    written = _written(configuration, lambda: writer.kill(feature))
    new, wrong = _as_it_is(configuration, version=2)
    _report(configuration, feature, {"killed": True}, (old, new), written, wrong, as_json=as_json)


def revive(feature: FeatureArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Undo a kill.

    The other settings apply again. Sets killed=false. Warns if another source still kills the feature.
    """
    _write(Configuration.at(config, SystemClock()), feature, {"killed": False}, as_json=as_json)


def _write(
    configuration: Configuration, feature: str, fields: Mapping[str, object], *, as_json: bool
) -> None:
    old = configuration.read(version=1)
    flag_section(feature)
    writer = FlagWriter(configuration.path, SECTIONS, command=configuration.about_flags().write_command)
    written = _written(configuration, lambda: writer.set(feature, **fields))
    new, wrong = _as_it_is(configuration, version=2)
    _report(configuration, feature, fields, (old, new), written, wrong, as_json=as_json)


def _as_it_is(configuration: Configuration, *, version: int) -> tuple[Snapshot | None, list[str]]:
    """What holds now, `None` where nobody can say, and why running processes would not follow it."""
    refused = configuration.refused()
    try:
        return configuration.read(version=version), [refused] if refused else []
    except ConfigError as error:
        return None, str(error).splitlines()


def _written(configuration: Configuration, write: Callable[[], Written]) -> Written:
    try:
        return write()
    except OSError as error:
        raise ConfigError(f"{configuration.path}: {error.strerror}; nothing was written") from error


def _report(
    configuration: Configuration,
    feature: str,
    fields: Mapping[str, object],
    snapshots: tuple[Snapshot | None, Snapshot | None],
    written: Written,
    wrong: Sequence[str],
    *,
    as_json: bool,
) -> None:
    """Say what was written and what that did.

    Args:
        configuration: That was written.
        feature: Whose section.
        fields: What was written into it.
        snapshots: What held before and what holds after; `None` where nobody can say.
        written: How it was written.
        wrong: What else is wrong.
        as_json: For programs.
    """
    old, new = snapshots
    warnings = [f"only kills are followed until this is right: {line}" for line in wrong]
    if new is not None:
        warnings += obstacles(new, feature, fields, file=str(configuration.path), spell=configuration.spell)
    warnings += slips(feature, fields)
    warnings += _record(configuration, feature, snapshots, fields, written.where)
    before = {} if old is None else old.settings.values(feature)
    after = dict(fields) if new is None else new.settings.values(feature)
    states = (UNKNOWN if old is None else str(old.flags[feature]), _state_after(new, feature))
    note(f"written to {written.where}")  # first: the rest may have no place to be written
    if as_json:
        document = {
            "feature": feature,
            "old": states[0],
            "new": states[1],
            "settings": {key: {"old": before.get(key), "new": after.get(key)} for key in fields},
            "written_to": written.where,
            "digest": None if new is None else new.digest,
            "warnings": warnings,
        }
        print_json(document)
    else:
        settings = [(f"{feature}.{key}", before.get(key), after.get(key)) for key in fields]
        print_table(("what", "old", "new"), [(feature, *states), *settings])
    if written.settings is None and old is not None and new is not None and old.digest == new.digest:
        note("it takes effect when that store hands it out; `quickwins flags watch` shows when")
    for warning in warnings:
        note(f"warning: {warning}")


def _state_after(new: Snapshot | None, feature: str) -> str:
    """Nothing but a kill is written into what is wrong otherwise."""
    return str(decide(feature, FlagSettings(killed=True), 0.0) if new is None else new.flags[feature])


def _record(
    configuration: Configuration,
    feature: str,
    snapshots: tuple[Snapshot | None, Snapshot | None],
    fields: Mapping[str, object],
    where: str,
) -> list[str]:
    """Add the line that says who wrote; if that fails, return a warning, since the flag is written already."""
    audit = configuration.audit()
    if audit is None:
        return []
    old, new = snapshots
    if old is None or new is None:
        state = {
            "old": UNKNOWN,
            "new": _state_after(new, feature),
            "source": where,
            "version": 0,
            "digest": "",
        }
        change: Mapping[str, object] = {"feature": feature, **state}
    else:
        change = change_fields(feature, old, new)
    said = {**change, "changes": {key: _json(value) for key, value in fields.items()}, "where": where}
    service = "" if new is None else new.settings.service
    try:
        audit.append(audit_record(FLAG_WRITTEN, said, service=service, wall_now=configuration.clock.wall()))
    except OSError as error:
        return [f"{audit.path}: {error.strerror}: this change is not in the history"]
    return []


def _json(value: object) -> object:
    return value.isoformat() if isinstance(value, (date, time)) else value
