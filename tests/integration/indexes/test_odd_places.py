"""Databases that are set up in unusual ways: each is refused with a name, or served, but never met with a traceback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from quickwins.core.errors import ConfigError
from quickwins.indexes import Blocked, BuildFailed, Migration, Runner
from tests.index_database import Database

pytestmark = [pytest.mark.engines("postgres"), pytest.mark.asyncio]

REFUSES = """
    CREATE FUNCTION refuses() RETURNS event_trigger LANGUAGE plpgsql AS
        $$BEGIN IF tg_tag = '{}' THEN RAISE EXCEPTION 'ask the platform team'; END IF; END$$;
    CREATE EVENT TRIGGER refuses ON ddl_command_start EXECUTE FUNCTION refuses()
"""


@pytest.fixture
def role(database: Database) -> Iterator[str]:
    """A role that owns the table, and may create in its schema."""
    role = f"odd_{database.value('SELECT current_database()')}"
    database.run(
        f"CREATE ROLE {role} LOGIN PASSWORD 'of-the-test'",
        f"ALTER TABLE t OWNER TO {role}",
        f"GRANT CREATE ON SCHEMA public TO {role}",
    )
    yield role
    database.run(f"DROP OWNED BY {role} CASCADE", f"DROP ROLE {role}")


@pytest.fixture
def other(database: Database, role: str) -> str:
    """The DSN of that role."""
    return database.as_role(role, "of-the-test")


async def applied(url: str, migration: Migration) -> None:
    runner = Runner(url, max_wait_seconds=10)
    async for _ in runner.apply(await runner.plan(migration)):
        pass


async def test_a_schema_that_a_dba_has_made_for_the_history_is_enough(
    database: Database, role: str, other: str
) -> None:
    database.run(f"CREATE SCHEMA quickwins AUTHORIZATION {role}")  # and no CREATE on the database
    await applied(other, database.migration())
    assert database.indexes() == {"i": "CREATE INDEX i ON public.t USING btree (a)"}


@pytest.mark.parametrize(
    ("made", "said"),
    [
        pytest.param(
            "CREATE SCHEMA quickwins", "may not make or write quickwins.index_history", id="the history"
        ),
        pytest.param("ALTER TABLE t SET SCHEMA hidden", "does not own hidden.t", id="the table"),
    ],
)
async def test_a_schema_that_our_role_may_not_use_is_an_obstacle(
    database: Database, other: str, made: str, said: str
) -> None:
    database.run("CREATE SCHEMA hidden", made)
    where = "hidden.t" if "hidden" in made else "t"
    plan = await Runner(other).plan(database.migration(f"CREATE INDEX CONCURRENTLY i ON {where} (a)"))
    assert any(said in one.text for one in plan.obstacles), plan


async def test_each_partition_is_ours_or_that_is_said_before_anything_is_done(
    database: Database, role: str, other: str
) -> None:
    database.run(
        "CREATE TABLE p (id int, a int) PARTITION BY LIST (id)",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1)",
        f"ALTER TABLE p OWNER TO {role}",
        f"CREATE SCHEMA quickwins AUTHORIZATION {role}",
    )
    with pytest.raises(Blocked, match=r"does not own public\.p1"):
        await applied(other, database.migration("CREATE INDEX CONCURRENTLY i ON p (a)"))
    assert database.indexes() == {}


async def test_a_size_that_row_security_hides_is_unknown(database: Database, role: str, other: str) -> None:
    database.run(
        f"CREATE SCHEMA quickwins AUTHORIZATION {role}",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE t FORCE ROW LEVEL SECURITY",
        f"ALTER ROLE {role} SET row_security = off",
    )
    migration = database.migration("CREATE INDEX CONCURRENTLY i ON t (a) WHERE c IS NULL")
    plan = await Runner(other).plan(migration)
    assert [size for *_, size in plan.sizes] == [None]
    await applied(other, migration)
    assert list(database.indexes()) == ["i"]


async def test_an_event_trigger_that_refuses_the_history_is_named(database: Database) -> None:
    database.run(REFUSES.format("CREATE SCHEMA"))
    with pytest.raises(BuildFailed, match="ask the platform team"):
        await database.apply(database.migration())
    assert database.indexes() == {}


async def test_an_event_trigger_that_refuses_tables_is_an_obstacle_that_can_be_overridden(
    database: Database,
) -> None:
    database.run("CREATE SCHEMA quickwins", REFUSES.format("CREATE TABLE"))
    migration = database.migration()
    with pytest.raises(Blocked, match="cannot be tried on an empty copy: ask the platform team"):
        await database.apply(migration)
    database.run("DROP EVENT TRIGGER refuses")
    await database.apply(database.migration("CREATE INDEX CONCURRENTLY j ON t (b)", name="000_history"))
    database.run("CREATE EVENT TRIGGER refuses ON ddl_command_start EXECUTE FUNCTION refuses()")
    await database.apply(migration, overrides=["permissions"])
    assert list(database.indexes()) == ["i", "j"]


async def test_an_event_trigger_that_lets_only_concurrent_builds_pass_is_an_obstacle_that_can_be_overridden(
    database: Database,
) -> None:
    database.run(
        """CREATE FUNCTION guards() RETURNS event_trigger LANGUAGE plpgsql AS
           $$BEGIN IF current_query() !~* 'concurrently' THEN RAISE 'not like this'; END IF; END$$""",
        "CREATE EVENT TRIGGER guards ON ddl_command_start WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION guards()",
    )
    migration = database.migration()
    with pytest.raises(Blocked, match="cannot be tried on an empty copy: not like this"):
        await database.apply(migration)
    await database.apply(migration, overrides=["permissions"])
    assert list(database.indexes()) == ["i"]


async def test_a_history_that_is_somebody_elses_table_is_named(database: Database) -> None:
    database.run("CREATE SCHEMA quickwins", "CREATE TABLE quickwins.index_history (x int)")
    with pytest.raises(BuildFailed, match="does not exist"):
        await Runner(database.url).plan(database.migration())


@pytest.mark.parametrize(
    ("rest", "built"),
    [
        pytest.param("(a) WHERE t.c IS NULL", "(a) WHERE (c IS NULL)", id="in the predicate"),
        pytest.param("((t.a + public.t.id))", "(((a + id)))", id="in an expression"),
        pytest.param("(full_name(t))", "(full_name(t.*))", id="the whole row"),
        pytest.param("(full_name(t.*))", "(full_name(t.*))", id="the whole row with a star"),
    ],
)
async def test_columns_may_be_named_by_their_table(database: Database, rest: str, built: str) -> None:
    database.run(
        "CREATE FUNCTION full_name(t) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT $1.b || $1.id $$"
    )
    migration = database.migration(f"CREATE INDEX CONCURRENTLY i ON t {rest}")
    assert await database.apply(migration)
    assert database.indexes() == {"i": f"CREATE INDEX i ON public.t USING btree {built}"}
    assert await database.apply(migration) == []
    database.broken()
    assert await database.apply(migration)
    assert database.indexes() == {"i": f"CREATE INDEX i ON public.t USING btree {built}"}


async def test_columns_may_be_named_by_their_table_on_partitions_too(database: Database) -> None:
    database.run(
        "CREATE TABLE p (id int, a int) PARTITION BY RANGE (id)",
        "CREATE TABLE p0 PARTITION OF p FOR VALUES FROM (0) TO (1)",
    )
    await database.apply(database.migration("CREATE INDEX CONCURRENTLY i ON p ((p.a + 1)) WHERE p.a > 0"))
    assert list(database.indexes()) == ["i", "p0_i"]


async def test_a_column_may_have_the_name_of_its_table(database: Database) -> None:
    database.run("CREATE TABLE tag (tag text)", "INSERT INTO tag VALUES ('x')")
    migration = database.migration("CREATE INDEX CONCURRENTLY i ON tag (lower(tag))")
    await database.apply(migration)
    database.run("DROP INDEX i", "CREATE INDEX i ON tag (upper(tag))")
    plan = await Runner(database.url).plan(migration)
    assert "is another index" in plan.refusals[0]


@pytest.mark.parametrize(
    ("query", "table"),
    [
        pytest.param("", "app.t", id="the variable"),
        pytest.param("?options=-csearch_path%3Dpublic", "public.t", id="the DSN comes first"),
    ],
)
async def test_a_search_path_in_pgoptions_says_which_table_is_meant(
    database: Database, monkeypatch: pytest.MonkeyPatch, query: str, table: str
) -> None:
    database.run("CREATE SCHEMA app", "CREATE TABLE app.t (a int)")
    monkeypatch.setenv("PGOPTIONS", "-c search_path=app")
    plan = await Runner(database.url + query).plan(database.migration())
    assert [str(one.table) for one in plan.actions] == [table]


async def test_an_address_may_say_what_only_libpq_knows(database: Database) -> None:
    ours = "connect_timeout=30&keepalives=1&gssencmode=disable&channel_binding=prefer"
    url = f"{database.url}?{ours}&options=-csearch_path%3Dpublic"
    assert (await Runner(url).plan(database.migration())).actions


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        pytest.param("channel_binding=require", ConfigError, "leave it out", id="what the driver cannot do"),
        pytest.param("connect_timeout=soon", ConfigError, "whole seconds", id="no number"),
        pytest.param("target_session_attrs=standby", BuildFailed, "target attribute", id="no such server"),
    ],
)
async def test_an_address_that_asks_for_what_cannot_be_had_is_an_error_with_a_name(
    database: Database, asked: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        await Runner(f"{database.url}?{asked}").plan(database.migration())
