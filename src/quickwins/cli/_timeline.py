"""How `quickwins logs timeline` shows what was found: as rows, or as lines of JSON. Nothing is read or printed here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from quickwins.cli.output import counted
from quickwins.logs.timeline import Severity, severity, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quickwins.logs.timeline import Book, Entry, FirstError, Gap

ENTRY_COLUMNS = ("time", "seconds", "service", "level", "event", "fields")
ERROR_COLUMNS = ("first", "seconds", "times", "last", "service", "level", "event", "fields")
MAX_VALUE_LENGTH = 200
"""Of a field; `--json` has all of it."""
MAX_FIELDS_LENGTH = 4_000
"""Of all fields of a row."""

_SHOWN_ELSEWHERE = {"timestamp", "severity_text", "severity_number", "event.name", "service.name"}
_FOR_PROGRAMS = {"service.instance.id", "span_id", "link.span_id", "seq"}
_FIRST = ("body", "exception.type", "exception.frames")
_LAST = ("trace_id", "correlation_id")


def entry_rows(entries: Sequence[Entry], traces: Sequence[str] = ()) -> Iterator[tuple[str, ...]]:
    """A row for each line.

    Args:
        entries: In order.
        traces: Those that were asked for; a single one is not repeated on every row.
    """
    before: int | None = None
    for entry in entries:
        yield (time(entry.micros), _later(entry.micros, before), *_what(entry, traces))
        before = entry.micros


def error_rows(errors: Sequence[FirstError], traces: Sequence[str] = ()) -> Iterator[tuple[str, ...]]:
    """A row for each error; `traces` is as for `entry_rows`."""
    before: int | None = None
    for error in errors:
        first = error.entry.micros
        yield (
            time(first),
            _later(first, before),
            str(error.count),
            time(error.last_micros),
            *_what(error.entry, traces),
        )
        before = first


def entry_json(entry: Entry) -> str:
    """The line as it was read, with control characters as JSON escapes, which mean the same and do nothing to a terminal."""
    text = entry.line.decode().strip()
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _spelled(one) for one in text)


def error_json(error: FirstError) -> str:
    """The first line, with two more fields: `timeline.count` and `timeline.last`."""
    last = written(error.last_micros)
    return f'{entry_json(error.entry)[:-1]},"timeline.count":{error.count},"timeline.last":"{last}"}}'


def book_text(book: Book) -> str:
    """What was met in one file."""
    said = f"{book.name}: {counted(book.lines, 'line')}"
    if book.begins is not None:
        said += f" from {time(book.begins)}"
        if book.ends is not None:
            said += f" to {time(book.ends)}"
    if book.malformed:
        said += f"; {book.malformed:,} malformed, the first is line {book.first_malformed:,}: {book.flaw}"
    if book.failure:
        said += f"; read up to line {book.lines:,}: {book.failure}"
    return said


def gap_text(gap: Gap) -> str:
    """Which lines are missing, and when they were written."""
    numbers = f"seq {gap.seq}" if gap.count == 1 else f"seq {gap.seq} to {gap.seq + gap.count - 1}"
    return (
        f"{_cut(gap.service)}, instance {_cut(gap.instance)}: {counted(gap.count, 'line')} missing, {numbers}, "
        f"between {time(gap.after_micros)} and {time(gap.before_micros)}"
    )


def time(micros: int) -> str:
    """A time in UTC, to the millisecond."""
    return written(micros)[:-4] + "Z"


def _later(micros: int, before: int | None) -> str:
    return "" if before is None else f"+{(micros - before) / 1e6:.3f}"


def _what(entry: Entry, traces: Sequence[str]) -> tuple[str, str, str, str]:
    fields = entry.fields()
    event = fields.get("event.name")
    return (
        _cut(entry.service),
        _level(fields),
        _cut(event) if isinstance(event, str) else "",
        _assignments(fields, traces),
    )


def _level(fields: dict[str, object]) -> str:
    said = fields.get("severity_text")
    if isinstance(said, str):
        return _cut(said)
    number = severity(fields)
    return next((one.name for one in reversed(Severity) if number >= one), "")


def _assignments(fields: dict[str, object], traces: Sequence[str]) -> str:
    trace = fields.get("trace_id")
    hidden = _SHOWN_ELSEWHERE | _FOR_PROGRAMS
    if [trace] == list(traces):
        hidden |= {"trace_id"}
    if fields.get("correlation_id") == trace:
        hidden |= {"correlation_id"}
    middle = [name for name in fields if name not in _FIRST and name not in _LAST]
    names = [name for name in (*_FIRST, *middle, *_LAST) if name in fields and name not in hidden]
    said = " ".join(f"{_quoted(name)}={_value(name, fields[name])}" for name in names)
    return _cut(said, MAX_FIELDS_LENGTH)


def _value(name: str, value: object) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if name == "exception.frames" and isinstance(value, list) and all(isinstance(one, str) for one in value):
        return _quoted(" < ".join(reversed(value)))  # people look for where it was raised
    try:
        return _cut(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    except RecursionError:  # it was not too deep for the parser
        return "..."


def _quoted(text: str) -> str:
    text = _cut(text)
    harmless = text and not any(one in text for one in ' ="')
    return text if harmless else json.dumps(text, ensure_ascii=False)


def _cut(text: str, length: int = MAX_VALUE_LENGTH) -> str:
    over = len(text) - length
    return text if over <= 0 else f"{text[:length]}...(+{over})"


def _spelled(one: str) -> str:
    if one in "\t\r\n":  # JSON allows them between tokens only
        return " "
    encoded = one.encode("utf-16-be")
    return "".join(f"\\u{encoded[place : place + 2].hex()}" for place in range(0, len(encoded), 2))
