"""A partitioned table: on the table alone, on each partition, attached one after the other; from wherever a run stopped."""

from __future__ import annotations

from contextlib import aclosing

import pytest

from quickwins.indexes import MigrationError, Runner
from tests.index_database import SLOW, Database

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


@pytest.mark.parametrize(
    ("broken", "rebuilt"),
    [
        pytest.param(["q"], [], id="the whole alone"),
        pytest.param(["q", "q1_a_idx"], ["q1_a_idx"], id="a part"),
        pytest.param(["q", "q2_a_idx", "q21_a_idx"], ["q21_a_idx"], id="a part of a part"),
    ],
)
async def test_parts_that_are_attached_and_invalid_are_rebuilt_until_the_whole_is_valid(
    database: Database, broken: list[str], rebuilt: list[str]
) -> None:
    database.run(
        "CREATE TABLE p (id int, a int) PARTITION BY LIST (id)",
        "CREATE TABLE q1 PARTITION OF p FOR VALUES IN (1)",
        "CREATE TABLE q2 PARTITION OF p FOR VALUES IN (2) PARTITION BY LIST (id)",
        "CREATE TABLE q21 PARTITION OF q2 FOR VALUES IN (2)",
        "INSERT INTO p SELECT 1 + n % 2, n FROM generate_series(1, 100) AS n",
        "CREATE INDEX q ON p (a)",
    )
    for name in broken:
        database.broken(name, ready=True)
    migration = database.migration("CREATE INDEX CONCURRENTLY q ON p (a)")
    said = await database.apply(migration)

    assert set(database.indexes()) == {"q", "q1_a_idx", "q2_a_idx", "q21_a_idx"}
    assert not [one for one in database.indexes().values() if "INVALID" in one]
    assert {one.index for one in said if "REINDEX" in one.action} == {f"public.{name}" for name in rebuilt}
    assert await database.apply(migration) == []
    assert (await Runner(database.url).status(migration)).good


async def test_a_foreign_partition_is_refused_since_the_whole_would_never_be_valid(parts: Database) -> None:
    parts.run(
        "CREATE FOREIGN DATA WRAPPER nowhere",
        "CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere",
        "CREATE TABLE q (id int, a int) PARTITION BY LIST (id)",
        "CREATE TABLE q1 PARTITION OF q FOR VALUES IN (1)",
        "CREATE FOREIGN TABLE q2 PARTITION OF q FOR VALUES IN (2) SERVER elsewhere",
    )
    with pytest.raises(MigrationError, match=r"public\.q2 is a foreign table"):
        await parts.apply(parts.migration("CREATE INDEX CONCURRENTLY i ON q (a)"))
    assert parts.indexes() == {}
    await parts.apply(parts.migration("CREATE INDEX CONCURRENTLY i ON q1 (a)", name="002_y"))
    assert set(parts.indexes()) == {"i"}


async def test_what_a_failed_reindex_has_left_on_a_part_is_dropped(parts: Database) -> None:
    parts.run("CREATE INDEX i ON p (a)", "CREATE INDEX p0_a_idx_ccnew ON p0 (a)")
    parts.broken("p0_a_idx_ccnew")
    await parts.apply(parts.migration("REINDEX INDEX CONCURRENTLY i"))
    assert set(parts.indexes()) == {"i", "p0_a_idx", "p1_a_idx", "p2_a_idx"}


async def test_a_reindex_that_is_left_early_leaves_nothing_on_the_parts(parts: Database) -> None:
    parts.run(SLOW, "CREATE INDEX i ON p (slow(a))")
    runner = Runner(parts.url)
    migration = parts.migration("REINDEX INDEX CONCURRENTLY i")
    seen = False
    async with parts.braked(), aclosing(runner.apply(await runner.plan(migration))) as looks:
        async for _ in looks:
            seen = any(name.endswith("_ccnew") for name in parts.indexes())
            if seen:
                break
    assert seen
    assert runner.debris == ()
    assert set(parts.indexes()) == {"i", "p0_slow_idx", "p1_slow_idx", "p2_slow_idx"}


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        pytest.param("CREATE UNIQUE INDEX CONCURRENTLY i ON p (a)", "partitioning columns", id="unique"),
        pytest.param(f"{CREATE} TABLESPACE pg_default", "default tablespace", id="tablespace"),
    ],
)
async def test_what_no_partitioned_table_can_have_is_refused_before_anything_is_done(
    parts: Database, statement: str, said: str
) -> None:
    with pytest.raises(MigrationError, match=said):
        await parts.apply(parts.migration(statement))
    assert not parts.value("SELECT to_regnamespace('quickwins') IS NOT NULL")


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
