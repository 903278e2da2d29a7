"""Removes what a statement has left that failed or was stopped."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import asyncpg

from quickwins.core.errors import QuickWinsError
from quickwins.indexes._core.actions import Do
from quickwins.indexes._core.plan import remains
from quickwins.indexes._server import catalogue
from quickwins.indexes._server.holders import building
from quickwins.indexes._server.work import OutOfPatience
from quickwins.indexes.connecting import LOST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quickwins.indexes._core.actions import Action
    from quickwins.indexes._core.facts import Holder, Index
    from quickwins.indexes._server.work import Sessions

TRIES = 2
"""A signal that was meant for the statement before may end the first."""


async def leftovers(
    sessions: Sessions, action: Action, *, patience_seconds: float, reopen_seconds: float, lock: int
) -> tuple[str, ...]:
    """Drop what `action` has left.

    Args:
        sessions: Opened again when they were lost.
        action: What failed or was stopped.
        patience_seconds: How long a drop may be held up, by readers too.
        reopen_seconds: How long a server that went away may take to come back.
        lock: The runners' advisory lock: its holder cleans up.

    Returns:
        What is left all the same, for people, each with the command that removes it.
    """
    try:
        if sessions.main.is_closed():
            await sessions.reopen(min(reopen_seconds, patience_seconds))
            if not await sessions.main.fetchval("SELECT pg_try_advisory_lock($1)", lock):
                return ()
        left = await _left(sessions.main, action)
        if action.do is Do.DROP:
            # Whoever held the drop up would hold it up again.
            return tuple(map(_said, left))
        return tuple([_said(one) for one in left if not await _dropped(sessions, one, patience_seconds)])
    except (*LOST, asyncpg.PostgresError, QuickWinsError):
        return (maybe_left(action),)


def maybe_left(action: Action) -> str:
    """What to say while nobody knows what `action` has left."""
    return f"{action.index} may be left INVALID: quickwins indexes status shows it; DROP INDEX CONCURRENTLY {action.index.sql};"


def _said(one: Index) -> str:
    return f"{one.name} is left {one.state}: DROP INDEX CONCURRENTLY {one.name.sql};"


async def _left(connection: asyncpg.Connection, action: Action) -> list[Index]:
    """The indexes that do nobody any good, and that nobody is building."""
    running = {one.index_oid for one in await building(connection)}
    table = await catalogue.table(connection, await catalogue.find(connection, action.table))
    if table is None:
        return []
    # A rebuild of one that was INVALID before has changed nothing about it.
    found = [one for one in table.indexes if one.name == action.index and action.do is not Do.REINDEX]
    if action.do is Do.REINDEX:
        there = (*table.indexes, *table.toast)
        rebuilt = [one for one in there if action.index in {one.name, table.name}]
        found = [left for one in rebuilt for _, left in remains(table, one.name.name, one.shape)]
    return [
        one
        for one in found
        if not (one.valid and one.live) and not one.partitioned and one.oid not in running
    ]


async def _dropped(sessions: Sessions, one: Index, patience_seconds: float) -> bool:
    for _ in range(TRIES):
        try:
            oid = await catalogue.table_of(sessions.main, one.oid)
            running = sessions.run(
                f"DROP INDEX CONCURRENTLY IF EXISTS {one.name.sql}",
                table_oid=oid,
                patience_seconds=patience_seconds,
                held=_nothing,
            )
            async with aclosing(running) as looks:
                async for _seen in looks:
                    pass
        except asyncpg.QueryCanceledError:
            continue
        except (OutOfPatience, asyncpg.DeadlockDetectedError, asyncpg.InsufficientPrivilegeError):
            return False
        else:
            return True
    return False


async def _nothing(holders: Sequence[Holder]) -> None:
    del holders
