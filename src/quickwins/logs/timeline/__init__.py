"""An incident, read from JSON-lines files: several services' logs as one story.

    logs = [Log.file(Path("feed.log")), Log.file(Path("gateway.log.1.gz"))]
    found = read(logs, Query(trace="4bf92f3577b34da6a3ce929d0e0e4736"), partial(earliest, limit=1_000))
    for entry in found.result.entries:
        print(entry.fields()["event.name"])

The shell is `quickwins logs timeline`. Needs no extra, and not the pipeline that wrote the lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.logs.timeline._entries import (
        MAX_LINE_BYTES,
        Entry,
        Flaw,
        Parsed,
        Severity,
        severity,
        written,
    )
    from quickwins.logs.timeline._files import Log
    from quickwins.logs.timeline._folds import (
        MAX_BYTES,
        MAX_GROUPS,
        Earliest,
        FirstError,
        FirstErrors,
        earliest,
        first_errors,
    )
    from quickwins.logs.timeline._gaps import MAX_PIECES, Gap
    from quickwins.logs.timeline._query import MAX_TRACES, Query, moment_of, trace_of
    from quickwins.logs.timeline._read import Book, Found, read

__all__ = [
    "MAX_BYTES",
    "MAX_GROUPS",
    "MAX_LINE_BYTES",
    "MAX_PIECES",
    "MAX_TRACES",
    "Book",
    "Earliest",
    "Entry",
    "FirstError",
    "FirstErrors",
    "Flaw",
    "Found",
    "Gap",
    "Log",
    "Parsed",
    "Query",
    "Severity",
    "earliest",
    "first_errors",
    "moment_of",
    "read",
    "severity",
    "trace_of",
    "written",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "Book": "_read",
        "Earliest": "_folds",
        "Entry": "_entries",
        "FirstError": "_folds",
        "FirstErrors": "_folds",
        "Flaw": "_entries",
        "Found": "_read",
        "Gap": "_gaps",
        "Log": "_files",
        "MAX_BYTES": "_folds",
        "MAX_GROUPS": "_folds",
        "MAX_LINE_BYTES": "_entries",
        "MAX_PIECES": "_gaps",
        "MAX_TRACES": "_query",
        "Parsed": "_entries",
        "Query": "_query",
        "Severity": "_entries",
        "earliest": "_folds",
        "first_errors": "_folds",
        "moment_of": "_query",
        "read": "_read",
        "severity": "_entries",
        "trace_of": "_query",
        "written": "_entries",
    },
)
