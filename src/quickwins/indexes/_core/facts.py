"""What a server said, as plain data: everything that is decided is decided from these."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickwins.indexes._statements import Name


@dataclass(frozen=True, slots=True)
class Key:
    """One key column of an index, as the server spells it.

    Attributes:
        text: The column's name, or the expression.
        opclass: The operator class, with its schema.
        collation: The collation, with its schema; empty for none.
        options: `indoption`: 1 for DESC, 2 for NULLS FIRST.
        expression: Whether it is more than a column.
    """

    text: str
    opclass: str
    collation: str
    options: int
    expression: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """What an index is, apart from its name and its table: two of the same shape are the same index.

    Attributes:
        method: `btree`, `gin`, …
        unique: Whether it forbids duplicates.
        nulls_not_distinct: Whether two nulls are duplicates.
        keys: The key columns.
        include: The columns beside them.
        predicate: Of a partial index, as the server writes it; empty for none.
        options: Storage parameters, sorted.
    """

    method: str
    keys: tuple[Key, ...]
    unique: bool = False
    nulls_not_distinct: bool = False
    include: tuple[str, ...] = ()
    predicate: str = ""
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        words = [f"{'UNIQUE ' if self.unique else ''}USING {self.method} ({', '.join(map(_key, self.keys))})"]
        if self.include:
            words.append(f"INCLUDE ({', '.join(self.include)})")
        if self.nulls_not_distinct:
            words.append("NULLS NOT DISTINCT")
        if self.options:
            words.append(f"WITH ({', '.join(self.options)})")
        if self.predicate:
            words.append(f"WHERE {self.predicate}")
        return " ".join(words)


def _key(key: Key) -> str:
    order = {0: "", 1: " DESC NULLS LAST", 2: " NULLS FIRST", 3: " DESC"}[key.options & 3]
    return f"{key.text}{order}"


@dataclass(frozen=True, slots=True)
class Index:
    """An index that is there.

    Attributes:
        oid: Its number.
        name: With its schema.
        shape: What it is.
        valid: `indisvalid`: whether queries use it.
        ready: `indisready`: whether writes keep it up to date.
        live: `indislive`: false while it is being dropped.
        partitioned: Whether it is that of a partitioned table.
        parent: The partitioned index that it is attached to.
        needed: What needs it besides queries, so that it cannot be dropped by itself; empty for nothing.
        exclusion: Whether it is that of an exclusion constraint, which no server rebuilds concurrently.
        bytes: Its size.
        has_statistics: Whether the server has statistics for its expressions.
        reachable: Whether our role may use its schema, and so name it.
    """

    oid: int
    name: Name
    shape: Shape
    valid: bool = True
    ready: bool = True
    live: bool = True
    partitioned: bool = False
    parent: Name | None = None
    needed: str = ""
    exclusion: bool = False
    bytes: int = 0
    has_statistics: bool = True
    reachable: bool = True

    @property
    def state(self) -> str:
        """`valid`, or what an interrupted build or drop has left."""
        if self.valid and self.ready and self.live:
            return "valid"
        return (
            "INVALID" + ("" if self.ready else ", not written to") + ("" if self.live else ", half dropped")
        )


@dataclass(frozen=True, slots=True)
class Table:
    """A table, its indexes, and its partitions.

    Attributes:
        oid: Its number.
        name: With its schema.
        kind: `pg_class.relkind`.
        rows: The server's estimate; -1: it has never been analysed.
        bytes: Its size without indexes.
        indexes: Those on it.
        toast: Those on the table beside it that has its long values: a rebuild of the whole table takes them along.
        partitions: Those directly below it, in order.
        owned: Whether our role may make and drop indexes on it.
    """

    oid: int
    name: Name
    kind: str = "r"
    rows: float = -1.0
    bytes: int = 0
    indexes: tuple[Index, ...] = ()
    toast: tuple[Index, ...] = ()
    partitions: tuple[Table, ...] = ()
    owned: bool = True

    @property
    def partitioned(self) -> bool:
        """Whether it has partitions instead of rows."""
        return self.kind == "p"

    def tree(self) -> Iterator[Table]:
        """This table and all its partitions, and theirs."""
        yield self
        for one in self.partitions:
            yield from one.tree()

    def index(self, name: str) -> Index | None:
        """The index of that name on it."""
        return next((one for one in self.indexes if one.name.name == name), None)


class Holding(StrEnum):
    """How something holds a build up."""

    SNAPSHOT = "snapshot"
    """A session of this database has a snapshot: the build's last phase waits for it."""
    LOCK = "lock"
    """A transaction has written to the table, or locked it: each phase waits for it."""
    PREPARED = "prepared"
    """The same, of a prepared transaction, which no session shows."""
    READER = "reader"
    """A transaction reads the table: only a drop waits for it."""
    VACUUM = "vacuum"
    """An anti-wraparound autovacuum is on the table, and does not give way."""
    BUILD = "build"
    """Another build, or another change of the table, is on it."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a build up.

    Attributes:
        holding: How.
        pid: Its process; 0 for a prepared transaction.
        age_seconds: Of its transaction.
        application: What it calls itself.
        query: What it runs or ran last, or the gid of a prepared transaction.
        state: `pg_stat_activity.state`.
        user: Its role.
    """

    holding: Holding
    pid: int
    age_seconds: float
    application: str = ""
    query: str = ""
    state: str = ""
    user: str = ""

    def __str__(self) -> str:
        if self.holding is Holding.PREPARED:
            return f"prepared transaction {self.query!r} of {self.user or 'an unknown role'}, {self.age_seconds:.0f} s old"
        what = {Holding.VACUUM: "anti-wraparound vacuum", Holding.BUILD: "another change of the table"}
        words = [f"pid {self.pid}", f"{self.age_seconds:.0f} s old", self.state]
        words += [f"application {self.application!r}" if self.application else "", what.get(self.holding, "")]
        query = " ".join(self.query.split())[:100]
        return ", ".join(filter(None, words)) + (f": {query}" if query else "")


@dataclass(frozen=True, slots=True)
class Building:
    """A build that is running on the server, as the progress view has it.

    Attributes:
        pid: Its process.
        index_oid: What it builds; 0: not known yet.
        table_oid: On which table.
        application: What its session calls itself.
    """

    pid: int
    index_oid: int
    table_oid: int
    application: str = ""


@dataclass(frozen=True, slots=True)
class Server:
    """The server, and what our role may do there.

    Attributes:
        version: `server_version_num`.
        standby: Whether it is in recovery.
        proxied: Whether something between us and the server has another process's number.
        may_keep_history: Whether the history's table is there and ours, or may be made.
        sees_others: Whether other roles' builds are visible.
        database: Its name.
    """

    version: int
    standby: bool = False
    proxied: bool = False
    may_keep_history: bool = True
    sees_others: bool = True
    database: str = ""
