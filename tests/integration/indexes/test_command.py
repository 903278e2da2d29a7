"""`quickwins indexes` as people and scripts use it: what it prints, and what it exits with."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from quickwins.cli.app import run
from quickwins.indexes import Migration
from tests.index_database import Database

pytestmark = pytest.mark.engines("postgres")

Call = Callable[..., tuple[int, str, str]]
MIGRATION = "001_x.sql"


@pytest.fixture
def call(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    monkeypatch.chdir(tmp_path)
    for variable in [name for name in os.environ if name.startswith(("QUICKWINS_", "PG"))]:
        monkeypatch.delenv(variable)
    database.migration()

    def called(verb: str, *options: str, dsn: str | None = database.url) -> tuple[int, str, str]:
        capsys.readouterr()
        file = [] if verb == "audit" else [MIGRATION]
        code = run(["indexes", verb, *file, *options, *(["--dsn", dsn] if dsn else [])])
        said = capsys.readouterr()
        return code, said.out, said.err

    return called


def test_from_the_first_plan_to_the_rollback(call: Call, database: Database) -> None:
    statement = 'CREATE INDEX CONCURRENTLY "i" ON "public"."t" USING btree (a)'

    code, out, err = call("plan")
    assert (code, out.splitlines()[1].split("\t")) == (3, ["1", "build", "public.i", statement, "-"])
    assert "public.i: about" not in err
    assert "i: about 0.1 MiB" in err
    assert call("apply", "--dry-run")[0] == 0
    assert database.indexes() == {}
    code, _, err = call("apply")
    assert (code, "done: 1 action" in err) == (0, True)
    assert call("plan")[0] == 0
    code, out, _ = call("apply", "--json")
    assert (code, json.loads(out)) == (0, {"migration": "001_x", "rollback": False, "done": []})
    assert call("status")[0] == 0
    assert call("verify")[0] == 0
    assert call("watch")[:2] == (0, "")
    assert call("rollback")[0] == 0
    assert database.indexes() == {}
    assert call("verify")[0] == 3


def test_what_is_found_has_an_exit_code_of_its_own(call: Call, database: Database) -> None:
    call("apply")
    database.broken()
    assert [call(verb)[0] for verb in ("plan", "status", "verify", "audit")] == [3, 3, 3, 3]
    code, out, _ = call("audit", "--json")
    assert (code, [one["weight"] for one in json.loads(out)]) == (3, ["invalid"])
    database.run("DROP INDEX i")
    assert call("audit")[0] == 0


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        pytest.param(("--window", "2-4"), 2, "a window is `HH:MM-HH:MM ZONE`", id="no window"),
        pytest.param(("--max-wait", "-1"), 2, "max_wait_seconds=-1.0 is not allowed", id="no time"),
        pytest.param(("--override", "nope"), 2, "is no precondition that can be overridden: window, standby", id="no precondition"),
        pytest.param(("--terminate-blockers", "psql"), 2, "say application=NAME", id="no application"),
        pytest.param(("--dsn", "postgresql://u:pw-secret@127.0.0.1:1/x"), 5, "no connection to 127.0.0.1:1/x", id="no server"),
        pytest.param(("--dsn", "nonsense://u:pw-secret@h"), 2, "the DSN cannot be read", id="no DSN"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_with_its_code(
    call: Call, options: tuple[str, ...], code: int, said: str
) -> None:
    dsn = {} if "--dsn" not in options else {"dsn": None}
    got, out, err = call("apply", *options, **dsn)
    assert got == code
    assert said in err
    assert "pw-secret" not in out + err


@pytest.mark.volume
def test_a_refused_file_exits_with_2_whatever_is_asked(call: Call, tmp_path: Path) -> None:
    (tmp_path / MIGRATION).write_text("BEGIN; CREATE INDEX i ON t (a);")
    for verb in ("plan", "apply", "status", "verify", "rollback", "watch"):
        code, _, err = call(verb)
        assert (code, "not an index statement" in err) == (2, True)


def test_a_file_that_the_server_refuses_exits_with_2(call: Call, database: Database) -> None:
    database.migration("CREATE INDEX CONCURRENTLY i ON nope (a)")
    assert [call(verb)[0] for verb in ("plan", "apply")] == [2, 2]


def test_what_is_in_the_way_exits_with_4_and_plan_names_how_to_override_it(
    call: Call, database: Database, tmp_path: Path
) -> None:
    (tmp_path / "quickwins.toml").write_text('[indexes]\nwindow = "00:00-00:01 Pacific/Kiritimati"\n')
    code, _, err = call("apply")
    if code == 0:
        pytest.skip("it is that minute")
    assert (code, "blocked: window: it is" in err) == (4, True)
    assert call("apply", "--dry-run")[0] == 4
    assert "(--override window)" in call("plan")[2]
    assert call("apply", "--override", "window")[0] == 0
    assert list(database.indexes()) == ["i"]


@pytest.mark.parametrize("text", ["[indexes]\nenabled = false\n", "[indexes]\nkilled = true\n"])
def test_a_file_that_switches_it_off_guards_apply_and_rollback_alone(
    call: Call, tmp_path: Path, text: str
) -> None:
    (tmp_path / "quickwins.toml").write_text(text)
    assert [call(verb)[0] for verb in ("apply", "rollback")] == [4, 4]
    assert call("apply", "--dry-run")[0] == 0
    assert call("plan")[0] == 3


def test_a_file_that_says_nothing_of_it_switches_nothing_off(call: Call, tmp_path: Path) -> None:
    (tmp_path / "quickwins.toml").write_text("service = 'feed'\n")
    assert call("apply")[0] == 0


def test_a_failed_statement_exits_with_5(call: Call, database: Database) -> None:
    database.migration("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)")
    code, _, err = call("apply")
    assert (code, "there are duplicates" in err) == (5, True)
    assert database.indexes() == {}


def test_the_database_comes_from_the_environment_too(
    call: Call, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUICKWINS_INDEXES__DSN", database.url)
    assert call("plan", dsn=None)[0] == 3
    monkeypatch.delenv("QUICKWINS_INDEXES__DSN")
    parts = urlsplit(database.url)
    for name, value in {"PGHOST": parts.hostname, "PGPORT": parts.port, "PGUSER": parts.username, "PGPASSWORD": parts.password or "x", "PGDATABASE": parts.path[1:]}.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    assert call("plan", dsn=None)[0] == 3


def test_a_password_in_the_dsn_works_with_a_warning_and_is_nowhere_else(
    call: Call, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    parts = urlsplit(database.url)
    password = parts.password or "s3cr%40t"
    dsn = parts._replace(netloc=f"{parts.username}:{password}@{parts.hostname}:{parts.port}").geturl()
    code, out, err = call("apply", dsn=dsn)
    history = str(database.ask("SELECT * FROM quickwins.index_history"))
    names = str(database.ask("SELECT application_name, query FROM pg_stat_activity"))

    assert code == 0
    assert "the password in --dsn can be read by everybody on this machine" in err
    for secret in {password, "s3cr@t"}:
        assert secret not in out + err + caplog.text + history + names


@pytest.mark.parametrize("seconds", ["inf", "1e30", "86401"])
def test_a_time_to_measure_for_that_is_none_is_refused(call: Call, seconds: str) -> None:
    code, _, err = call("verify", "--measure", seconds)
    assert (code, "is not allowed: 0.001 to 86,400" in err) == (2, True)


def started(database: Database, migration: Migration, verb: str, *options: str) -> list[str]:
    """The command, for a process of its own."""
    return [
        sys.executable,
        "-m",
        "quickwins",
        "indexes",
        verb,
        str(migration.path),
        "--dsn",
        database.url,
        *options,
    ]


def test_a_stream_that_lacks_a_letter_shows_it_spelled_out(database: Database) -> None:
    migration = database.migration('CREATE INDEX CONCURRENTLY "größe" ON t (a)')
    done = subprocess.run(
        started(database, migration, "plan"),
        env={**os.environ, "PYTHONIOENCODING": "ascii:strict"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr[:11]) == (3, b"quickwins: ")
    assert b"public.gr\\xf6\\xdfe" in done.stdout


@pytest.mark.asyncio
async def test_a_terminal_obeys_nothing_that_stands_in_somebody_elses_query(database: Database) -> None:
    migration = database.migration()
    controller, terminal = pty.openpty()
    async with database.session() as connection:
        await connection.execute(
            "BEGIN; UPDATE t SET b = '\x1b]0;owned\x07' WHERE id = 1; SELECT pg_sleep(1.1)"
        )
        words = started(database, migration, "apply", "--max-wait", "1")
        process = await asyncio.create_subprocess_exec(*words, stdout=terminal, stderr=terminal)
        os.close(terminal)
        reading = asyncio.create_task(asyncio.to_thread(all_of, controller))
        assert await process.wait() == 4
        seen = await reading
    assert b"held up" in seen
    assert b"\\x1b]0;owned" in seen
    assert b"\x1b]0;" not in seen


def all_of(controller: int) -> bytes:
    """What a terminal shows until its program has ended."""
    seen = b""
    with suppress(OSError), os.fdopen(controller, "rb", buffering=0) as stream:
        while more := stream.read(65_536):
            seen += more
    return seen
