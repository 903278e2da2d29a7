"""What a migration may say, and what is refused before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from quickwins.indexes import Migration, MigrationError
from quickwins.indexes._statements import CreateIndex, DropIndex, Name, name_on

ROOT = Path(__file__).parents[3]
CREATE = "CREATE INDEX CONCURRENTLY i ON t (a);"
ROLLBACK = "DROP INDEX CONCURRENTLY IF EXISTS i;"
VERIFY = "-- expect-index: i\nPREPARE q (int) AS SELECT 1 FROM t WHERE a = $1;\nEXPLAIN EXECUTE q (1);\nDEALLOCATE q;\n"


def written(
    folder: Path, deploy: str = CREATE, rollback: str | None = ROLLBACK, verify: str | None = VERIFY
) -> Path:
    for suffix, text in (("", deploy), (".rollback", rollback), (".verify", verify)):
        if text is not None:
            (folder / f"001_x{suffix}.sql").write_text(text, encoding="utf-8")
    return folder / "001_x.sql"


def loaded(
    folder: Path, deploy: str = CREATE, rollback: str | None = ROLLBACK, verify: str | None = VERIFY
) -> Migration:
    return Migration.load(written(folder, deploy, rollback, verify))


def first(migration: Migration) -> CreateIndex:
    one = migration.statements[0]
    assert isinstance(one, CreateIndex)
    return one


@pytest.mark.parametrize(
    ("deploy", "said"),
    [
        pytest.param("BEGIN; " + CREATE, "BEGIN: not an index statement", id="a transaction"),
        pytest.param("DO $$ BEGIN END $$;", "DO $$", id="a block"),
        pytest.param("UPDATE t SET a = 1;", "UPDATE t SET a = 1: not an index", id="data"),
        pytest.param("CREATE TABLE t (a int);", "not an index statement; allowed are", id="a table"),
        pytest.param("DROP TABLE t;", "not an index statement", id="another drop"),
        pytest.param("ALTER TABLE t ADD b int;", "not an index statement", id="another alter"),
        pytest.param(
            "\\set ON_ERROR_STOP on\n" + CREATE, ':1: syntax error at or near "\\": psql\'s own', id="psql's"
        ),
        pytest.param("\\restrict k\n" + CREATE, "psql's own commands are not SQL", id="pg_dump's"),
        pytest.param(
            "SET search_path = x;\n" + CREATE,
            "only time-outs of the session may be set",
            id="another setting",
        ),
        pytest.param(
            "SET LOCAL lock_timeout = 0;\n" + CREATE, "only time-outs", id="a setting of a transaction"
        ),
        pytest.param("CREATE INDEX CONCURRENTLY ON t (a);", "an index needs a name", id="no name"),
        pytest.param("-- nothing\n", "there is no index statement", id="nothing"),
        pytest.param(
            "CREATE INDX i ON t (a);", ':1: syntax error at or near "INDX": CREATE INDX', id="no SQL"
        ),
        pytest.param(
            f"{CREATE}\n\nCREATE INDEX CONCURRENTLY i ON u (a);", ":3: the index i is in line 1", id="twice"
        ),
        pytest.param(
            f"-- +goose Up\n{CREATE}\n -- +goose Down\n{ROLLBACK}",
            ":3: -- +goose Down: the way back",
            id="goose's",
        ),
        pytest.param(
            f"-- +migrate Up\n{CREATE}\n-- +migrate Down\n{ROLLBACK}",
            ":3: -- +migrate Down: the way",
            id="sql-migrate's",
        ),
        pytest.param(
            f"-- migrate:up\n{CREATE}\n--migrate:down\n{ROLLBACK}",
            ":3: --migrate:down: the way",
            id="dbmate's",
        ),
        pytest.param(f"{CREATE}\n\0DROP INDEX j;", ":2: a byte 0", id="a byte 0"),
        pytest.param(CREATE.replace("Y i", "Y\u00a0i"), r"xa0i': there is a sign", id="a space that is none"),
        pytest.param(
            "CREATE INDEX CONCURRENTLY i ON t\u200b (a);",
            "u200b': there is a sign",
            id="nothing that is none",
        ),
        pytest.param("DROP INDEX CONCURRENTLY i CASCADE;", "without CASCADE", id="a cascade"),
        pytest.param("DROP INDEX i, j;", "drop one index in each statement", id="two drops in one"),
        pytest.param("REINDEX INDEX i;", "it would block writers", id="a blocking rebuild"),
        pytest.param(
            "REINDEX DATABASE CONCURRENTLY d;", "only REINDEX INDEX and REINDEX TABLE", id="a whole database"
        ),
    ],
)
def test_what_is_no_safe_index_statement_is_refused_with_its_place(
    tmp_path: Path, deploy: str, said: str
) -> None:
    with pytest.raises(MigrationError) as refused:
        loaded(tmp_path, deploy)
    assert "001_x.sql:" in str(refused.value)
    assert said in str(refused.value)


@pytest.mark.parametrize("missing", ["rollback", "verify"])
def test_a_missing_file_of_the_three_is_an_error(tmp_path: Path, missing: str) -> None:
    path = written(tmp_path)
    path.with_name(f"001_x.{missing}.sql").unlink()
    with pytest.raises(MigrationError, match=rf"001_x\.{missing}\.sql: there is no such file"):
        Migration.load(path)


def test_the_file_beside_the_migration_is_not_the_migration(tmp_path: Path) -> None:
    path = written(tmp_path)
    with pytest.raises(MigrationError, match="name the migration itself"):
        Migration.load(path.with_name("001_x.verify.sql"))


@pytest.mark.parametrize(
    ("verify", "said"),
    [
        pytest.param("SELECT 1;", "is made of PREPARE", id="a bare query"),
        pytest.param(
            "PREPARE q AS SELECT 1; EXPLAIN EXECUTE q;", "say `-- expect-index: NAME`", id="nothing expected"
        ),
        pytest.param(
            VERIFY.replace("index: i", "index: j"), "makes no index j; it makes: i", id="another's index"
        ),
        pytest.param("EXPLAIN EXECUTE q;", "there is no PREPARE q above", id="not prepared"),
        pytest.param("-- expect-index: i\nPREPARE q AS DELETE FROM t;", "only a SELECT", id="a write"),
    ],
)
def test_a_verify_file_that_shows_nothing_is_refused(tmp_path: Path, verify: str, said: str) -> None:
    with pytest.raises(MigrationError, match=said):
        loaded(tmp_path, verify=verify)


def test_a_rollback_only_drops(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="only DROP INDEX takes a migration back"):
        loaded(tmp_path, rollback=CREATE)


def test_all_there_is_to_say_about_an_index_is_kept(tmp_path: Path) -> None:
    deploy = (
        'SET lock_timeout = 0;\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "I x" ON ONLY s.T USING gin (lower(a) '
        'COLLATE "C" text_pattern_ops DESC NULLS LAST) INCLUDE (b) WITH (fillfactor=70) TABLESPACE "T s" WHERE c > 1;'
    )
    one = first(loaded(tmp_path, deploy, verify=VERIFY.replace("index: i", "index: I x")))

    assert (one.index, one.table, one.unique, one.concurrently, one.only) == (
        Name("I x", "s"), Name("t", "s"), True, True, True,
    )  # fmt: skip
    whole = (
        'CREATE UNIQUE INDEX CONCURRENTLY "I x" ON "s"."t" USING gin (lower(a) COLLATE "C" text_pattern_ops DESC NULLS '
        'LAST) INCLUDE (b) WITH (fillfactor=70) TABLESPACE "T s" WHERE c > 1'
    )
    assert one.on(one.table, concurrently=True) == whole
    assert 'ON ONLY "s"."t"' in one.on(one.table, only=True)


def test_the_digest_is_that_of_the_statements(tmp_path: Path) -> None:
    plain = loaded(tmp_path).digest
    assert loaded(tmp_path, "-- why\r\ncreate   INDEX concurrently\r\n  i on T(a)  ;\r\n").digest == plain
    assert loaded(tmp_path, "\ufeff" + CREATE).digest == plain
    assert loaded(tmp_path, CREATE.replace("(a)", "(a DESC)")).digest != plain
    assert loaded(tmp_path, "SET lock_timeout = 0;" + CREATE).digest != plain


def test_names_are_cut_as_the_server_cuts_them(tmp_path: Path) -> None:
    long = "ü" * 40
    one = first(
        loaded(
            tmp_path,
            f"CREATE INDEX CONCURRENTLY {long} ON t (a);",
            verify=VERIFY.replace("x: i", f"x: {'ü' * 31}"),
        )
    )
    assert one.index.name == "ü" * 31


def test_a_partitions_index_has_the_same_short_name_each_time() -> None:
    assert name_on(Name("p1", "s"), Name("i")) == Name("p1_i", "s")
    long = name_on(Name("p" * 60, "s"), Name("i" * 60))
    assert long == name_on(Name("p" * 60, "s"), Name("i" * 60))
    assert len(long.name.encode()) == 63
    assert long != name_on(Name("p" * 60, "s"), Name("i" * 59))


@pytest.mark.parametrize(
    "path", sorted((ROOT / "migrations").glob("*[!ky].sql")), ids=lambda path: path.stem[:3]
)
def test_our_own_migrations_are_safe_to_run(path: Path) -> None:
    migration = Migration.load(path)
    made = [one for one in migration.statements if isinstance(one, CreateIndex)]
    assert [one.concurrently for one in made] == [True] * len(made)
    assert {name for check in migration.checks for name in check.indexes} == {one.index.name for one in made}
    dropped = [one.index.name for one in migration.rollback if isinstance(one, DropIndex)]
    assert sorted(one.index.name for one in made) == sorted(dropped)
