"""What later reports say of online index builds, each tried on a real server: `docs/indexes-cases.md` tells which is which."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from quickwins.indexes import MigrationError, Runner
from tests.index_database import SLOW, Database

pytestmark = [pytest.mark.engines("postgres"), pytest.mark.asyncio]

CREATE = "CREATE INDEX CONCURRENTLY i ON p (a)"


@pytest.fixture
def slow(database: Database) -> Database:
    database.run(SLOW, "DELETE FROM t WHERE id > 300", "ANALYZE t")
    return database


@pytest.fixture
def parts(database: Database) -> Database:
    database.run(
        "CREATE TABLE p (id int, a int) PARTITION BY RANGE (id)",
        *(f"CREATE TABLE p{n} PARTITION OF p FOR VALUES FROM ({n}) TO ({n + 1})" for n in range(3)),
        "INSERT INTO p SELECT n % 3, n FROM generate_series(1, 300) AS n",
    )
    return database


async def weights(database: Database) -> dict[str, str]:
    return {one.index: str(one.weight) for one in await Runner(database.url).audit()}


@pytest.mark.parametrize(
    ("begun", "name"),
    [
        pytest.param("CREATE INDEX CONCURRENTLY i ON t (slow(a))", "i", id="a build"),
        pytest.param("REINDEX INDEX CONCURRENTLY i", "i_ccnew", id="a rebuild"),
    ],
)
async def test_what_is_being_built_is_no_debris(slow: Database, begun: str, name: str) -> None:
    migration = slow.migration("CREATE INDEX CONCURRENTLY i ON t (slow(a))")
    if name != "i":
        slow.run("CREATE INDEX i ON t (slow(a))")
    async with slow.session(application_name="psql") as connection:
        async with slow.braked():
            other = asyncio.create_task(connection.execute(begun))
            await asyncio.to_thread(slow.reaches, "building index: scanning table")
            assert slow.indexes()[name] == "INVALID False True"
            found = await weights(slow)
            status = await Runner(slow.url).status(migration)
            planned = await Runner(slow.url).plan(migration)
        await other
    assert found.get(f"public.{name}") != "invalid"
    assert status.debris == ()
    assert not [one for one in planned.actions if one.sql.startswith("DROP")]


@pytest.mark.parametrize(
    ("other", "why"),
    [
        pytest.param("CREATE INDEX j ON t (a) WHERE c IS NULL", "fewer rows", id="partial"),
        pytest.param("CREATE INDEX j ON t (a DESC NULLS LAST)", "another order", id="order"),
        pytest.param('CREATE INDEX j ON t (b COLLATE "C")', "another collation", id="collation"),
        pytest.param("CREATE INDEX j ON t (b text_pattern_ops)", "another operator class", id="operators"),
        pytest.param("CREATE INDEX j ON t USING hash (a)", "another method", id="method"),
        pytest.param("CREATE UNIQUE INDEX j ON t (b, id)", "it forbids duplicates", id="unique"),
        pytest.param("CREATE INDEX j ON t (a) INCLUDE (b)", "it has more", id="included"),
        pytest.param("CREATE INDEX j ON t (lower(b))", "an expression", id="expression"),
    ],
)
async def test_what_only_looks_alike_is_not_called_redundant(
    database: Database, other: str, why: str
) -> None:
    database.run("CREATE INDEX i1 ON t (a, c)", "CREATE INDEX i2 ON t (b, c)", other)
    assert (await weights(database)).get("public.j") != "redundant", why


async def test_a_partial_index_that_begins_as_the_primary_key_is_not_redundant(database: Database) -> None:
    database.run("CREATE INDEX j ON t (id, b) WHERE c IS NULL")
    assert await weights(database) == {"public.j": "unused"}


NEEDED = [
    pytest.param(
        ["CREATE UNIQUE INDEX j2 ON t (a, id)", "CREATE UNIQUE INDEX j ON t (a, id)", "ALTER TABLE t REPLICA IDENTITY USING INDEX j"],
        "replication",
        id="replica identity",
    ),
    pytest.param(
        ["CREATE UNIQUE INDEX j ON t (a, id)", "CREATE TABLE f (a int, b bigint, FOREIGN KEY (a, b) REFERENCES t (a, id))",
         "CREATE UNIQUE INDEX j2 ON t (a, id)"],
        "foreign key",
        id="foreign key",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("made", "by"), NEEDED)
async def test_what_more_than_queries_need_is_no_dead_weight_and_is_not_dropped(
    database: Database, made: list[str], by: str
) -> None:
    database.run(*made)
    assert (await weights(database)).get("public.j") is None
    with pytest.raises(MigrationError, match=f"is needed by .*{by}"):
        await database.apply(database.migration("DROP INDEX CONCURRENTLY j"))
    assert "j" in database.indexes()


async def test_an_exclusion_constraint_is_not_rebuilt_and_that_is_said_first(database: Database) -> None:
    database.run("ALTER TABLE t ADD CONSTRAINT x EXCLUDE USING btree (b WITH =)")
    with pytest.raises(MigrationError, match="exclusion constraint"):
        await database.apply(database.migration("REINDEX INDEX CONCURRENTLY x"))
    await database.apply(database.migration("REINDEX TABLE CONCURRENTLY t", name="002_y"))
    assert [one.split()[0] for one in database.indexes().values()] == ["CREATE"]


@pytest.mark.parametrize("gone", ["p2", "p0"])
async def test_a_partition_that_is_dropped_meanwhile_is_left_out(parts: Database, gone: str) -> None:
    migration = parts.migration(CREATE)
    runner = Runner(parts.url, max_wait_seconds=10)
    async with aclosing(runner.apply(await runner.plan(migration))) as looks:
        async for progress in looks:
            if (
                progress.step == 2
                and progress.ratio == 1
                and parts.ask(f"SELECT to_regclass('{gone}')")[0][0]
            ):
                parts.run(f"DROP TABLE {gone}")
    assert (await runner.verify(migration)).good
    assert await parts.apply(migration) == []


async def test_a_partition_that_comes_meanwhile_gets_its_own(parts: Database) -> None:
    migration = parts.migration(CREATE)
    runner = Runner(parts.url, max_wait_seconds=10)
    async with aclosing(runner.apply(await runner.plan(migration))) as looks:
        async for progress in looks:
            if progress.step == 2 and progress.ratio == 1:
                parts.run("CREATE TABLE public.p3 PARTITION OF p FOR VALUES FROM (3) TO (4)")
    assert (await runner.verify(migration)).good
    assert {name.partition("_")[0] for name in parts.indexes()} == {"i", "p0", "p1", "p2", "p3"}


async def test_names_keep_their_case_and_their_quotes(database: Database) -> None:
    database.run('CREATE TABLE "Sco""res" ("traceId" int, "order" int)')
    migration = database.migration(
        'CREATE INDEX CONCURRENTLY "IDX_Scores" ON "Sco""res" ("traceId", "order" DESC)',
        'CREATE INDEX CONCURRENTLY IDX_scores ON public."Sco""res" ("order")',
        rollback='DROP INDEX CONCURRENTLY IF EXISTS "IDX_Scores"; DROP INDEX CONCURRENTLY IF EXISTS idx_scores;',
    )
    await database.apply(migration)
    assert set(database.indexes()) == {"IDX_Scores", "idx_scores"}
    assert await database.apply(migration) == []
    await database.apply(migration, rollback=True)
    assert database.indexes() == {}


async def test_comments_and_quotes_do_not_part_a_file_where_it_has_no_seam(database: Database) -> None:
    migration = database.migration(
        "-- it's a comment; with a semicolon, and an apostrophe's tail\n/* one; /* in another; */ */\n"
        "CREATE INDEX CONCURRENTLY i ON t (b) WHERE b <> $q$a;'b$q$ AND b <> 'c;''d'",
        "-- +goose NO TRANSACTION\nCREATE INDEX CONCURRENTLY j ON t (a)",
    )  # fmt: skip
    await database.apply(migration)
    assert set(database.indexes()) == {"i", "j"}
    assert await database.apply(migration) == []


async def test_several_statements_are_no_transaction(database: Database) -> None:
    """A driver that sends them in one message makes one of them, in which none can run."""
    database.run("CREATE INDEX old ON t (b)")
    migration = database.migration(
        "DROP INDEX CONCURRENTLY IF EXISTS old",
        "CREATE INDEX CONCURRENTLY i ON t (a)",
        "CREATE INDEX CONCURRENTLY j ON t (b)",
    )
    await database.apply(migration)
    assert set(database.indexes()) == {"i", "j"}


async def test_a_materialized_view_is_indexed_too_and_goes_on_being_refreshed(database: Database) -> None:
    database.run("CREATE MATERIALIZED VIEW m AS SELECT id, a FROM t")
    migration = database.migration("CREATE UNIQUE INDEX CONCURRENTLY i ON m (id)")
    await database.apply(migration)
    database.run("REFRESH MATERIALIZED VIEW CONCURRENTLY m")
    assert (await Runner(database.url).verify(migration)).good


@pytest.mark.parametrize("rows", [0, 1])
async def test_a_table_that_is_empty_has_progress_as_well(database: Database, rows: int) -> None:
    database.run(f"DELETE FROM t WHERE id > {rows}", "VACUUM t")
    said = await database.apply(database.migration())
    assert said[-1].ratio == 1
    assert all(0 <= one.ratio <= 1 for one in said)
