"""An incident, read from JSON-lines files: several services' logs as one story.

    sources = [Source.file(Path("feed.log")), Source.file(Path("gateway.log.1.gz"))]
    reading = read(sources, Query(trace="4bf92f3577b34da6a3ce929d0e0e4736"), partial(earliest, limit=1_000))
    for entry in reading.result.entries:
        print(entry.fields()["event.name"])

The shell is `quickwins logs timeline`. Needs no extra, and not the pipeline that wrote the lines.
"""

from __future__ import annotations

from quickwins.logs.timeline._entries import MAX_LINE_BYTES, Entry, Flaw, Parsed, Severity, severity, written
from quickwins.logs.timeline._files import Source
from quickwins.logs.timeline._folds import (
    MAX_BYTES,
    MAX_GROUPS,
    Earliest,
    FirstError,
    FirstErrors,
    earliest,
    first_errors,
)
from quickwins.logs.timeline._query import MAX_TRACES, Query, moment_of, trace_of
from quickwins.logs.timeline._reading import Book, Reading, read

__all__ = [
    "MAX_BYTES",
    "MAX_GROUPS",
    "MAX_LINE_BYTES",
    "MAX_TRACES",
    "Book",
    "Earliest",
    "Entry",
    "FirstError",
    "FirstErrors",
    "Flaw",
    "Parsed",
    "Query",
    "Reading",
    "Severity",
    "Source",
    "earliest",
    "first_errors",
    "moment_of",
    "read",
    "severity",
    "trace_of",
    "written",
]
