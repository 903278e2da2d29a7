"""What is in a file besides its suppressions: by this, a suppression that went away is told from one that has moved."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from quickwins.suppressions.scan.lexer import NEWEST, Unparseable, lexed
from quickwins.suppressions.scan.places import Places


@dataclass(slots=True)
class Outline:
    """All statements of a file by their scope, suppressed or not.

    Attributes:
        names: The names of its functions and classes.
        statements: How often each statement is there, by scope.
        seats: What stands before and after each of these.
        rows: How often each line of a statement of several is there, by scope.
        before: What stands before statements, by scope; see `Seat`.
        after: What stands after statements.
    """

    names: frozenset[str] = frozenset()
    statements: Counter[tuple[str, str]] = field(default_factory=Counter)
    seats: defaultdict[tuple[str, str], list[tuple[str, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    rows: Counter[tuple[str, str]] = field(default_factory=Counter)
    before: set[tuple[str, str]] = field(default_factory=set)
    after: set[tuple[str, str]] = field(default_factory=set)


def outline(text: str) -> Outline:
    """The outline of a Python file; empty if it cannot be read."""
    try:
        source = lexed(text)
    except Unparseable:
        try:
            source = lexed(text, NEWEST)  # what may be newer than the running Python
        except Unparseable:
            return Outline()
    places = Places(source)
    found = Outline(places.names)
    code, at = source.code, 0
    while at < len(code):
        end = code.find("\n", at)
        end = len(code) if end < 0 else end
        if code[at:end].strip():
            start, end = places.statement_span(at)
            home = places.home(at)
            scope = places.scope(home)
            statement = places.statement(home)
            before, after = places.neighbours(home)
            found.statements[scope, statement] += 1
            found.seats[scope, statement].append((before, after))
            found.before.add((scope, before))
            found.after.add((scope, after))
            row = start
            while code.find("\n", row, end) >= 0 or row > start:
                found.rows[scope, places.row(row)] += 1
                row = code.find("\n", row, end) + 1
                if not row:
                    break
        at = end + 1
    return found
