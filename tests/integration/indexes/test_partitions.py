"""A partitioned table: on the table alone, on each partition, attached one after the other; from wherever a run stopped."""

from __future__ import annotations

from contextlib import aclosing

import pytest

from quickwins.indexes import MigrationError, Runner
from tests.index_database import Database

pytestmark = [pytest.mark.engines("postgres"), pytest.mark.asyncio]

CREATE = "CREATE INDEX CONCURRENTLY i ON p (a)"
VALID = "SELECT relname::text FROM pg_class AS c JOIN pg_index AS i ON i.indexrelid = c.oid WHERE indisvalid AND relname LIKE '%i' ORDER BY 1"
ALL = ["i", "p0_i", "p1_i", "p2_i"]


@pytest.fixture
def parts(database: Database) -> Database:
    database.run("CREATE TABLE p (id int, a int) PARTITION BY HASH (id)")
    for n in range(3):
        database.run(f"CREATE TABLE p{n} PARTITION OF p FOR VALUES WITH (MODULUS 3, REMAINDER {n})")
    database.run("INSERT INTO p SELECT n, n FROM generate_series(1, 3000) AS n", "ANALYZE p")
    return database


def valid(database: Database) -> list[str]:
    return [row[0] for row in database.ask(VALID)]


async def test_each_partition_gets_its_own_and_all_are_valid(parts: Database) -> None:
    migration = parts.migration(CREATE)
    await parts.apply(migration)

    assert valid(parts) == ALL
    assert await parts.apply(migration) == []
    assert (await Runner(parts.url).verify(migration)).good
    await parts.apply(migration, rollback=True)
    assert valid(parts) == []


@pytest.mark.parametrize(
    "steps", [pytest.param(n, marks=[] if n == 5 else pytest.mark.volume) for n in range(1, 8)]
)
async def test_a_run_that_is_left_after_any_step_is_gone_on_with(parts: Database, steps: int) -> None:
    migration = parts.migration(CREATE)
    runner = Runner(parts.url)
    async with aclosing(runner.apply(await runner.plan(migration))) as looks:
        async for progress in looks:
            if progress.step == steps and progress.ratio == 1:
                break

    left = await runner.plan(migration)
    await parts.apply(migration)

    assert len(left.actions) == 7 - steps
    assert valid(parts) == ALL


async def test_partitions_of_partitions_and_indexes_that_are_there_are_used(parts: Database) -> None:
    parts.run(
        "CREATE TABLE q (id int, a int) PARTITION BY RANGE (id)",
        "CREATE TABLE q1 PARTITION OF q FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (id)",
        "CREATE TABLE q11 PARTITION OF q1 FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE q2 PARTITION OF q FOR VALUES FROM (10) TO (20)",
        "INSERT INTO q SELECT n, n FROM generate_series(1, 19) AS n",
        "CREATE INDEX there ON q2 (a)",
    )
    migration = parts.migration("CREATE INDEX CONCURRENTLY i ON q (a)")
    await parts.apply(migration)

    assert valid(parts) == ["i", "q11_i", "q1_i"]
    parents = parts.ask(
        "SELECT i.inhrelid::regclass::text FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE relkind IN ('i', 'I') ORDER BY 1"
    )
    assert "there" in [row[0] for row in parents]
    assert await parts.apply(migration) == []


async def test_what_psql_would_run_step_by_step_runs_here_too(parts: Database) -> None:
    migration = parts.migration(
        "CREATE INDEX i ON ONLY p (a)",
        *(f"CREATE INDEX CONCURRENTLY p{n}_i ON p{n} (a)" for n in range(3)),
        *(f"ALTER INDEX i ATTACH PARTITION p{n}_i" for n in range(3)),
    )
    await parts.apply(migration)
    assert valid(parts) == ALL
    assert await parts.apply(migration) == []


async def test_a_plain_build_on_all_partitions_is_refused(parts: Database) -> None:
    with pytest.raises(MigrationError, match="CREATE INDEX CONCURRENTLY, or ON ONLY"):
        await parts.apply(parts.migration("CREATE INDEX i ON p (a)"))


async def test_a_part_cannot_be_dropped_alone(parts: Database) -> None:
    await parts.apply(parts.migration(CREATE))
    with pytest.raises(MigrationError, match=r"public\.p0_i is a part of public\.i"):
        await parts.apply(parts.migration("DROP INDEX CONCURRENTLY p0_i", name="002_y"))
