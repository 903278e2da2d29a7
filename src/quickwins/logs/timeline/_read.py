"""Reads logs, more than once if links between traces ask for it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from quickwins.logs.timeline._entries import Flaw, parsed
from quickwins.logs.timeline._files import lines
from quickwins.logs.timeline._gaps import Numbers
from quickwins.logs.timeline._query import Sieve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from quickwins.logs.timeline._entries import Entry, Parsed
    from quickwins.logs.timeline._files import Log
    from quickwins.logs.timeline._gaps import Gap
    from quickwins.logs.timeline._query import Query

T = TypeVar("T")


@dataclass(slots=True)
class Book:
    """What was met in one log.

    Attributes:
        name: The log's.
        lines: How many it has.
        malformed: How many of them are not entries; among lines that were not parsed, those that aren't `{...}`.
        first_malformed: The number of the first of these; 0: none.
        flaw: What is wrong with that one.
        begins: The time on its first line that has one, in microseconds since the epoch; `None`: no line has.
        ends: On its last one; `None`: it turned out to have none.
        failure: Why the rest could not be read; empty: all was.
    """

    name: str
    lines: int = 0
    malformed: int = 0
    first_malformed: int = 0
    flaw: Flaw | None = None
    begins: int | None = None
    ends: int | None = None
    failure: str = ""

    def fail(self, reason: str) -> None:
        """Note that nothing more can be read."""
        self.failure = reason

    def spoil(self, number: int, flaw: Flaw) -> None:
        """Note a line that is not an entry."""
        if not self.malformed:
            self.first_malformed, self.flaw = number, flaw
        self.malformed += 1


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """What was found, and where.

    Attributes:
        result: What the fold made of it.
        books: One for each log.
        traces: The trace that was asked for, then those found by links.
        left_out: How many links were not followed, since there were too many.
        gaps: Lines that were numbered and aren't there, of the services and in the time that were asked for.
        more_gaps: Whether there were too many to keep them all.
    """

    result: T
    books: tuple[Book, ...]
    traces: tuple[str, ...]
    left_out: int
    gaps: tuple[Gap, ...] = ()
    more_gaps: bool = False


def read(logs: Sequence[Log], query: Query, fold: Callable[[Iterable[tuple[Entry, Parsed]]], T]) -> Found[T]:
    """Read all logs and make something of the lines that are wanted. Blocks; memory stays flat.

    With `query.trace` all is read again after a pass that met a trace linked with it, until none is new: its lines may
    stand before the one with the link. Mostly that is two passes.

    Args:
        logs: In any order.
        query: What is wanted.
        fold: Gets the wanted lines, one log after the other; called once for each pass.

    Raises:
        QuickWinsError: There is no room to keep a stream for the second pass. Nothing that a log holds raises.
    """
    sieve = Sieve(query)
    with ExitStack() as stack:
        if query.trace:
            logs = [stack.enter_context(log.kept()) for log in logs]
        while True:
            known = len(sieve.traces)
            sieve.left_out = 0
            books, numbers = tuple(Book(log.name) for log in logs), Numbers()
            result = fold(_wanted(logs, books, sieve, numbers))
            if len(sieve.traces) == known:
                return Found(
                    result, books, tuple(sieve.traces), sieve.left_out, numbers.gaps(query), numbers.full
                )


def _wanted(
    logs: Sequence[Log], books: Sequence[Book], sieve: Sieve, numbers: Numbers
) -> Iterator[tuple[Entry, Parsed]]:
    for place, (log, book) in enumerate(zip(logs, books, strict=True)):
        numbers.begin()
        yield from _wanted_of(place, log, book, sieve, numbers)


def _wanted_of(
    place: int, log: Log, book: Book, sieve: Sieve, numbers: Numbers
) -> Iterator[tuple[Entry, Parsed]]:
    number, last = 0, b""
    may_want = sieve.may_want
    for number, line in enumerate(lines(log.chunks(book.fail)), start=1):
        if line is None:
            book.spoil(number, Flaw.TOO_LONG)
            continue
        numbers.saw(line)
        wanted = may_want(line)
        if not wanted and line.startswith(b"{") and line.endswith(b"}") and book.begins is not None:
            last = line
            continue
        if not line or line.isspace():
            continue
        one = parsed(line)
        if isinstance(one, Flaw):
            book.spoil(number, one)
            continue
        last = line
        if book.begins is None:
            book.begins = one.micros
        if wanted and sieve.wants(one):
            yield one.entry(place, number, line), one
    book.lines = number
    end = parsed(last)
    book.ends = None if isinstance(end, Flaw) else end.micros
