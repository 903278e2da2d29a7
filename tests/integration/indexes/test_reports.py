"""What `status`, `verify` and `audit` find, and what a plan says of sizes."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from quickwins.core.flags import Flags
from quickwins.indexes import Blocked, Precondition, Runner
from tests.index_database import Database

pytestmark = [pytest.mark.engines("postgres"), pytest.mark.asyncio]

VERIFY = "-- expect-index: i\nPREPARE q (int) AS SELECT id FROM t WHERE {};\nEXPLAIN EXECUTE q (1);\nDEALLOCATE q;\n"
COLUMNS = {
    "bigint": "n::bigint", "int": "n % 500", "uuid": "md5(n::text)::uuid", "text": "'user' || n || '@feed.example'",
    "timestamptz": "now() + n * interval '1 s'", "bool": "n % 2 = 0", "numeric": "n * 1.5",
}  # fmt: skip


async def test_an_index_that_the_planner_ignores_is_reported_as_that(database: Database) -> None:
    migration = database.migration(verify=VERIFY.format("a + 0 = $1"))
    await database.apply(migration)

    found = await Runner(database.url).verify(migration)

    assert not found.good
    assert all(one.good for one in found.indexes)
    assert str(found.queries[0]).startswith("q: the planner ignores i; it uses no index, cost ")


async def test_a_query_that_got_faster_is_shown_with_both_costs(database: Database) -> None:
    migration = database.migration(verify=VERIFY.format("a = $1"))
    runner = Runner(database.url)
    missing = await runner.verify(migration)
    await database.apply(migration)
    found = await runner.verify(migration, measure_seconds=5)

    assert (missing.good, [one.state for one in missing.indexes]) == (False, ["missing"])
    assert found.good
    query = found.queries[0]
    assert query.ratio is not None
    assert query.ratio > 3
    assert query.milliseconds is not None
    assert query.buffers is not None


async def test_a_query_that_cannot_be_planned_is_an_answer_too(database: Database) -> None:
    migration = database.migration(verify=VERIFY.format("nope = $1"))
    found = await Runner(database.url).verify(migration)
    assert str(found.queries[0]) == 'q: column "nope" does not exist'


async def test_a_query_that_is_measured_is_given_up_in_time_and_changes_nothing(database: Database) -> None:
    migration = database.migration(verify=VERIFY.format("a = $1 AND pg_sleep(60) IS NOT NULL"))
    found = await Runner(database.url).verify(migration, measure_seconds=0.2)
    assert "statement timeout" in found.queries[0].error


async def test_verify_finds_an_invalid_index_and_another_definition(database: Database) -> None:
    migration = database.migration(
        "CREATE INDEX CONCURRENTLY i ON t (a)", "CREATE INDEX CONCURRENTLY j ON t (b)"
    )
    await database.apply(migration)
    database.broken()
    database.run("DROP INDEX j", "CREATE INDEX j ON t (b DESC)")

    found = await Runner(database.url).verify(migration)

    assert [one.state for one in found.indexes] == ["INVALID, not written to", "another definition"]


async def test_status_shows_debris_with_the_command_that_removes_it(database: Database) -> None:
    migration = database.migration()
    runner = Runner(database.url)
    assert (await runner.status(migration)).good
    await database.apply(migration)
    database.broken()

    found = await runner.status(migration)

    assert not found.good
    assert found.debris == ('public.i is INVALID, not written to: DROP INDEX CONCURRENTLY "public"."i";',)
    assert [one.state for one in found.history] == ["started", "building", "built", "applied"]


async def test_audit_lists_dead_weight_and_nothing_else(database: Database) -> None:
    database.run(
        "CREATE INDEX broken ON t (c)", "CREATE INDEX longer ON t (a, b)", "CREATE INDEX shorter ON t (a)",
        "CREATE UNIQUE INDEX forbids ON t (id, a)", "CREATE INDEX partial ON t (a) WHERE c IS NULL",
    )  # fmt: skip
    database.broken("broken")

    found = {one.index: one for one in await Runner(database.url).audit()}

    assert {name: str(one.weight) for name, one in found.items()} == {
        "public.broken": "invalid",
        "public.shorter": "redundant",
        "public.longer": "unused",
        "public.partial": "unused",
    }
    assert found["public.shorter"].detail.startswith("public.longer does its work: USING btree (a, b)")
    assert "days ago" in found["public.longer"].detail


async def test_audit_finds_a_bloated_index(database: Database) -> None:
    database.run(
        "CREATE TABLE big AS SELECT n AS id FROM generate_series(1, 200000) AS n", "CREATE UNIQUE INDEX big_id ON big (id)",
        "DELETE FROM big WHERE id % 5 > 0", "VACUUM big", "ANALYZE big",
    )  # fmt: skip
    found = [one for one in await Runner(database.url).audit() if one.index == "public.big_id"]
    assert [str(one.weight) for one in found] == ["bloated"]
    assert found[0].detail.endswith('would do: REINDEX INDEX CONCURRENTLY "public"."big_id";')


async def test_the_size_is_known_before_the_build(database: Database) -> None:
    columns = ", ".join(f"{expression} AS {name}_" for name, expression in COLUMNS.items())
    database.run(
        f"CREATE TABLE wide AS SELECT {columns}, CASE WHEN n % 3 = 0 THEN n END AS nullable_ FROM generate_series(1, 20000) AS n",
        "ANALYZE wide",
    )
    shapes = [
        *(f"({name}_)" for name in COLUMNS),
        "(nullable_)",
        "(int_, timestamptz_)",
        "(bigint_) INCLUDE (text_)",
        "(bigint_) WHERE bool_",
    ]
    migration = database.migration(
        *(f"CREATE INDEX CONCURRENTLY x{n} ON wide {shape}" for n, shape in enumerate(shapes))
    )

    plan = await Runner(database.url).plan(migration)
    await database.apply(migration)

    for _, _, index, estimate in plan.sizes:
        real = database.value("SELECT pg_relation_size($1::regclass)", index)
        assert estimate is not None
        assert abs(estimate / real - 1) <= 0.15, shapes[int(index[1:])]


async def test_the_series_follow_the_work(database: Database) -> None:
    registry = CollectorRegistry()
    runner = Runner(database.url, service="feed", name="dba", registry=registry)
    migration = database.migration()
    labels = {"service": "feed", "name": "dba"}

    def state() -> float | None:
        return registry.get_sample_value("quickwins_migration_state", {**labels, "migration": "001_x"})

    before = state()
    during = [state() async for _ in runner.apply(await runner.plan(migration))]
    assert (before, {*during}, state()) == (None, {2}, 1)
    assert registry.get_sample_value("quickwins_index_invalid", labels) == 0
    assert registry.get_sample_value("quickwins_index_build_progress_ratio", labels) == 0
    database.broken()
    await runner.status(migration)
    assert registry.get_sample_value("quickwins_index_invalid", labels) == 1


async def test_a_flag_that_is_off_guards_what_changes_something_alone(database: Database) -> None:
    from quickwins.core.flags.sources import EnvironmentSource
    from quickwins.facade import SECTIONS

    flags = Flags(
        SECTIONS,
        [EnvironmentSource({"QUICKWINS_INDEXES__KILLED": "true"}, SECTIONS)],
        registry=CollectorRegistry(),
    )
    runner = Runner(database.url, flag=flags.flag("indexes"))
    plan = await runner.plan(database.migration())
    with pytest.raises(Blocked) as blocked:
        await anext(runner.apply(plan))
    assert blocked.value.reason is Precondition.FLAG
    assert database.indexes() == {}


async def test_audit_sees_toast_tables(database: Database) -> None:
    toast = database.value("SELECT reltoastrelid::regclass::text FROM pg_class WHERE relname = 't'")
    database.broken(
        database.value(
            "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = $1::text::regclass", toast
        )
    )
    found = await Runner(database.url).audit()
    assert [(str(one.weight), one.table) for one in found] == [("invalid", toast)]
