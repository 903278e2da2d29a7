"""`quickwins flags watch`: every change as it is seen."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import islice
from typing import Annotated

import typer
from prometheus_client import CollectorRegistry

from quickwins.cli._configuration import Configuration
from quickwins.cli.flags._explain import Difference, differences
from quickwins.cli.options import ConfigOption
from quickwins.cli.output import assignments, note, print_json, print_line, timestamp
from quickwins.core.clock import SystemClock
from quickwins.core.events import FLAG_SOURCE_FAILED, FLAG_SOURCE_RECOVERED, LOGGER
from quickwins.core.flags import Flags, FlagsSettings
from quickwins.facade import SECTIONS


def watch(
    config: ConfigOption = None,
    count: Annotated[
        int | None,
        typer.Option(
            min=1, help="Stop after this many changes. Default: run until Ctrl-C.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on each line.")] = False,
) -> None:
    """Print each change as it is seen.

    One line for each section that changed, as a service in this environment would see it. The columns: time, section, old state, new state, the source that decided, the keys that changed.
    """
    clock = SystemClock()
    configuration = Configuration.at(config, clock)
    flags = Flags(SECTIONS, configuration.sources, registry=CollectorRegistry(), clock=clock)
    handler = _SourceNotes()
    logger = logging.getLogger(LOGGER)
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        note(f"watching {configuration.path}; Ctrl-C stops")
        for change in islice(follow(flags, time.sleep), count):
            at = timestamp(clock.wall())
            if as_json:
                print_json({"at": at, **asdict(change)})
            else:
                print_line(
                    at, change.section, change.old, change.new, change.source, assignments(change.changes)
                )
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


def follow(flags: Flags, sleep: Callable[[float], None]) -> Iterator[Difference]:
    """Changes as they happen, for ever; calls `sleep` with the poll interval between two looks."""
    while True:
        old = flags.snapshot
        sleep(old.settings.section("flags", FlagsSettings).poll_interval_seconds)
        flags.poll()
        yield from differences(old, flags.snapshot)


class _SourceNotes(logging.Handler):
    """Prints when a source fails and when it works again; the changes themselves are the command's result."""

    def emit(self, record: logging.LogRecord) -> None:
        fields = getattr(record, "fields", {})
        event = getattr(record, "event", "")
        if event == FLAG_SOURCE_FAILED.name:
            note(f"{fields['detail']}\nthe last good settings stay in effect until this is fixed")
        elif event == FLAG_SOURCE_RECOVERED.name:
            note(f"{fields['source']}: works again")
