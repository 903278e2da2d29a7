"""What `status`, `verify` and `audit` find."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class IndexState:
    """One index of a migration.

    Attributes:
        name: With its schema.
        state: `valid`, `missing`, `another definition`, or INVALID and in which way.
        bytes: Its size.
        detail: What is wrong, for people.
    """

    name: str
    state: str
    bytes: int = 0
    detail: str = ""

    @property
    def good(self) -> bool:
        """Whether it is as the migration wants it."""
        return self.state == "valid" and not self.detail


@dataclass(frozen=True, slots=True)
class QueryState:
    """One query of a `.verify.sql`.

    Attributes:
        name: Of the prepared statement.
        expected: The indexes that its plan must use.
        used: Those that it uses.
        cost: The planner's.
        cost_before: The same before the migration; `None`: the history does not say.
        milliseconds: What running it took; `None`: it was not run.
        buffers: Pages that it looked at; `None`: it was not run.
        error: Why there is no plan.
    """

    name: str
    expected: tuple[str, ...]
    used: tuple[str, ...]
    cost: float
    cost_before: float | None = None
    milliseconds: float | None = None
    buffers: int | None = None
    error: str = ""

    @property
    def good(self) -> bool:
        """Whether the planner uses what it should."""
        return not self.error and set(self.expected) <= set(self.used)

    @property
    def ratio(self) -> float | None:
        """How many times as much it cost before; `None`: nobody knows."""
        return self.cost_before / self.cost if self.cost_before and self.cost else None

    def __str__(self) -> str:
        if self.error:
            return f"{self.name}: {self.error}"
        missing = sorted(set(self.expected) - set(self.used))
        if missing:
            return f"{self.name}: the planner ignores {', '.join(missing)}; it uses {', '.join(self.used) or 'no index'}, cost {self.cost:,.1f}"
        words = [f"{self.name}: uses {', '.join(self.expected)}, cost {self.cost:,.1f}"]
        if self.ratio is not None:
            words.append(f"{self.ratio:,.1f} times less than before ({self.cost_before:,.1f})")
        if self.milliseconds is not None:
            words.append(f"{self.milliseconds:,.2f} ms, {self.buffers:,} pages")
        return ", ".join(words)


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found."""

    migration: str
    indexes: tuple[IndexState, ...]
    queries: tuple[QueryState, ...]

    @property
    def good(self) -> bool:
        """Whether every index is there and every query uses its own."""
        return all(one.good for one in self.indexes) and all(one.good for one in self.queries)


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the history."""

    at: str
    who: str
    state: str
    index: str
    statement: str
    digest: str


@dataclass(frozen=True, slots=True)
class Status:
    """What `status` found.

    Attributes:
        migration: Its name.
        state: `applied`, `not applied`, `unfinished`, or `changed`: applied when the file said something else.
        indexes: Those it makes.
        running: Builds of these tables that run now, for people.
        debris: INVALID indexes on these tables, each with the command that removes it.
        history: What has been done, oldest first.
    """

    migration: str
    state: str
    indexes: tuple[IndexState, ...]
    running: tuple[str, ...]
    debris: tuple[str, ...]
    history: tuple[Step, ...]

    @property
    def good(self) -> bool:
        """Whether there is nothing to look into: applied and whole, or not there at all."""
        whole = self.state == "applied" and all(one.good for one in self.indexes)
        absent = self.state == "not applied" and all(one.state == "missing" for one in self.indexes)
        return (whole or absent) and not self.debris


class Weight(StrEnum):
    """Why an index is dead weight."""

    INVALID = "invalid"
    REDUNDANT = "redundant"
    UNUSED = "unused"
    BLOATED = "bloated"


@dataclass(frozen=True, slots=True)
class Finding:
    """An index that costs each write and helps no read."""

    weight: Weight
    index: str
    table: str
    bytes: int
    detail: str
