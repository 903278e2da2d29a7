"""The reports of a runner, from what the server says: status, verification, and what a plan should not hide."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from quickwins.indexes._core.actions import Do
from quickwins.indexes._core.bar import Bar, remaining_seconds
from quickwins.indexes._core.past import State
from quickwins.indexes._core.plan import is_underway
from quickwins.indexes._server import history
from quickwins.indexes._server.explain import plans
from quickwins.indexes._server.gather import Gatherer
from quickwins.indexes._server.holders import building
from quickwins.indexes._server.work import LOOK_SECONDS
from quickwins.indexes._statements import CreateIndex
from quickwins.indexes.progress import Progress
from quickwins.indexes.report import IndexState, QueryState, Status, Step, Verification

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    import asyncpg

    from quickwins.core.clock import Clock
    from quickwins.indexes._core.actions import Past, Target
    from quickwins.indexes._core.summary import Gathered, Plan
    from quickwins.indexes._server.explain import Planned
    from quickwins.indexes._server.work import Sessions
    from quickwins.indexes.migration import Migration


async def notes(connection: asyncpg.Connection, plan: Plan) -> list[str]:
    """What else to know before it runs: what the server cannot say, and which queries get slower."""
    if plan.rollback:
        dropped = {one.index.name for one in plan.actions if one.do is Do.DROP or one.sql.startswith("DROP ")}
        planned = await plans(connection, plan.migration.checks)
        return [
            f"{name} gets slower: its plan uses {', '.join(sorted(dropped & set(one.indexes)))}, cost {one.cost:,.1f}"
            for name, one in planned.items()
            if dropped & set(one.indexes)
        ]
    if not any(one.do in {Do.BUILD, Do.REINDEX} for one in plan.actions):
        return []
    total = sum(size or 0 for *_, size in plan.sizes)
    return [
        (
            f"free disk space cannot be asked for over SQL: the indexes take about {total / 2**20:,.1f} MiB, and while one is built "
            "its sort takes as much again in pgsql_tmp"
        )
    ]


def index_states(facts: Gathered) -> tuple[IndexState, ...]:
    """Each index that the migration makes, as it is now."""
    return tuple(
        _index_state(target, target.statement, facts.past)
        for target in facts.targets
        if isinstance(target.statement, CreateIndex)
    )


def _index_state(target: Target, one: CreateIndex, past: Past) -> IndexState:
    table = target.table
    if table is None:
        return IndexState(str(one.index), "missing", detail=f"there is no table {one.table}")
    there = table.index(one.index.name)
    name = str(replace(table.name, name=one.index.name))
    if there is None:
        return IndexState(name, "missing")
    if target.wanted is not None and there.shape != target.wanted:
        return IndexState(
            name, "another definition", there.bytes, f"it is {there.shape}; the file says {target.wanted}"
        )
    detail = (
        ""
        if past.knows(there) or not table.bytes
        else f"no statistics for its expressions: ANALYZE {table.name}"
    )
    if there.partitioned and not there.valid:
        detail = "not every partition has it"
    return IndexState(name, there.state, there.bytes, detail)


async def status(connection: asyncpg.Connection, migration: Migration, facts: Gathered) -> Status:
    """See `Runner.status`."""
    rows = await history.read(connection, migration.name)
    indexes = index_states(facts)
    digest = facts.past.digest
    if digest:
        state = "applied" if digest == migration.digest else "changed"
    elif rows and rows[-1]["state"] != State.ROLLED_BACK:
        state = "unfinished"
    else:
        state = "not applied"
    tables = {target.table.oid: target.table for target in facts.targets if target.table is not None}
    debris = [
        f"{index.name} is {index.state}: DROP INDEX CONCURRENTLY {index.name.sql};"
        for table in tables.values()
        for index in (*table.indexes, *table.toast)
        if not (index.valid and index.live)
        and not index.partitioned
        and not is_underway(index, table, facts.building)
    ]
    return Status(
        migration=migration.name,
        state=state,
        indexes=indexes,
        running=tuple(
            f"pid {one.pid}, {one.application}" for one in facts.building if one.table_oid in tables
        ),
        debris=tuple(debris),
        history=tuple(
            Step(
                row["at"].isoformat(),
                row["who"],
                row["state"],
                row["index_name"],
                row["statement"],
                row["digest"],
            )
            for row in rows
        ),
    )


async def verification(
    connection: asyncpg.Connection, migration: Migration, facts: Gathered, planned: Mapping[str, Planned]
) -> Verification:
    """See `Runner.verify`."""
    before: dict[str, float] = {}
    for row in await history.read(connection, migration.name):
        if row["state"] == State.STARTED:
            known = json.loads(row["evidence"]).items()
            before = {name: one["cost"] for name, one in known if one.get("cost")}
    queries = [
        QueryState(
            name=check.name,
            expected=check.indexes,
            used=planned[check.name].indexes,
            cost=planned[check.name].cost,
            cost_before=before.get(check.name),
            milliseconds=planned[check.name].milliseconds,
            buffers=planned[check.name].buffers,
            error=planned[check.name].error,
        )
        for check in migration.checks
    ]
    return Verification(migration.name, index_states(facts), tuple(queries))


async def watch(sessions: Sessions, migration: Migration, clock: Clock) -> AsyncGenerator[Progress, None]:
    """See `Runner.watch`."""
    facts = await Gatherer(migration, rollback=False).read(sessions.main)
    names = {target.table.oid: target.table.name for target in facts.targets if target.table is not None}
    bars: dict[int, Bar] = {}
    began = clock.monotonic()
    while running := [one for one in await building(sessions.main) if one.table_oid in names]:
        for one in running:
            found = await sessions.look(one.pid, one.table_oid)
            if found is None:
                continue
            look, holding = found
            ratio = bars.setdefault(one.pid, Bar()).moved(look)
            yield Progress(
                migration=migration.name,
                step=0,
                action=f"build by pid {one.pid}, {one.application}",
                index=str(names[one.table_oid]),
                phase=look.phase,
                ratio=ratio,
                blocks_done=min(look.blocks_done, look.blocks_total),
                blocks_total=look.blocks_total,
                lockers_done=min(look.lockers_done, look.lockers_total),
                lockers_total=look.lockers_total,
                blockers=tuple(map(str, holding)),
                elapsed_seconds=clock.monotonic() - began,
                eta_seconds=remaining_seconds(ratio, clock.monotonic() - began),
            )
        await clock.sleep(LOOK_SECONDS)
