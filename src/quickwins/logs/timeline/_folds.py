"""What is made of the lines that are wanted, in whatever order they come. Pure, and bounded in memory.

Lines are collected and sorted, not merged as they come: a log to which several threads or processes append is only
nearly in order, and nobody knows how nearly; and what an incident needs of it is small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickwins.logs.timeline._entries import Severity, severity, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quickwins.logs.timeline._entries import Entry, Parsed

MAX_BYTES = 64 << 20
"""What all lines that are kept may take together."""
MAX_GROUPS = 10_000


@dataclass(frozen=True, slots=True)
class Earliest:
    """The first lines, in order.

    Attributes:
        entries: The lines.
        matched: How many there were; more than `entries` when there was no room for all.
    """

    entries: tuple[Entry, ...]
    matched: int


def earliest(found: Iterable[tuple[Entry, Parsed]], *, limit: int, max_bytes: int = MAX_BYTES) -> Earliest:
    """The first `limit` lines in order, or fewer if they take more than `max_bytes`; memory holds twice that at most.

    The same lines for every order in which they come.
    """
    kept: list[Entry] = []
    size = matched = 0
    end: Entry | None = None
    for entry, _ in found:
        matched += 1
        if end is not None and entry >= end:
            continue
        kept.append(entry)
        size += len(entry.line)
        if len(kept) > 2 * limit or size > 2 * max_bytes:
            size, end = _cut(kept, limit, max_bytes, end)
    _cut(kept, limit, max_bytes, end)
    return Earliest(tuple(kept), matched)


def _cut(kept: list[Entry], limit: int, max_bytes: int, end: Entry | None) -> tuple[int, Entry | None]:
    """Sort, and leave out what is too much; what is left takes how much, and the first that was ever left out."""
    kept.sort()
    size = 0
    for place, entry in enumerate(kept):
        if place == limit or size + len(entry.line) > max_bytes:
            del kept[place:]
            return size, entry
        size += len(entry.line)
    return size, end


@dataclass(frozen=True, slots=True)
class FirstError:
    """An error, however often it came.

    Attributes:
        entry: The first line that told of it.
        count: How many lines did.
        last_micros: When the last one did, in microseconds since the epoch.
    """

    entry: Entry
    count: int
    last_micros: int


@dataclass(frozen=True, slots=True)
class FirstErrors:
    """What went wrong, in the order in which it began.

    Attributes:
        errors: Each one once.
        matched: How many lines told of them.
        left_out: How many lines told of others, for which there was no room.
    """

    errors: tuple[FirstError, ...]
    matched: int
    left_out: int


def first_errors(
    found: Iterable[tuple[Entry, Parsed]], *, max_groups: int = MAX_GROUPS, max_bytes: int = MAX_BYTES
) -> FirstErrors:
    """Errors and worse, one for each service, event, type of exception and hash of its stack.

    Args:
        found: Lines, in any order; those below ERROR are passed over.
        max_groups: How many errors are told apart; lines of further ones are counted only.
        max_bytes: What their first lines may take together.
    """
    groups: dict[tuple[str, str, str, str], FirstError] = {}
    size = matched = left_out = 0
    for entry, one in found:
        fields = one.fields
        if severity(fields) < Severity.ERROR:
            continue
        matched += 1
        key = (
            entry.service,
            text(fields, "event.name"),
            text(fields, "exception.type"),
            text(fields, "exception.stack_hash"),
        )
        known = groups.get(key)
        if known is not None:
            groups[key] = FirstError(
                min(known.entry, entry), known.count + 1, max(known.last_micros, entry.micros)
            )
            continue
        if len(groups) >= max_groups or size + len(entry.line) > max_bytes:
            left_out += 1
            continue
        size += len(entry.line)
        groups[key] = FirstError(entry, 1, entry.micros)
    return FirstErrors(tuple(sorted(groups.values(), key=lambda error: error.entry)), matched, left_out)
