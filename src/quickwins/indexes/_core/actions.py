"""What one statement of a migration is about, and what is to be done for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quickwins.indexes._core.facts import Index, Shape, Table
    from quickwins.indexes._statements import Name, Statement


class Do(StrEnum):
    """What an action is."""

    BUILD = "build"
    BRIEF = "brief"
    """A statement that locks the table for a moment: with a short time-out, again and again."""
    DROP = "drop"
    REINDEX = "reindex"
    ADOPT = "wait for the build that runs"
    CANCEL = "cancel the build that runs"
    ANALYZE = "analyze"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do.

    Attributes:
        do: What.
        index: The index that it is about.
        table: The table that it is on.
        sql: The statement; empty for `ADOPT` and `CANCEL`.
        why: For people.
        line: Of the statement in the file.
        pid: Of the build to wait for or to cancel.
    """

    do: Do
    index: Name
    table: Name
    sql: str = ""
    why: str = ""
    line: int = 0
    pid: int = 0

    def __str__(self) -> str:
        return (self.sql or f"{self.do} of {self.index}, pid {self.pid}") + (
            f"  -- {self.why}" if self.why else ""
        )


@dataclass(frozen=True, slots=True)
class Past:
    """What the history says of one migration.

    Attributes:
        digest: Of the file that was applied last, and not taken back; empty: none is.
        ours: The indexes that the migration has made, by name with schema.
        dropped: Those that it has dropped, or was dropping when it ended.
        reindexed: The statements that have rebuilt something.
        analyzed: The indexes whose table was analysed after they were built. Not each of them has statistics then: there are
            none of an expression of no row, and our role may not see them.
    """

    digest: str = ""
    ours: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()
    reindexed: frozenset[str] = frozenset()
    analyzed: frozenset[str] = frozenset()

    def knows(self, index: Index) -> bool:
        """Whether the planner knows what there is to know of the expressions of `index`."""
        return index.has_statistics or str(index.name) in self.analyzed


@dataclass(frozen=True, slots=True)
class Target:
    """What one statement is about, as the server has it.

    Attributes:
        statement: The statement.
        table: Its table; `None`: there is none.
        index: The index that it names, if there is one (not for `CREATE INDEX`, which looks among the table's).
        wanted: What `CREATE INDEX` would make.
        error: What the server said when it was tried on an empty copy.
        lacking: What our role lacks to try it.
        taken: What else has the name of the index that is to be made.
        bytes: How large it will be; `None`: unknown.
    """

    statement: Statement
    table: Table | None = None
    index: Index | None = None
    wanted: Shape | None = None
    error: str = ""
    lacking: str = ""
    taken: str = ""
    bytes: int | None = None
