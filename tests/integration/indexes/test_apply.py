"""A migration on a real server: done, done again, taken back, and refused."""

from __future__ import annotations

from contextlib import aclosing

import pytest

from quickwins.indexes import BuildFailed, Migration, MigrationError, Runner
from tests.index_database import Database

pytestmark = [pytest.mark.engines("postgres"), pytest.mark.asyncio]

VERIFY = "-- expect-index: i\nPREPARE q (int) AS SELECT id FROM t WHERE a = $1;\nEXPLAIN EXECUTE q (1);\nDEALLOCATE q;\n"


async def test_a_migration_is_applied_once_and_the_second_time_nothing_is_done(database: Database) -> None:
    migration = database.migration()

    first = await database.apply(migration)
    history = database.value("SELECT count(*) FROM quickwins.index_history")
    second = await database.apply(migration)

    assert first[-1].ratio == 1
    assert second == []
    assert database.indexes() == {"i": "CREATE INDEX i ON public.t USING btree (a)"}
    assert database.value("SELECT count(*) FROM quickwins.index_history") == history
    assert (await Runner(database.url).status(migration)).state == "applied"


async def test_a_plan_changes_nothing(database: Database) -> None:
    before = database.ask("SELECT relname FROM pg_class ORDER BY 1")
    plan = await Runner(database.url).plan(
        database.migration("CREATE INDEX CONCURRENTLY i ON t (a) WHERE c IS NULL")
    )

    assert [one.sql for one in plan.actions] == [
        'CREATE INDEX CONCURRENTLY "i" ON "public"."t" USING btree (a) WHERE c IS NULL'
    ]
    assert not plan.obstacles
    assert database.ask("SELECT relname FROM pg_class ORDER BY 1") == before


async def test_there_and_back_and_there_again_makes_the_same_index(database: Database) -> None:
    migration = database.migration(
        'CREATE UNIQUE INDEX CONCURRENTLY i ON t (lower(b) COLLATE "C" text_pattern_ops DESC, id) INCLUDE (a) '
        "WITH (fillfactor = 70) WHERE c IS NOT NULL AND a > 0"
    )
    await database.apply(migration)
    first = database.indexes()
    await database.apply(migration, rollback=True)
    between = database.indexes()
    await database.apply(migration)

    assert (list(first), between) == (["i"], {})
    assert database.indexes() == first
    states = [row["state"] for row in database.ask("SELECT state FROM quickwins.index_history ORDER BY id")]
    once = ["started", "building", "built", "analyzed", "applied"]
    assert states == [*once, "started", "dropping", "dropped", "rolled back", *once]


async def test_a_changed_file_that_was_applied_is_an_error_until_it_is_rolled_back(
    database: Database,
) -> None:
    await database.apply(database.migration())
    changed = database.migration("CREATE INDEX CONCURRENTLY i ON t (a DESC)")

    with pytest.raises(MigrationError, match="was applied when it said something else"):
        await database.apply(changed)
    await database.apply(changed, rollback=True)
    await database.apply(changed)

    assert database.indexes()["i"].endswith("(a DESC)")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        pytest.param("CREATE INDEX CONCURRENTLY i ON nope (a)", "there is no table nope", id="no table"),
        pytest.param(
            "CREATE INDEX CONCURRENTLY i ON t (nope)", 'column "nope" does not exist', id="no column"
        ),
        pytest.param(
            "CREATE INDEX CONCURRENTLY i ON t (b int4_ops)", "operator class", id="wrong operator class"
        ),
        pytest.param("CREATE INDEX CONCURRENTLY i ON t (now())", "IMMUTABLE", id="a function of the time"),
        pytest.param(
            "CREATE INDEX i ON t (a)", "it would block who writes to public.t", id="not concurrently"
        ),
        pytest.param(
            "CREATE INDEX CONCURRENTLY t2 ON t (a)", "the name t2 is taken by a table", id="a table's name"
        ),
        pytest.param(
            "CREATE INDEX CONCURRENTLY t2_pkey ON t (a)", "is taken by an index on public.t2", id="another's"
        ),
        pytest.param("DROP INDEX CONCURRENTLY nope", "there is no index nope", id="no index to drop"),
        pytest.param(
            "DROP INDEX CONCURRENTLY t_pkey", "is needed by a constraint", id="a constraint's index"
        ),
        pytest.param("DROP INDEX t2_i", "it would block who reads or writes", id="a blocking drop"),
        pytest.param("REINDEX INDEX CONCURRENTLY nope", "there is no index nope", id="no index to rebuild"),
        pytest.param(
            "ALTER INDEX i ATTACH PARTITION nope", "there is no index nope", id="no index to attach"
        ),
        pytest.param(
            "CREATE INDEX CONCURRENTLY i ON pg_catalog.pg_class (relname)",
            "is no table that can have an index",
            id="the server's own table",
        ),
        pytest.param(
            "CREATE INDEX CONCURRENTLY i ON v (a)", "is no table that can have an index", id="a view"
        ),
    ],
)
async def test_what_cannot_be_done_is_refused_before_anything_is(
    database: Database, statement: str, said: str
) -> None:
    database.run(
        "CREATE TABLE t2 (id int PRIMARY KEY, a int)",
        "CREATE INDEX t2_i ON t2 (a)",
        "CREATE VIEW v AS SELECT 1 AS a",
    )
    migration = database.migration(statement)

    with pytest.raises(MigrationError) as refused:
        await database.apply(migration)

    assert "001_x.sql: line 1: " in str(refused.value)
    assert said in str(refused.value)
    assert list(database.indexes()) == ["t2_i"]
    assert database.value("SELECT to_regclass('quickwins.index_history') IS NULL")


async def test_an_index_of_that_name_but_another_definition_is_an_error(database: Database) -> None:
    database.run("CREATE INDEX i ON t (b)")
    with pytest.raises(
        MigrationError, match=r"public\.i is there, and is another index: USING btree \(b\); the file says"
    ):
        await database.apply(database.migration())


async def test_an_equal_index_that_psql_has_made_is_taken_as_done_and_stays_at_a_rollback(
    database: Database,
) -> None:
    database.run("CREATE INDEX i ON t USING btree (a ASC NULLS LAST)")
    migration = database.migration("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)")

    assert await database.apply(migration) == []
    runner = Runner(database.url)
    plan = await runner.plan(migration, rollback=True)
    await database.apply(migration, rollback=True)

    assert plan.notes[0] == "line 1: public.i was not made by this migration, and stays"
    assert list(database.indexes()) == ["i"]
    assert (await runner.status(migration)).state == "not applied"


async def test_an_index_that_does_the_work_already_is_shown(database: Database) -> None:
    database.run("CREATE INDEX other ON t (a, b)", "CREATE INDEX twin ON t (a)")
    plan = await Runner(database.url).plan(database.migration())
    assert plan.notes[0] == "line 1: public.twin is the same: USING btree (a)"


async def test_names_are_looked_up_by_schema_and_as_the_server_cuts_them(database: Database) -> None:
    database.run("CREATE SCHEMA s", "CREATE TABLE s.t (a int)", "INSERT INTO s.t VALUES (1)")
    long = "i" * 80
    migration = database.migration(
        "CREATE INDEX CONCURRENTLY i ON s.t (a)", f"CREATE INDEX CONCURRENTLY {long} ON s.t (a)",
        rollback=f"DROP INDEX CONCURRENTLY s.i; DROP INDEX CONCURRENTLY s.{long};",
    )  # fmt: skip
    database.run("CREATE INDEX i ON public.t (b)")

    await database.apply(migration)

    assert await database.apply(migration) == []
    assert (
        database.value("SELECT pg_get_indexdef('s.i'::regclass)") == "CREATE INDEX i ON s.t USING btree (a)"
    )
    assert database.value("SELECT count(*) FROM pg_indexes WHERE indexname = $1", "i" * 63) == 1
    await database.apply(migration, rollback=True)
    assert list(database.indexes()) == ["i"]


async def test_a_drop_is_done_once_and_for_all(database: Database) -> None:
    database.run("CREATE INDEX i ON t (a)")
    migration = database.migration("DROP INDEX CONCURRENTLY i")

    await database.apply(migration)
    assert await database.apply(migration) == []

    assert database.indexes() == {}


async def test_a_plain_build_is_fine_on_an_empty_table(database: Database) -> None:
    database.run("CREATE TABLE empty (a int)")
    await database.apply(database.migration("CREATE INDEX i ON empty (a)"))
    assert list(database.indexes()) == ["i"]


async def test_duplicates_are_reported_and_nothing_is_left(database: Database) -> None:
    database.run("UPDATE t SET a = -7 WHERE id IN (1, 2)")
    with pytest.raises(BuildFailed, match=r"there are duplicates: Key \(a\)=\(") as failed:
        await database.apply(database.migration("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)"))
    assert failed.value.debris == ()
    assert database.indexes() == {}


async def test_an_expression_gets_statistics(database: Database) -> None:
    migration = database.migration("CREATE INDEX CONCURRENTLY i ON t ((a % 7))")
    said = await database.apply(migration)

    assert [one.action for one in said if one.ratio == 1][-1].startswith('ANALYZE "public"."t"')
    assert database.value("SELECT count(*) FROM pg_stats WHERE tablename = 'i'") == 1
    assert await database.apply(migration) == []


async def test_reindex_runs_once(database: Database) -> None:
    database.run("CREATE INDEX i ON t (a)")
    before = database.value("SELECT relfilenode FROM pg_class WHERE relname = 'i'")
    migration = database.migration("REINDEX INDEX CONCURRENTLY i")

    await database.apply(migration)
    assert await database.apply(migration) == []

    assert database.value("SELECT relfilenode FROM pg_class WHERE relname = 'i'") != before
    assert list(database.indexes()) == ["i"]


async def test_our_own_migrations_do_as_they_say(database: Database) -> None:
    database.run(
        "CREATE TABLE messages (id bigint, sender_id bigint, created_at timestamptz, deleted_at timestamptz)",
        "CREATE TABLE posts (id bigint, user_id bigint, created_at timestamptz, soft_delete timestamptz)",
        "INSERT INTO messages SELECT n, n % 100, now() FROM generate_series(1, 5000) AS n",
        "INSERT INTO posts SELECT n, n % 100, now() FROM generate_series(1, 5000) AS n",
        "ANALYZE",
    )
    migration = Migration.load("migrations/090_quick_win_4_missing_indexes.sql")
    await database.apply(migration)

    verified = await Runner(database.url).verify(migration, measure_seconds=5)
    assert verified.good
    assert all((one.ratio or 0) > 1 for one in verified.queries)
    assert list(database.indexes()) == ["idx_messages_sender_created", "idx_posts_user_created"]
    await database.apply(migration, rollback=True)
    assert database.indexes() == {}


@pytest.mark.parametrize(
    ("statement", "after"),
    [
        pytest.param("CREATE INDEX CONCURRENTLY i ON t (a)", "CREATE INDEX", id="one step"),
        pytest.param("CREATE INDEX CONCURRENTLY i ON t (lower(b))", "ANALYZE", id="two steps"),
    ],
)
async def test_what_somebody_undoes_at_once_is_not_done_for_ever(
    database: Database, statement: str, after: str
) -> None:
    runner = Runner(database.url)
    undone = 0

    async def undo() -> None:
        nonlocal undone
        async with aclosing(runner.apply(await runner.plan(database.migration(statement)))) as looks:
            async for progress in looks:
                if progress.ratio == 1 and progress.action.startswith(after):
                    undone += 1
                    assert undone < 4, "it is done again and again"
                    database.run("DROP INDEX i")

    with pytest.raises(BuildFailed, match="it was done, and is still to do"):
        await undo()
    assert undone == 1
    assert database.indexes() == {}


async def test_a_build_has_one_core_whatever_its_role_is_set_to(database: Database) -> None:
    database.run(
        "ALTER DATABASE {} SET max_parallel_maintenance_workers = 4".format(
            database.value("SELECT current_database()")
        ),
        """CREATE FUNCTION tells(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN
               RAISE EXCEPTION 'parallel workers %, reads ahead % and %', current_setting('max_parallel_maintenance_workers'),
                   current_setting('effective_io_concurrency'), current_setting('maintenance_io_concurrency');
           END$$""",
    )
    with pytest.raises(BuildFailed, match="parallel workers 0, reads ahead 0 and 0"):
        await database.apply(database.migration("CREATE INDEX CONCURRENTLY i ON t (tells(a))"))
