"""Indexes and tables that are unlike most, and a table that somebody changes while its migration runs."""

from __future__ import annotations

import pytest

from quickwins.indexes import BuildFailed, Migration, MigrationError, Runner
from tests.index_database import Database

pytestmark = [pytest.mark.engines("postgres"), pytest.mark.asyncio]


@pytest.mark.parametrize(
    "definition",
    [
        pytest.param("((a + 1)) WHERE b = 'nobody''s'", id="of no row"),
        pytest.param("((t.*))", id="of the whole row"),
    ],
)
async def test_an_expression_index_is_analysed_once_even_where_that_gives_no_statistics(
    database: Database, definition: str
) -> None:
    migration = database.migration(f"CREATE INDEX CONCURRENTLY i ON t {definition}")
    said = await database.apply(migration)
    assert [one.action.split()[0] for one in said if one.ratio == 1] == ["CREATE", "ANALYZE"]
    assert await database.apply(migration) == []
    assert (await Runner(database.url).verify(migration)).good


async def test_the_words_for_yes_and_no_in_storage_parameters_are_the_same(database: Database) -> None:
    database.run("CREATE INDEX i ON t (a) WITH (deduplicate_items=off, fillfactor=80)")
    migration = database.migration(
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a) WITH (fillfactor='80', deduplicate_items=false)"
    )
    assert await database.apply(migration) == []
    migration = database.migration(
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a) WITH (fillfactor='80')", name="002_y"
    )
    with pytest.raises(MigrationError, match="is another index"):
        await database.apply(migration)


async def test_a_tablespace_that_is_not_there_is_refused_before_anything_is_done(database: Database) -> None:
    with pytest.raises(MigrationError, match='tablespace "nowhere" does not exist'):
        await database.apply(database.migration("CREATE INDEX CONCURRENTLY i ON t (a) TABLESPACE nowhere"))
    assert not database.value("SELECT to_regnamespace('quickwins') IS NOT NULL")


async def changed_after_the_first_step(database: Database, migration: Migration, change: str) -> None:
    runner = Runner(database.url, max_wait_seconds=10)
    async for progress in runner.apply(await runner.plan(migration)):
        if progress.step == 1 and progress.ratio == 1:
            database.run(change)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param("DROP TABLE t", "there is no table t here", id="dropped"),
        pytest.param("ALTER TABLE t RENAME TO other", "there is no table t here", id="renamed"),
        pytest.param("DROP INDEX i; CREATE INDEX i ON t (c)", "is another index", id="another index"),
    ],
)
async def test_a_table_that_is_changed_between_two_steps_is_a_failure_and_not_the_files_fault(
    database: Database, change: str, said: str
) -> None:
    migration = database.migration(
        "CREATE INDEX CONCURRENTLY i ON t (a)", "CREATE INDEX CONCURRENTLY j ON t (b)"
    )
    with pytest.raises(BuildFailed, match=f"changed meanwhile, after step 1: .*{said}") as failed:
        await changed_after_the_first_step(database, migration, change)
    assert failed.value.debris == ()
    with pytest.raises(MigrationError, match=said):
        await database.apply(migration)


ODD = [
    "(a, c) INCLUDE (id)",
    "(a NULLS FIRST, b DESC) WITH (fillfactor=70, deduplicate_items=no)",
    '(b text_pattern_ops, b COLLATE "C")',
    "USING hash (b)",
    "USING spgist (b)",
    "USING brin (c timestamptz_minmax_multi_ops (values_per_range=16), a) WITH (pages_per_range=4, autosummarize=on)",
    "USING gin (tags)",
    "USING gin (body jsonb_path_ops)",
    "USING gist (span)",
    "USING gist (at)",
    "((body #>> '{a,b}'), ((body -> 'x')::text))",
    "(date(c AT TIME ZONE 'UTC'))",
    "(twice) WHERE a BETWEEN 1 AND 5 AND b IN ('x', 'y') AND c > '2020-01-01 00:00+00' AND mood = 'fine'",
]


async def test_each_kind_of_index_is_built_as_it_is_written_and_known_again(database: Database) -> None:
    database.run(
        "CREATE TYPE \"mo od\" AS ENUM ('fine', 'sad')",
        "CREATE DOMAIN short AS text CHECK (length(value) < 100)",
        """ALTER TABLE t ADD tags text[], ADD body jsonb, ADD span int4range, ADD at point, ADD mood "mo od", ADD s short,
           ADD twice int GENERATED ALWAYS AS (a * 2) STORED""",
        "CREATE UNLOGGED TABLE u AS SELECT * FROM t",
        "CREATE TABLE below (z int) INHERITS (t)",
    )
    statements = [f"CREATE INDEX CONCURRENTLY i{n} ON t {rest}" for n, rest in enumerate(ODD)]
    statements += ["CREATE INDEX CONCURRENTLY j ON u (s)", "CREATE INDEX CONCURRENTLY k ON ONLY t (s)"]
    migration = database.migration(*statements)
    said = await database.apply(migration)

    steps = [[one.ratio for one in said if one.step == step] for step in range(1, said[-1].step + 1)]
    assert all(ratios == sorted(ratios) for ratios in steps)
    assert len(database.indexes()) == len(statements)
    assert await database.apply(migration) == []
    assert (await Runner(database.url).verify(migration)).good


@pytest.mark.parametrize(
    ("made", "statement", "said"),
    [
        pytest.param(
            "CREATE FUNCTION f(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RAISE 'not this row'; END$$",
            "CREATE INDEX CONCURRENTLY i ON t (f(b))",
            "not this row",
            id="an expression that fails",
        ),
        pytest.param(
            "ALTER TABLE t ALTER b SET STORAGE EXTERNAL; UPDATE t SET b = repeat(b, 2000) WHERE id = 1",
            "CREATE INDEX CONCURRENTLY i ON t (b)",
            "maximum",
            id="a row that is too large",
        ),
    ],
)
async def test_what_fails_on_a_row_leaves_nothing(
    database: Database, made: str, statement: str, said: str
) -> None:
    database.run(made)
    with pytest.raises(BuildFailed, match=said) as failed:
        await database.apply(database.migration(statement))
    assert failed.value.debris == ()
    assert database.indexes() == {}
