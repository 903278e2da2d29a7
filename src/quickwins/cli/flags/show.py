"""`quickwins flags show`: the flags and settings in effect, and the source of each."""

from typing import Annotated

import typer

from quickwins.cli._configuration import Configuration, flag_settings
from quickwins.cli.exit_codes import ExitCode
from quickwins.cli.options import ConfigOption, JsonOption
from quickwins.cli.output import assignments, note, print_json, print_table
from quickwins.core.clock import SystemClock
from quickwins.core.flags import FlagSettings, Snapshot

COLUMNS = ("feature", "state", "source", "flag")


def show(
    feature: Annotated[
        str | None,
        typer.Argument(
            metavar="FEATURE", help="Show only this feature, with all its settings.", show_default=False
        ),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the flags, and which source decided.

    For each flag: the percentage it is on for and why, the source that decided, and its fields that are not at their defaults. With FEATURE: all its settings, and the source of each. Exits with 3 when running processes would refuse the file.
    """
    configuration = Configuration.at(config, SystemClock())
    snapshot = configuration.read()
    if feature is not None:
        flag_settings(snapshot, feature)
    chosen = sorted(snapshot.flags) if feature is None else [feature]
    if as_json:
        flags = [_document(snapshot, one) for one in chosen]
        print_json({"service": snapshot.settings.service, "digest": snapshot.digest, "flags": flags})
    elif feature is None:
        print_table(COLUMNS, [_row(snapshot, one) for one in chosen])
    else:
        state = ("state", str(snapshot.flags[feature]), snapshot.origin(feature))
        settings = [
            (key, value, snapshot.settings.origin(feature, key))
            for key, value in snapshot.settings.values(feature).items()
        ]
        print_table(("setting", "value", "source"), [state, *settings])
    if refused := configuration.refused():
        note(f"{refused}\nprocesses that are running refuse this file, and go on with what they have")
        raise typer.Exit(ExitCode.FINDING)


def _row(snapshot: Snapshot, feature: str) -> list[object]:
    known = snapshot.settings.values(feature)
    defaults = FlagSettings().model_dump()
    said = {key: known[key] for key, default in defaults.items() if known[key] != default}
    return [feature, str(snapshot.flags[feature]), snapshot.origin(feature), assignments(said)]


def _document(snapshot: Snapshot, feature: str) -> dict[str, object]:
    state = snapshot.flags[feature]
    return {
        "feature": feature,
        "percent": state.percent,
        "why": state.why,
        "source": snapshot.origin(feature),
        "settings": {
            key: {"value": value, "source": snapshot.settings.origin(feature, key)}
            for key, value in snapshot.settings.values(feature).items()
        },
    }
