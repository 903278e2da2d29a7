"""What a migration still has to do, from what the server says is there: facts in, actions out.

Asked again after each action, it goes on from wherever the server is: after a crash, a cancelled build, half of the
partitions, somebody else's build of the same index. So nothing remembers a position, and a second run does nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from quickwins.indexes._core.actions import Action, Do, Past, Target
from quickwins.indexes._core.shapes import covering
from quickwins.indexes._statements import (
    MAX_NAME_BYTES,
    AttachIndex,
    CreateIndex,
    DropIndex,
    Name,
    Reindex,
    Statement,
    name_on,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quickwins.indexes._core.facts import Building, Index, Shape, Table

_REBUILT = re.compile(r"(.+)_cc(?:new|old)\d*")


@dataclass(slots=True)
class Decision:
    """What is decided for all statements together."""

    actions: list[Action] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)


def decide(
    targets: Sequence[Target],
    *,
    building: Sequence[Building] = (),
    past: Past | None = None,
    rollback: bool = False,
    cancel_orphan: bool = False,
) -> Decision:
    """What is left to do for `targets`.

    Args:
        targets: The migration's statements, or those of its rollback.
        building: The builds that run.
        past: What the history says.
        rollback: Whether it is taken back: then only what it has made is dropped.
        cancel_orphan: Whether a build of one of these indexes is cancelled instead of waited for.
    """
    decider = _Decider(building, past or Past(), cancel_orphan)
    for target in targets:
        one = target.statement
        if isinstance(one, CreateIndex):
            decider.create(target, one)
        elif isinstance(one, DropIndex):
            decider.drop(target, one, only_ours=rollback)
        elif isinstance(one, Reindex):
            decider.reindex(target, one)
        else:
            decider.attach(target, one, targets)
    return decider.out


def is_rebuilt_from(name: str, index: str) -> bool:
    """Whether `name` is what a failed `REINDEX CONCURRENTLY` of `index` leaves: `_ccnew`, `_ccold`, with numbers too."""
    match = _REBUILT.fullmatch(name)
    # The server cuts a long name before it adds to it.
    cut = len(name.encode()) >= MAX_NAME_BYTES - 1
    return match is not None and (index == match[1] or (cut and index.startswith(match[1])))


def remains(table: Table, name: str, shape: Shape) -> Iterator[tuple[Table, Index]]:
    """What a failed `REINDEX CONCURRENTLY` of the index `name` has left, on the parts of a partitioned table too."""
    for other in (*table.indexes, *table.toast):
        rebuilt = is_rebuilt_from(other.name.name, name) and other.shape == shape
        if rebuilt and not (other.valid and other.live):
            yield table, other
    for partition in table.partitions:
        for part in partition.indexes:
            if part.parent == replace(table.name, name=name):
                yield from remains(partition, part.name.name, part.shape)


def is_underway(index: Index, table: Table, building: Sequence[Building]) -> bool:
    """Whether a build that runs makes `index`, or is a `REINDEX CONCURRENTLY` that has not yet put it in its place."""
    return any(
        index.oid == one.index_oid or (table.oid == one.table_oid and _REBUILT.fullmatch(index.name.name))
        for one in building
    )


class _Decider:
    def __init__(self, building: Sequence[Building], past: Past, cancel_orphan: bool) -> None:
        self._running = building
        self._building = {one.index_oid: one for one in building if one.index_oid}
        self._past = past
        self._cancel = cancel_orphan
        self.out = Decision()

    def _refuse(self, one: Statement, what: str) -> None:
        self.out.refusals.append(f"line {one.line}: {what}")

    def create(self, target: Target, one: CreateIndex) -> None:
        table, wanted = target.table, target.wanted
        if table is None:
            self._refuse(one, f"there is no table {one.table} here")
        elif table.kind not in {"r", "p", "m"} or table.name.schema.startswith("pg_"):
            self._refuse(one, f"{table.name} is no table that can have an index")
        elif target.error:
            self._refuse(one, f"the server refuses it: {target.error}")
        elif target.taken:
            self._refuse(one, f"the name {one.index} is taken by {target.taken}")
        elif wanted is None:
            self._unseen(one, table, replace(table.name, name=one.index.name))
        elif table.partitioned:
            self._on_partitions(one, table, replace(table.name, name=one.index.name), wanted)
        else:
            self._on_table(one, table, replace(table.name, name=one.index.name), wanted)

    def _unseen(self, one: CreateIndex, table: Table, name: Name) -> None:
        """Where our role, a standby, or a whole row lets nothing be tried, only the name can be compared."""
        there = table.index(name.name)
        if there is not None and there.valid and there.live:
            self.out.notes.append(
                f"line {one.line}: {name} is there; whether it is the same cannot be told here"
            )
            self._analyze(one, table, there)
            return
        if there is None or self._cleared(one, table, there, ours=str(name) in self._past.ours):
            self._add(Do.BUILD, name, table.name, one.on(table.name, index=name, concurrently=True), one)

    def _on_table(self, one: CreateIndex, table: Table, name: Name, wanted: Shape) -> bool:
        """Whether it is there already, and nothing is to do."""
        there = table.index(name.name)
        self._leftovers(one, table, name, wanted)
        if there is not None:
            if there.valid and there.live:
                if there.shape == wanted:
                    self._analyze(one, table, there)
                    return True
                self._refuse(
                    one, f"{name} is there, and is another index: {there.shape}; the file says {wanted}"
                )
                return False
            if not self._cleared(
                one, table, there, ours=there.shape == wanted or str(name) in self._past.ours
            ):
                return False
        if not one.concurrently and table.bytes:
            self._refuse(
                one,
                f"it would block who writes to {table.name} for the whole build: CREATE INDEX CONCURRENTLY",
            )
            return False
        if (other := covering(wanted, table.indexes)) is not None and other.name != name:
            same = "is the same" if other.shape == wanted else "does its work already"
            self.out.notes.append(f"line {one.line}: {other.name} {same}: {other.shape}")
        do, concurrently = (Do.BUILD, True) if one.concurrently else (Do.BRIEF, False)
        self._add(do, name, table.name, one.on(table.name, index=name, concurrently=concurrently), one)
        if any(key.expression for key in wanted.keys):
            self._add(Do.ANALYZE, name, table.name, f"ANALYZE {table.name.sql}", one, "it has expressions")
        return False

    def _cleared(self, one: CreateIndex, table: Table, there: Index, *, ours: bool) -> bool:
        """Whether the INVALID index `there` gives way to a new one: it is dropped, unless somebody builds it or it is not ours."""
        if running := self._building.get(there.oid):
            self._orphan(one, table, there.name, running)
            return False
        drop = f"DROP INDEX CONCURRENTLY {there.name.sql}"
        if not ours:
            self._refuse(
                one,
                f"{there.name} is {there.state}, and is another index: {there.shape}; if nobody needs it: {drop};",
            )
            return False
        self._add(Do.DROP, there.name, table.name, drop, one, f"it is {there.state}")
        return True

    def _analyze(self, one: CreateIndex, table: Table, there: Index) -> None:
        if not self._past.knows(there) and table.bytes:
            self._add(
                Do.ANALYZE, there.name, table.name, f"ANALYZE {table.name.sql}", one, "it has expressions"
            )

    def _orphan(self, one: Statement, table: Table, name: Name, running: Building) -> None:
        do, why = (Do.CANCEL, "as you asked") if self._cancel else (Do.ADOPT, "it is being built already")
        self.out.actions.append(Action(do, name, table.name, "", why, one.line, running.pid))

    def _leftovers(self, one: Statement, table: Table, name: Name, shape: Shape) -> None:
        """Drop what a failed `REINDEX CONCURRENTLY` of the index `name` has left."""
        for where, other in remains(table, name.name, shape):
            if is_underway(other, where, self._running):
                continue
            sql = f"DROP INDEX CONCURRENTLY {other.name.sql}"
            if not other.reachable:
                self.out.notes.append(
                    f"{other.name} is left of a REINDEX that failed, and a superuser's to drop: {sql};"
                )
            else:
                self._add(Do.DROP, other.name, where.name, sql, one, "a REINDEX that failed has left it")

    def _on_partitions(self, one: CreateIndex, table: Table, name: Name, wanted: Shape) -> bool:
        """Whether it is complete: on the table alone first, then on each partition, attached one after the other."""
        there = table.index(name.name)
        if there is not None and there.shape != wanted:
            self._refuse(one, f"{name} is there, and is another index: {there.shape}; the file says {wanted}")
            return False
        if there is not None and there.valid:
            return True
        if not one.concurrently and not one.only:
            self._refuse(
                one, f"it would block who writes to {table.name}: CREATE INDEX CONCURRENTLY, or ON ONLY"
            )
            return False
        if there is None:
            self._add(
                Do.BRIEF,
                name,
                table.name,
                one.on(table.name, index=name, only=True),
                one,
                "no partition is in it yet",
            )
        if one.only:
            return False
        if (elsewhere := next((part for part in table.partitions if part.kind == "f"), None)) is not None:
            self._refuse(
                one,
                f"{elsewhere.name} is a foreign table: an index that is built part by part is never valid on {table.name}; "
                "name the other partitions, each in a statement of its own",
            )
            return False
        concurrent = replace(one, only=False)
        for partition in table.partitions:
            self._on_partition(concurrent, partition, name, wanted)
        attached = [index for part in table.partitions for index in part.indexes if index.parent == name]
        if attached and len(attached) == len(table.partitions):
            # Nothing else makes the whole valid: the server looks at its parts when one is attached, once more if need be.
            self._attach(one, name, attached[0].name, table.name, "its parts are valid then")
        return False

    def _attach(self, one: Statement, parent: Name, part: Name, table: Name, why: str = "") -> None:
        sql = f"ALTER INDEX {parent.sql} ATTACH PARTITION {part.sql}"
        self._add(Do.BRIEF, part, table, sql, one, why)

    def _on_partition(self, one: CreateIndex, partition: Table, parent: Name, wanted: Shape) -> None:
        part = next((index for index in partition.indexes if index.parent == parent), None)
        if part is not None:
            self._repair(one, partition, part)
            return
        name = name_on(partition.name, Name(one.index.name))
        free = [
            index
            for index in partition.indexes
            if index.shape == wanted and index.parent is None and index.live
        ]
        fit = next(
            (index for index in free if index.valid and index.partitioned == partition.partitioned), None
        )
        if fit is not None:
            name = fit.name
        elif partition.partitioned:
            self._on_partitions(one, partition, name, wanted)
        else:
            self._on_table(one, partition, name, wanted)
        self._attach(one, parent, name, partition.name)

    def _repair(self, one: CreateIndex, partition: Table, part: Index) -> None:
        """Make an attached part valid: it cannot be dropped, and the whole is INVALID for as long as it is."""
        if part.valid:
            return
        if part.partitioned:
            self._on_partitions(one, partition, part.name, part.shape)
        elif running := self._building.get(part.oid):
            self._orphan(one, partition, part.name, running)
        else:
            self._leftovers(one, partition, part.name, part.shape)
            sql = f"REINDEX INDEX CONCURRENTLY {part.name.sql}"
            self._add(Do.REINDEX, part.name, partition.name, sql, one, f"it is {part.state}, and attached")

    def drop(self, target: Target, one: DropIndex, *, only_ours: bool) -> None:
        index, table = target.index, target.table
        if index is None or table is None:
            done = any(f".{name}".endswith(f".{one.index}") for name in self._past.dropped)
            if not (one.missing_ok or only_ours or done):
                self._refuse(one, f"there is no index {one.index} here")
            return
        if only_ours and str(index.name) not in self._past.ours:
            self.out.notes.append(f"line {one.line}: {index.name} was not made by this migration, and stays")
            return
        if index.needed:
            self._refuse(one, f"{index.name} is needed by {index.needed}: that first, with ALTER TABLE")
        elif index.parent is not None:
            self._refuse(one, f"{index.name} is a part of {index.parent}: drop that")
        elif index.partitioned:
            # The server has no other way: the whole tree is locked for a moment.
            self._add(
                Do.BRIEF,
                index.name,
                table.name,
                f"DROP INDEX {index.name.sql}",
                one,
                "takes its partitions' along",
            )
        elif not one.concurrently:
            self._refuse(one, f"it would block who reads or writes {table.name}: DROP INDEX CONCURRENTLY")
        else:
            self._add(Do.DROP, index.name, table.name, f"DROP INDEX CONCURRENTLY {index.name.sql}", one)

    def reindex(self, target: Target, one: Reindex) -> None:
        table, index = target.table, target.index
        if table is None or (index is None and not one.of_table):
            self._refuse(one, f"there is no {'table' if one.of_table else 'index'} {one.target} here")
            return
        if index is not None and index.exclusion:
            self._refuse(
                one, f"{index.name} is of an exclusion constraint: no server rebuilds it concurrently"
            )
            return
        rebuilt = (
            [index]
            if index is not None
            else [one for one in (*table.indexes, *table.toast) if not _REBUILT.fullmatch(one.name.name)]
        )
        for each in rebuilt:
            self._leftovers(one, table, each.name, each.shape)
        if one.text not in self._past.reindexed:
            name = index.name if index is not None else table.name
            sql = f"REINDEX {'TABLE' if index is None else 'INDEX'} CONCURRENTLY {name.sql}"
            self._add(Do.REINDEX, name, table.name, sql, one)

    def attach(self, target: Target, one: AttachIndex, targets: Sequence[Target]) -> None:
        made = {other.statement.index.name for other in targets if isinstance(other.statement, CreateIndex)}
        if target.index is None and one.child.name not in made:
            self._refuse(one, f"there is no index {one.child} here")
            return
        if target.index is not None and target.index.parent is not None:
            return
        table = target.table.name if target.table else Name("")
        self._attach(one, one.parent, one.child, table)

    def _add(self, do: Do, index: Name, table: Name, sql: str, one: Statement, why: str = "") -> None:
        self.out.actions.append(Action(do, index, table, sql, why, one.line))
