"""What the planner makes of a query: its generic plan, and what it costs to run it once."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg

from quickwins.indexes._statements import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from quickwins.indexes._statements import Check

PLAN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Planned:
    """A query's plan.

    Attributes:
        cost: The planner's, of the whole.
        indexes: Those it uses.
        milliseconds: What running it took; `None`: it was not run.
        buffers: Pages that it looked at; `None`: it was not run.
        error: Why there is no plan.
    """

    cost: float = 0.0
    indexes: tuple[str, ...] = ()
    milliseconds: float | None = None
    buffers: int | None = None
    error: str = ""


async def plans(
    connection: asyncpg.Connection, checks: Sequence[Check], *, measure_seconds: float | None = None
) -> dict[str, Planned]:
    """The generic plan of each query, by name: what a prepared statement is run with, whatever its arguments.

    Args:
        connection: Any session; read-only transactions.
        checks: The queries.
        measure_seconds: Also run each, and give up after so long; `None`: run none.
    """
    return {check.name: await _plan(connection, check, measure_seconds) for check in checks}


async def _plan(connection: asyncpg.Connection, check: Check, measure_seconds: float | None) -> Planned:
    limit = round((measure_seconds or PLAN_SECONDS) * 1000)
    options = "ANALYZE, BUFFERS, FORMAT JSON" if measure_seconds else "FORMAT JSON"
    await connection.execute(
        f"BEGIN READ ONLY; SET LOCAL statement_timeout = {limit}; SET LOCAL lock_timeout = '2s'; "
        "SET LOCAL plan_cache_mode = force_generic_plan"
    )
    try:
        await connection.execute(check.prepare)
        text = await connection.fetchval(f"EXPLAIN ({options}) {check.execute}")
        return _read(json.loads(text) if isinstance(text, str) else text)
    except asyncpg.PostgresError as error:
        return Planned(error=str(error))
    finally:
        if not connection.is_closed():
            await connection.execute("ROLLBACK")
            with suppress(asyncpg.InvalidSQLStatementNameError):
                await connection.execute(f"DEALLOCATE {quoted(check.name)}")


def _read(document: Any) -> Planned:
    whole = document[0]
    plan = whole["Plan"]
    used = sorted({node["Index Name"] for node in _nodes(plan) if "Index Name" in node})
    ran = "Execution Time" in whole
    return Planned(
        cost=float(plan["Total Cost"]),
        indexes=tuple(used),
        milliseconds=float(whole["Execution Time"]) if ran else None,
        buffers=int(plan.get("Shared Hit Blocks", 0) + plan.get("Shared Read Blocks", 0)) if ran else None,
    )


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)
