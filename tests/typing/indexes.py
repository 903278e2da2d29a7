"""Migrations of indexes as a caller writes them."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, assert_type

from quickwins.core.events import INDEX_SESSION_TERMINATED
from quickwins.indexes import (
    Action,
    Blocked,
    BuildFailed,
    Finding,
    IndexesSettings,
    IndexState,
    Migration,
    MigrationError,
    Obstacle,
    Plan,
    Precondition,
    Progress,
    QueryState,
    Runner,
    Status,
    Step,
    Verification,
    Weight,
)

if TYPE_CHECKING:
    from quickwins import QuickWins
    from quickwins.core.flags import Flag


TOLD = INDEX_SESSION_TERMINATED.fields


async def night(dsn: str, flag: Flag) -> tuple[str, ...]:
    migration = Migration.load("migrations/090_quick_win_4_missing_indexes.sql")
    runner = Runner(
        dsn, window="02:00-04:00 UTC", max_wait_seconds=600, overrides=[Precondition.SNAPSHOTS], flag=flag
    )
    plan: Plan = await runner.plan(migration)
    actions: tuple[Action, ...] = plan.actions
    obstacles: tuple[Obstacle, ...] = plan.obstacles
    print(*actions, *(one.precondition for one in obstacles), plan.nothing_to_do)
    try:
        async with aclosing(runner.apply(plan)) as looks:
            async for progress in looks:
                assert_type(progress, Progress)
                print(f"{progress.ratio:.0%} {progress.phase} {progress.blockers}")
    except MigrationError as error:
        print(error.reason)
    except Blocked as error:
        print(Precondition(str(error.reason)))
    except BuildFailed as error:
        return error.debris
    return runner.debris


async def morning(runner: Runner, migration: Migration) -> bool:
    verified: Verification = await runner.verify(migration, measure_seconds=5)
    status: Status = await runner.status(migration)
    indexes: tuple[IndexState, ...] = verified.indexes
    queries: tuple[QueryState, ...] = verified.queries
    history: tuple[Step, ...] = status.history
    found: list[Finding] = await runner.audit(standbys=["postgresql://replica/feed"])
    print(indexes, [one.ratio for one in queries], [one.at for one in history])
    async for progress in runner.watch(migration):
        print(progress)
    return verified.good and not any(one.weight is Weight.INVALID for one in found)


def settings(qw: QuickWins) -> Runner:
    print(qw.settings.section("indexes", IndexesSettings).window)
    return qw.index_runner("postgresql://dba@db/feed", name="nightly")
