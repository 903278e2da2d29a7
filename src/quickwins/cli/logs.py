"""`quickwins logs`: an incident, read from the services' logs; what redaction would change in them."""

# No `from __future__ import annotations` in modules with commands: Typer reads the annotations.

import math
import sys
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from quickwins.cli._redact import redact
from quickwins.cli._timeline import (
    ENTRY_COLUMNS,
    ERROR_COLUMNS,
    book_text,
    entry_json,
    entry_rows,
    error_json,
    error_rows,
    gap_text,
    time,
)
from quickwins.cli.exit_codes import ExitCode
from quickwins.cli.output import counted, note, print_rows, working
from quickwins.core.errors import ConfigError
from quickwins.logs.timeline import (
    MAX_BYTES,
    MAX_TRACES,
    FirstErrors,
    Found,
    Log,
    Query,
    Severity,
    earliest,
    first_errors,
    moment_of,
    read,
    trace_of,
)


class Level(StrEnum):
    """The levels, as settings name them."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


NAMED_TRACES = 5
NAMED_GAPS = 5
SEVERITIES = dict(zip(Level, Severity, strict=True))


def build_app() -> typer.Typer:
    """The group `logs`."""
    app = typer.Typer(
        help="Reconstruct an incident from logs; try redaction on them.",
        epilog="Example: quickwins logs timeline feed.log gateway.log.1.gz --first-errors",
        no_args_is_help=True,
    )
    app.command(
        "timeline",
        epilog="Example: quickwins logs timeline *.log *.gz --trace 4bf92f3577b34da6a3ce929d0e0e4736",
        no_args_is_help=True,
    )(timeline)
    app.command(
        "redact",
        epilog="Example: quickwins logs redact app.log.1.gz --safe-key page_token",
        no_args_is_help=True,
    )(redact)
    return app


def timeline(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILES",
            help="Logs of any number of services: one JSON object on each line, gzipped or not; - is standard input.",
            show_default=False,
        ),
    ],
    trace: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Only this trace, and the traces linked with it in either direction. Takes a trace_id, a correlation_id, "
            "or a whole traceparent.",
            show_default=False,
        ),
    ] = None,
    errors: Annotated[
        bool,
        typer.Option(
            "--first-errors",
            help="Show each error once, with how often it came and when last. The first is where it began.",
        ),
    ] = False,
    around: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Only what was logged around this time: 2026-11-26T01:21:49Z, or with an offset such as +02:00, or seconds "
            "since 1970.",
            show_default=False,
        ),
    ] = None,
    window: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How many seconds before and after --around.")
    ] = 5.0,
    level: Annotated[
        Level | None,
        typer.Option(help="Only lines of this level or above.", show_default=False, case_sensitive=False),
    ] = None,
    service: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Only lines of this service; may be given more than once.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, metavar="LINES", help="Show at most this many lines, the earliest.")
    ] = 10_000,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print the lines as they were logged, for jq. First errors get timeline.count and timeline.last.",
        ),
    ] = False,
) -> None:
    """Merge several services' logs into one timeline.

    Where to start: --first-errors shows what broke first; --trace with a trace_id from there shows what happened to that
    request in all services; --around with its time shows what else was going on. The options combine; without any of them,
    everything is shown.

    Times are in UTC; the column seconds is the time since the row before. Clocks of different machines differ, and the order
    across services is only as good as they are. Long values are cut, and service.instance.id, span_id and seq left out; --json
    has everything.

    Where numbers (seq) of a process are missing, lines are lost; stderr says which ones. Files of a rotation that aren't
    given are missing, too.

    Lines that are not JSON objects with a timestamp are skipped and counted on stderr, as is the missing end of a gzip file
    that was cut short.

    Exits with 0, even if nothing matches; with 3 if --first-errors found an error; with 2 if a file cannot be opened.
    """
    query = _query(trace, around, window, level, service, errors=errors)
    logs = _logs(files)
    found: Found[Any]
    with working(f"reading {counted(len(logs), 'file')}") if sys.stderr.isatty() else nullcontext():
        found = read(logs, query, first_errors if errors else partial(earliest, limit=limit))
    shown = (found.result.errors if errors else found.result.entries)[:limit]
    if as_json:
        _print_json(map(error_json if errors else entry_json, shown))
    elif shown:
        rows = error_rows(shown, found.traces) if errors else entry_rows(shown, found.traces)
        print_rows(ERROR_COLUMNS if errors else ENTRY_COLUMNS, rows)
    _say(found, query, len(shown), limit)
    if errors and shown:
        raise typer.Exit(ExitCode.FINDING)


def _query(
    trace: str | None,
    around: str | None,
    window: float,
    level: Level | None,
    services: Sequence[str] | None,
    *,
    errors: bool,
) -> Query:
    since = until = None
    if around is not None:
        middle = moment_of(around)
        if not math.isfinite(window):
            raise ConfigError(f"--window {window} is not a number of seconds")
        since, until = middle - round(window * 1e6), middle + round(window * 1e6)
    severity = 0 if level is None else SEVERITIES[level]
    return Query(
        trace="" if trace is None else trace_of(trace),
        since=since,
        until=until,
        severity=max(severity, Severity.ERROR) if errors else severity,
        services=frozenset(services or ()),
    )


def _logs(files: Sequence[str]) -> list[Log]:
    """Each file once, however often it is named, since patterns overlap."""
    logs: dict[Path | None, Log] = {}
    for name in files:
        if name == "-":
            logs[None] = Log.stdin()
        else:
            logs.setdefault(Path(name).resolve(), Log.file(Path(name)))
    return list(logs.values())


def _print_json(lines: Iterable[str]) -> None:
    # JSON is UTF-8 wherever it goes.
    for line in lines:
        sys.stdout.buffer.write(line.encode() + b"\n")
    sys.stdout.buffer.flush()


def _say(found: Found[Any], query: Query, shown: int, limit: int) -> None:
    """Print what people must know to trust what is shown."""
    result, books = found.result, found.books
    if len(found.traces) > 1:
        linked = found.traces[1:]
        more = f" and {len(linked) - NAMED_TRACES} more" if len(linked) > NAMED_TRACES else ""
        note(f"linked with {found.traces[0]}, and shown: {', '.join(linked[:NAMED_TRACES])}{more}")
    if found.left_out:
        note(f"more than {MAX_TRACES} traces are linked with it; the rest were not followed")
    if isinstance(result, FirstErrors):
        if result.left_out:
            note(
                f"{counted(result.left_out, 'line')} with other errors are not shown: there are too many kinds"
            )
        if len(result.errors) > shown:
            note(f"the first {shown:,} of {len(result.errors):,} errors are shown; --limit shows more")
    elif result.matched > shown:
        more = "or raise --limit" if shown >= limit else f"since no more than {MAX_BYTES >> 20} MiB are kept"
        note(
            f"{result.matched:,} lines match, the first {shown:,} are shown; narrow it down with --around, --level or "
            f"--service, {more}"
        )
    malformed = sum(book.malformed for book in books)
    total = (
        f"{counted(len(books), 'file')}, {counted(sum(book.lines for book in books), 'line')}, "
        f"{malformed:,} malformed; {result.matched:,} matched"
    )
    note(total)
    for book in books:
        if book.malformed or book.failure or not result.matched:
            note(book_text(book))
    _say_gaps(found)
    if not result.matched:
        note("nothing matched: " + _nothing(query, empty=not any(book.lines for book in books)))


def _say_gaps(found: Found[Any]) -> None:
    for gap in found.gaps[:NAMED_GAPS]:
        note(gap_text(gap))
    rest = found.gaps[NAMED_GAPS:]
    if rest:
        note(f"{counted(sum(gap.count for gap in rest), 'line')} missing in {counted(len(rest), 'more gap')}")
    if found.more_gaps:
        note("there may be still more: too many are missing to look at them all")


def _nothing(query: Query, *, empty: bool) -> str:
    if empty:
        return "there are no lines"
    asked = []
    if query.trace:
        asked.append(f"no line has {query.trace} as trace_id, link.trace_id or correlation_id")
    if query.since is not None and query.until is not None:
        asked.append(f"looked from {time(query.since)} to {time(query.until)}")
    if query.severity:
        asked.append(f"looked for {Severity(query.severity).name} and worse")
    if query.services:
        asked.append(f"looked for the service {' or '.join(sorted(query.services))}")
    return "; ".join(asked) or "no line is a JSON object with a timestamp"
