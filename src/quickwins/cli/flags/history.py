"""`quickwins flags history`: who changed what, and how fast it was seen."""

from dataclasses import asdict
from typing import Annotated

import typer

from quickwins.cli._configuration import Configuration
from quickwins.cli.options import ConfigOption, JsonOption
from quickwins.cli.output import assignments, print_json, print_table, timestamp
from quickwins.core.clock import SystemClock
from quickwins.core.errors import ConfigError
from quickwins.core.flags.history import fold

COLUMNS = ("first_seen", "feature", "old", "new", "source", "processes", "spread_seconds", "written")


def history(
    config: ConfigOption = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many, the newest.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show past changes of flags.

    One row for each change, however many processes saw it, the newest last; from the audit file next to the configuration. processes: how many saw the change; spread_seconds: the time between the first
    and the last that saw it; written: what `quickwins flags set` wrote, if that made the change.
    """
    audit = Configuration.at(config, SystemClock()).audit()
    if audit is None:
        raise ConfigError("there is no history: audit is false under [flags]")
    try:
        changes = fold(audit.records())[-limit:]
    except OSError as error:
        raise ConfigError(f"{audit.path}: {error.strerror}") from None
    if as_json:
        print_json([{**asdict(change), "at": timestamp(change.at)} for change in changes])
        return
    print_table(
        COLUMNS,
        [
            (
                timestamp(one.at),
                one.feature,
                one.old,
                one.new,
                one.source,
                one.processes,
                round(one.spread_seconds, 3),
                assignments(one.written),
            )
            for one in changes
        ],
    )
